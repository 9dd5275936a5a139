"""gold.agg_sales_monthly"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.gold._measures import COMMENTS, MEASURES, sums
from transforms.table import by_group, table

_CELL = ("category", "country", "channel")


@table(
    grain="one row per month, category, country and channel that sold something or got something back",
    key=("month_key", *_CELL),
    reads=("gold.agg_sales_daily",),
    update=by_group("month_key"),
    rules=("net_sales = net_amount - returned_amount",),
    columns={"month_key": "yyyymm in the shop's time zone", **COMMENTS},
)
def agg_sales_monthly(daily: DataFrame) -> DataFrame:
    """Sales and returns by month; cubes and totals above the day are built from it."""
    return (
        daily.groupBy("month_key", *_CELL)
        .agg(*sums())
        .select(
            "month_key",
            F.expr("cast(month_key div 100 as int)").alias("year"),
            F.expr("cast((month_key % 100 + 2) div 3 as int)").alias("quarter"),
            F.expr("cast(month_key % 100 as int)").alias("month"),
            *_CELL,
            *MEASURES,
        )
    )
