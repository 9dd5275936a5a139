"""gold.dim_product"""

from pyspark.sql import DataFrame

from transforms.table import history, table

_TRACKED = ("sku", "name", "type", "category", "brand", "list_price", "cost", "currency", "discontinued_at")


@table(
    grain="one row per version of a product",
    key="product_key",
    reads=("changes.products",),
    update=history(_TRACKED, of="product_id", valid_from="updated_at"),
    unknown=True,
    columns={
        "product_key": "hash of product_id and the version's beginning; -1 is the unknown product",
        "list_price": "price in the catalog while the version held",
        "cost": "what one unit cost the shop while the version held",
        "valid_from": "the version holds from here on; the first one from the beginning of time",
        "valid_to": "… up to here, exclusive",
    },
)
def dim_product(versions: DataFrame) -> DataFrame:
    """Products as they were at any time (type 2)."""
    return versions.select(
        "product_key",
        "product_id",
        "sku",
        "name",
        "type",
        "category",
        "brand",
        "list_price",
        "cost",
        "currency",
        "screen_size_inches",
        "ram_gb",
        "storage_gb",
        "color",
        "launched_at",
        "discontinued_at",
        "valid_from",
        "valid_to",
        "is_current",
    )
