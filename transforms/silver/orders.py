"""silver.orders"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.table import by_key, source, table


@table(
    grain="one row per order",
    key="order_id",
    reads=(
        source(
            "bronze.shop.softcart.orders",
            {
                "order_id": "bigint",
                "customer_id": "bigint",
                "channel": "string",
                "discount": "decimal(12,2)",
                "status": "string?",
                "created_at": "timestamp?",
                "updated_at": "timestamp?",
            },
        ),
    ),
    update=by_key("bronze.shop.softcart.orders"),
    rules=("order_id is not null", "discount >= 0"),
    columns={
        "order_id": "text, as in silver.sales, where lines without an order get one made of customer and time",
        "discount": "money off the whole order",
    },
)
def orders(rows: DataFrame) -> DataFrame:
    """The head of each order: who, through which channel, with what discount."""
    return rows.select(
        F.col("order_id").cast("string").alias("order_id"),
        "customer_id",
        F.lower(F.trim("channel")).alias("channel"),
        F.coalesce("discount", F.expr("cast(0 as decimal(12,2))")).alias("discount"),
        F.lower(F.trim("status")).alias("status"),
        "created_at",
        "updated_at",
        "_sequence",
        "_source_ts",
    )
