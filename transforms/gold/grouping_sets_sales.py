"""gold.grouping_sets_sales"""

from pyspark.sql import DataFrame

from transforms.gold._measures import COMMENTS, levels
from transforms.table import rebuild, table

_COLUMNS = ("year", "month", "country", "category", "channel")
_SETS = "(country, category), (country), (category), (channel), (year, month), (year, country), ()"


@table(
    grain="one row per cell of the totals that are asked for most",
    key=("grouping_id", *_COLUMNS),
    reads=("gold.agg_sales_monthly",),
    update=rebuild(),  # as gold.cube_sales
    columns={
        "level": "the columns that are not summed over, such as country+category; total when all are",
        "grouping_id": "16 year, 8 month, 4 country, 2 category, 1 channel: a bit is set where the column is summed over",
        **COMMENTS,
    },
)
def grouping_sets_sales(monthly: DataFrame) -> DataFrame:
    """Totals by country and category, by each alone, by channel, by month, by year and country, and of all (GROUPING SETS)."""
    return levels(monthly, _COLUMNS, f"grouping sets ({_SETS})")
