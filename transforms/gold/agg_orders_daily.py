"""gold.agg_orders_daily"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.table import by_group, lookup, table


@table(
    grain="one row per day, country and channel that sold something",
    key=("date_key", "country", "channel"),
    reads=("gold.fact_sales", "gold.dim_country", "gold.dim_channel"),
    update=by_group("date_key"),
    dated="date_key",
    lookups={
        "gold.dim_country": lookup("country_key", uses=("country",)),
        "gold.dim_channel": lookup("channel_key", uses=("channel",)),
    },
    columns={
        "date_key": "yyyymmdd in the shop's time zone",
        "orders": "orders with a line in this cell; they add up as long as no order has lines of two days, countries or channels",
    },
)
def agg_orders_daily(sales: DataFrame, countries: DataFrame, channels: DataFrame) -> DataFrame:
    """Orders by what an order has one of. By category they are in gold.agg_sales_daily, where they do not add up."""
    named = sales.join(countries.select("country_key", "country"), "country_key", "left").join(
        channels.select("channel_key", "channel"), "channel_key", "left"
    )
    cells = [F.coalesce(column, F.lit("Unknown")).alias(column) for column in ("country", "channel")]
    grouped = named.groupBy("date_key", *cells).agg(F.count_distinct("order_id").alias("orders"))
    return grouped.select("date_key", "country", "channel", "orders")
