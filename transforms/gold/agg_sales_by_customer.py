"""gold.agg_sales_by_customer"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from transforms.table import by_group, table

_MONEY = "decimal(18,2)"


@table(
    grain="one row per customer who bought something",
    key="customer_id",
    reads=("gold.fact_sales", "gold.fact_returns"),
    update=by_group("customer_id", across=("gold.fact_returns",)),
    rules=("orders > 0", "last_sale_date >= first_sale_date"),
    columns={
        "orders": "orders with a line that still stands",
        "amount": "gross sales",
        "net_amount": "after discount",
        "returned_amount": "money given back",
        "net_sales": "net_amount - returned_amount",
        "first_sale_date": "day of the first sale in the shop's time zone",
        "last_sale_date": "day of the last sale",
    },
)
def agg_sales_by_customer(sales: DataFrame, returns: DataFrame) -> DataFrame:
    """All that each customer bought and sent back: what customer lifetime is computed from."""
    bought = (
        sales.filter("customer_id is not null")
        .groupBy("customer_id")
        .agg(
            F.count_distinct("order_id").alias("orders"),
            F.count("*").alias("lines"),
            F.sum("quantity").cast("bigint").alias("units"),
            F.sum("amount").cast(_MONEY).alias("amount"),
            F.sum("net_amount").cast(_MONEY).alias("net_amount"),
            *(_day(end("date_key")).alias(name) for name, end in {"first_sale_date": F.min, "last_sale_date": F.max}.items()),
        )
    )
    back = returns.groupBy("customer_id").agg(F.sum("refund").alias("returned"))
    return (
        bought.join(back, "customer_id", "left")
        .withColumn("returned_amount", F.coalesce("returned", F.lit(0)).cast(_MONEY))
        .select(
            "customer_id",
            "orders",
            "lines",
            "units",
            "amount",
            "net_amount",
            "returned_amount",
            F.expr(f"cast(net_amount - returned_amount as {_MONEY})").alias("net_sales"),
            "first_sale_date",
            "last_sale_date",
        )
    )


def _day(key: Column) -> Column:
    return F.to_date(key.cast("string"), "yyyyMMdd")
