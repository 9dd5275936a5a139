"""gold.rollup_sales"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.gold._levels import levels
from transforms.table import rebuild, table

_COLUMNS = ("year", "quarter", "month", "date")


@table(
    grain="one row per day, month, quarter, year, and one for all time",
    key=("grouping_id", *_COLUMNS),
    reads=("gold.agg_sales_daily",),
    update=rebuild(),
    columns={
        "level": "the columns that are not summed over, such as year+quarter; total for all time",
        "grouping_id": "0 day, 1 month, 3 quarter, 7 year, 15 all time",
    },
)
def rollup_sales(daily: DataFrame) -> DataFrame:
    """Sales from the day up to all time (ROLLUP)."""
    dated = (
        daily.withColumn("year", F.year("date").cast("int"))
        .withColumn("quarter", F.quarter("date").cast("int"))
        .withColumn("month", F.month("date").cast("int"))
    )
    return levels(dated, _COLUMNS, f"rollup({', '.join(_COLUMNS)})")
