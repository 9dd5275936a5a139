"""gold.rollup_sales"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.gold._measures import COMMENTS, MEASURES, levels, sums
from transforms.table import rebuild, table

_COLUMNS = ("year", "quarter", "month", "date")


@table(
    grain="one row per day, month, quarter, year, and one for all time",
    key=("grouping_id", *_COLUMNS),
    reads=("gold.agg_sales_daily", "gold.dim_date"),
    update=rebuild(),  # one row a day: only those that differ are written
    columns={
        "level": "the columns that are not summed over, such as year+quarter; total for all time",
        "grouping_id": "0 day, 1 month, 3 quarter, 7 year, 15 all time",
        **COMMENTS,
    },
)
def rollup_sales(daily: DataFrame, days: DataFrame) -> DataFrame:
    """Sales from the day up to all time (ROLLUP), with a zero for each day that sold nothing, up to the last day that did."""
    summed = daily.groupBy("date").agg(*sums())
    known = days.join(F.broadcast(daily.agg(F.max("date").alias("_last"))), F.col("date") <= F.col("_last"))
    filled = [F.coalesce(name, F.lit(0).cast(kind)).alias(name) for name, kind in MEASURES.items()]
    dense = known.join(summed, "date", "left").select(*_COLUMNS, *filled)
    return levels(dense, _COLUMNS, f"rollup({', '.join(_COLUMNS)})")
