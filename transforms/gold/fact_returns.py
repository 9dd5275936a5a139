"""gold.fact_returns"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.gold._time import date_key, local_date
from transforms.table import by_key, lookup, references, table

_KEYS = ("customer_key", "product_key", "country_key", "channel_key")


@table(
    grain="one row per return",
    key="return_id",
    reads=("silver.returns", "gold.fact_sales", "ref.shop"),
    update=by_key("silver.returns"),
    dated="returned_at",
    lookups={"gold.fact_sales": lookup("sale_id", uses=("customer_id", *_KEYS))},
    rules=("quantity > 0", references("customer_key", "gold.dim_customer"), references("product_key", "gold.dim_product")),
    columns={
        "sale_id": "the line that came back",
        "date_key": "day of the return in the shop's time zone",
        "customer_id": "of the sale; null where the sale is not known",
        "customer_key": "of the sale; -1 where the sale is not known",
    },
)
def fact_returns(returns: DataFrame, fact_sales: DataFrame, shop: DataFrame) -> DataFrame:
    """Each return at its own date, with the members of the sale that it belongs to."""
    dated = returns.crossJoin(F.broadcast(shop.select("time_zone"))).withColumn("day", local_date("returned_at"))
    return dated.join(fact_sales.select("sale_id", "customer_id", *_KEYS), "sale_id", "left").select(
        "return_id",
        "sale_id",
        date_key("day").alias("date_key"),
        "customer_id",
        *(F.coalesce(key, F.lit(-1).cast("bigint")).alias(key) for key in _KEYS),
        "quantity",
        "refund",
        "reason",
        "returned_at",
    )
