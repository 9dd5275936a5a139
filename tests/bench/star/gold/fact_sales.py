from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from star.gold._keys import key_of
from transforms.table import by_key, lookup, table


@table(
    grain="one row for each sale",
    key="rowid",
    reads=["ref.sales_data", "gold.dim_product"],
    update=by_key("ref.sales_data"),
    lookups={"gold.dim_product": lookup("product_id", uses=["product_key"])},
)
def fact_sales(sales: DataFrame, products: DataFrame) -> DataFrame:
    """Sales with the keys of their dimensions. Every customer of a sale is in dim_customer, so that key needs no looking up."""
    known = sales.join(products.select("product_id", "product_key"), "product_id", "left")
    year, month = F.year("timestamp"), F.month("timestamp")
    return known.select(
        "rowid",
        (year * 10000 + month * 100 + F.dayofmonth("timestamp")).alias("date_key"),
        (year * 100 + month).alias("month"),
        "product_key",
        key_of("customer_id").alias("customer_key"),
        "price",
        "quantity",
        (F.col("price") * F.col("quantity")).cast("decimal(18,2)").alias("amount"),
        "timestamp",
    )
