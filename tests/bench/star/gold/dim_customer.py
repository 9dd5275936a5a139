from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from star.gold._keys import key_of
from transforms.table import by_group, table


@table(
    grain="one row for each customer who bought",
    key="customer_id",
    reads=["ref.sales_data"],
    update=by_group("customer_id"),
)
def dim_customer(sales: DataFrame) -> DataFrame:
    """Customers, as their sales tell of them."""
    bought = sales.groupBy("customer_id").agg(
        F.min("timestamp").alias("first_seen"), F.max("timestamp").alias("last_seen"), F.count("*").alias("orders")
    )
    return bought.select(key_of("customer_id").alias("customer_key"), "customer_id", "first_seen", "last_seen", "orders")
