from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.table import by_group, lookup, table

TRAITS = ("category", "brand", "color")


@table(
    grain="one row for each month, category, brand and color",
    key=["month", *TRAITS],
    reads=["gold.fact_sales", "gold.dim_product"],
    update=by_group("month"),
    lookups={"gold.dim_product": lookup("product_key", uses=TRAITS)},
)
def sales_cells(sales: DataFrame, products: DataFrame) -> DataFrame:
    """The finest cells of the cube; a change touches those of its month."""
    by_product = sales.groupBy("month", "product_key").agg(
        F.sum("amount").alias("revenue"), F.sum("quantity").alias("units"), F.count("*").alias("n")
    )
    placed = by_product.join(products.select("product_key", *TRAITS), "product_key")
    return placed.groupBy("month", *TRAITS).agg(
        F.sum("revenue").cast("decimal(18,2)").alias("revenue"), F.sum("units").alias("units"), F.sum("n").alias("n")
    )
