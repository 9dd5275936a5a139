"""gold.agg_sales_daily"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from transforms.gold._measures import COMMENTS, MEASURES, sums
from transforms.table import by_group, lookup, table

_KEYS = ("date_key", "product_key", "country_key", "channel_key")


@table(
    grain="one row per day, category, country and channel that sold something or got something back",
    key=("date_key", "category", "country", "channel"),
    reads=("gold.fact_sales", "gold.fact_returns", "gold.dim_product", "gold.dim_country", "gold.dim_channel"),
    update=by_group("date_key", across=("gold.fact_returns",)),
    dated="date_key",
    lookups={
        "gold.dim_product": lookup("product_key", uses=("category",)),
        "gold.dim_country": lookup("country_key", uses=("country",)),
        "gold.dim_channel": lookup("channel_key", uses=("channel",)),
    },
    rules=("net_amount = amount - discount", "net_sales = net_amount - returned_amount"),
    columns={
        "date_key": "yyyymmdd in the shop's time zone",
        "month_key": "yyyymm",
        "orders": "orders with a line in this cell; do not add it up over categories, an order may be in several",
        **COMMENTS,
    },
)
def agg_sales_daily(
    sales: DataFrame, returns: DataFrame, products: DataFrame, countries: DataFrame, channels: DataFrame
) -> DataFrame:
    """The finest rollup of sales and returns, from which totals and cubes are built."""
    sold = sales.select(
        *_KEYS,
        "order_id",
        F.col("quantity").alias("units"),
        "amount",
        "discount",
        "net_amount",
        *_nothing("returned_units", "returned_amount"),
        F.col("net_amount").alias("net_sales"),
        "cost",
        F.when(F.col("cost").isNotNull(), F.col("net_amount")).alias("costed_amount"),
        F.lit(1).alias("lines"),
    )
    back = returns.select(
        *_KEYS,
        F.lit(None).cast("string").alias("order_id"),
        *_nothing("units", "amount", "discount", "net_amount"),
        F.col("quantity").alias("returned_units"),
        F.col("refund").alias("returned_amount"),
        (-F.col("refund")).cast(MEASURES["net_sales"]).alias("net_sales"),
        *_nothing("cost", "costed_amount", "lines"),
    )
    named = (
        sold.unionByName(back)
        .join(products.select("product_key", "category"), "product_key", "left")
        .join(countries.select("country_key", "country"), "country_key", "left")
        .join(channels.select("channel_key", "channel"), "channel_key", "left")
    )
    unknown = F.lit("Unknown")
    cells = [F.coalesce(column, unknown).alias(column) for column in ("category", "country", "channel")]
    grouped = named.groupBy("date_key", *cells).agg(F.count_distinct("order_id").alias("orders"), *sums())
    # Not among the lines: Sail 0.7.2 loses track of what can be null where it finds `cost is not null` twice.
    whole = grouped.withColumns({name: F.coalesce(name, *_nothing(name)) for name in ("cost", "costed_amount")})
    return whole.select(
        "date_key",
        F.to_date(F.col("date_key").cast("string"), "yyyyMMdd").alias("date"),
        F.expr("cast(date_key div 100 as int)").alias("month_key"),
        "category",
        "country",
        "channel",
        "orders",
        *MEASURES,
    )


def _nothing(*measures: str) -> list[Column]:
    return [F.lit(0).cast(MEASURES[name]).alias(name) for name in measures]
