"""gold.agg_sales_by_category_country"""

from pyspark.sql import DataFrame

from transforms.gold._measures import COMMENTS, MEASURES, sums
from transforms.table import by_group, table

_KEY = ("year", "category", "country")


@table(
    grain="one row per year, category and country that sold something or got something back",
    key=_KEY,
    reads=("gold.agg_sales_monthly",),
    update=by_group(*_KEY),
    rules=("net_sales = net_amount - returned_amount",),
    columns={"year": "in the shop's time zone", **COMMENTS},
)
def agg_sales_by_category_country(monthly: DataFrame) -> DataFrame:
    """What each country buys of each category, year by year."""
    return monthly.groupBy(*_KEY).agg(*sums()).select(*_KEY, *MEASURES)
