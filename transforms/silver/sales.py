"""silver.sales"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.table import by_key, source, table

_RULES = (
    "customer_id is not null",
    "customer_id > 0",
    "product_id is not null",
    "quantity > 0",
    "price >= 0",
    "sold_at >= timestamp '2000-01-01 00:00:00'",
    # No clock in a rule: the row's own change tells what the future was. A year leaves room for orders taken in advance.
    "sold_at <= _source_ts + interval 366 days",
)


@table(
    grain="one row per sale line",
    key="sale_id",
    reads=(
        source(
            "bronze.shop.softcart.sales_data",
            {
                "rowid": "bigint",
                "product_id": "bigint",
                "customer_id": "bigint",
                "price": "decimal(12,2)",
                "quantity": "int",
                "timestamp": "timestamp",
                "order_id": "bigint?",
            },
        ),
    ),
    update=by_key("bronze.shop.softcart.sales_data", sale_id="rowid"),
    dated={"sold_at": "timestamp"},
    rules=_RULES,
    columns={
        "order_id": "the source's order; else customer and time, since lines of one customer at one time are one order",
        "amount": "price * quantity, before discount",
    },
)
def sales(rows: DataFrame) -> DataFrame:
    """What was sold: each line of each order, with the price paid for one unit."""
    line_time = F.date_format("timestamp", "yyyyMMdd'T'HHmmss")
    made_up = F.concat_ws("-", F.lit("c"), F.col("customer_id").cast("string"), line_time)
    return rows.select(
        F.col("rowid").alias("sale_id"),
        F.coalesce(F.col("order_id").cast("string"), made_up).alias("order_id"),
        "product_id",
        "customer_id",
        "price",
        "quantity",
        F.expr("cast(price * quantity as decimal(18,2))").alias("amount"),
        F.col("timestamp").alias("sold_at"),
        "_sequence",
        "_source_ts",
    )
