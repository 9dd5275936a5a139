from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from star.gold._keys import key_of
from transforms.table import by_key, table


@table(
    grain="one row for each product",
    key="product_id",
    reads=["ref.products"],
    update=by_key("ref.products"),
)
def dim_product(products: DataFrame) -> DataFrame:
    """Products, with two attributes out of the nested ones."""
    return products.select(
        key_of("product_id").alias("product_key"),
        "product_id",
        "name",
        "category",
        "brand",
        F.col("attributes.color").alias("color"),
        F.col("attributes.weight_kg").alias("weight_kg"),
    )
