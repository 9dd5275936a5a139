"""gold.cube_sales"""

from pyspark.sql import DataFrame

from transforms.gold._measures import COMMENTS, levels
from transforms.table import rebuild, table

_COLUMNS = ("year", "country", "category", "channel")


@table(
    grain="one row per combination of year, country, category and channel, each of which may be summed over",
    key=("grouping_id", *_COLUMNS),
    reads=("gold.agg_sales_monthly",),
    # A change of one cell changes half of the levels, and the months are few: only the cells that differ are written.
    update=rebuild(),
    columns={
        "level": "the columns that are not summed over, such as year+country; total when all are",
        "grouping_id": "8 year, 4 country, 2 category, 1 channel: a bit is set where the column is summed over",
        **COMMENTS,
    },
)
def cube_sales(monthly: DataFrame) -> DataFrame:
    """Sales by every combination of year, country, category and channel (CUBE)."""
    return levels(monthly, _COLUMNS, f"cube({', '.join(_COLUMNS)})")
