from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.table import by_group, lookup, table


@table(
    grain="one row for each day and category",
    key=["date_key", "category"],
    reads=["gold.fact_sales", "gold.dim_product"],
    update=by_group("date_key"),
    lookups={"gold.dim_product": lookup("product_key", uses=["category"])},
)
def rollup_daily(sales: DataFrame, products: DataFrame) -> DataFrame:
    """Sales by day and category."""
    placed = sales.join(products.select("product_key", "category"), "product_key")
    return placed.groupBy("date_key", "category").agg(
        F.sum("amount").cast("decimal(18,2)").alias("revenue"),
        F.sum("quantity").alias("units"),
        F.count("*").alias("n"),
        F.countDistinct("customer_key").alias("customers"),
    )
