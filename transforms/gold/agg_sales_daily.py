"""gold.agg_sales_daily"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.table import by_group, lookup, table


@table(
    grain="one row per day, category, country and channel that sold something",
    key=("date_key", "category", "country", "channel"),
    reads=("gold.fact_sales", "gold.dim_product", "gold.dim_country", "gold.dim_channel"),
    update=by_group("date_key"),
    lookups={
        "gold.dim_product": lookup("product_key", uses=("category",)),
        "gold.dim_country": lookup("country_key", uses=("country",)),
        "gold.dim_channel": lookup("channel_key", uses=("channel",)),
    },
    columns={
        "orders": "orders with a line in this cell; do not add it up over categories, an order may be in several",
        "units": "units sold",
        "lines": "sale lines",
        "amount": "before discount",
        "net_amount": "after discount",
        "cost": "of the lines whose cost is known",
    },
)
def agg_sales_daily(sales: DataFrame, products: DataFrame, countries: DataFrame, channels: DataFrame) -> DataFrame:
    """The finest rollup of sales, from which totals and cubes are built."""
    named = (
        sales.join(products.select("product_key", "category"), "product_key", "left")
        .join(countries.select("country_key", "country"), "country_key", "left")
        .join(channels.select("channel_key", "channel"), "channel_key", "left")
    )
    unknown = F.lit("Unknown")
    cells = [F.coalesce(column, unknown).alias(column) for column in ("category", "country", "channel")]
    grouped = named.groupBy("date_key", *cells).agg(
        F.count_distinct("order_id").alias("orders"),
        F.sum("quantity").cast("bigint").alias("units"),
        *(F.sum(money).cast("decimal(18,2)").alias(money) for money in ("amount", "discount", "net_amount")),
        F.coalesce(F.sum("cost"), F.lit(0)).cast("decimal(18,2)").alias("cost"),
        F.count("*").alias("lines"),
    )
    return grouped.select(
        "date_key",
        F.to_date(F.col("date_key").cast("string"), "yyyyMMdd").alias("date"),
        "category",
        "country",
        "channel",
        "orders",
        "units",
        "amount",
        "discount",
        "net_amount",
        "cost",
        "lines",
    )
