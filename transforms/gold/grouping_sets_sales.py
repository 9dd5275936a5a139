"""gold.grouping_sets_sales"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.gold._levels import levels
from transforms.table import rebuild, table

_COLUMNS = ("year", "month", "country", "category", "channel")
_SETS = "(country, category), (country), (category), (channel), (year, month), (year, country), ()"


@table(
    grain="one row per cell of the totals that are asked for most",
    key=("grouping_id", *_COLUMNS),
    reads=("gold.agg_sales_daily",),
    update=rebuild(),
    columns={
        "level": "the columns that are not summed over, such as country+category; total when all are",
        "grouping_id": "16 year, 8 month, 4 country, 2 category, 1 channel: a bit is set where the column is summed over",
    },
)
def grouping_sets_sales(daily: DataFrame) -> DataFrame:
    """Totals by country and category, by each alone, by channel, by month, by year and country, and of all (GROUPING SETS)."""
    dated = daily.withColumn("year", F.year("date").cast("int")).withColumn("month", F.month("date").cast("int"))
    return levels(dated, _COLUMNS, f"grouping sets ({_SETS})")
