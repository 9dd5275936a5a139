"""silver.products"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.silver._documents import first, gigabytes, json, moment, number, text
from transforms.table import by_key, source, table


@table(
    grain="one row per product document",
    key="document_id",
    reads=(source("bronze.catalog.catalog.products", {"_id": "string", "document": "string"}),),
    update=by_key("bronze.catalog.catalog.products", document_id="_id"),
    rules=("product_id is not null", "list_price >= 0", "cost is null or cost >= 0"),
    columns={
        "document_id": "MongoDB's _id, as canonical extended JSON",
        "product_id": "the shop's number, which sales name",
        "list_price": "price in the catalog, which is not always the price paid",
        "cost": "what one unit costs the shop",
        "ram_gb": "memory in GB, whatever unit the document used",
        "attributes": "all attributes as they are, as JSON",
        "tags": "JSON array of texts",
    },
)
def products(rows: DataFrame) -> DataFrame:
    """What is sold: the catalog's nested, ragged documents as flat, typed columns."""
    memory = first(text("attributes", "RAM"), text("attributes", "ram"), text("ram"), text("RAM"))
    storage = first(text("attributes", "storage"), text("attributes", "Storage"), text("storage"))
    return rows.select(
        F.col("_id").alias("document_id"),
        number("product_id", kind="bigint").alias("product_id"),
        text("sku").alias("sku"),
        first(text("name"), text("model")).alias("name"),
        F.lower(text("type")).alias("type"),
        text("category").alias("category"),
        text("brand").alias("brand"),
        number("price", "list").alias("list_price"),
        number("price", "cost").alias("cost"),
        F.upper(text("price", "currency")).alias("currency"),
        first(number("attributes", "screen size"), number("screen size")).alias("screen_size_inches"),
        gigabytes(memory).alias("ram_gb"),
        gigabytes(storage).alias("storage_gb"),
        first(text("attributes", "color"), text("attributes", "colour")).alias("color"),
        json("attributes").alias("attributes"),
        json("tags").alias("tags"),
        moment("launched_at").alias("launched_at"),
        moment("discontinued_at").alias("discontinued_at"),
        moment("updated_at").alias("updated_at"),
        "_sequence",
        "_source_ts",
    )
