"""gold.fact_web_sessions"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.gold._time import date_key, local_date
from transforms.silver import _web
from transforms.table import accepted, by_key, references, table

_COUNTS = ("hits", "pages", "errors", "products", "searches", "carts", "checkouts", "orders")


@table(
    grain="one row per visit to the shop's site",
    key="session_key",
    reads=("silver.web_sessions", "gold.dim_customer", "ref.shop"),
    update=by_key("silver.web_sessions"),
    lookups={"gold.dim_customer": "customer_id"},
    dated="started_at",
    rules=(
        accepted("traffic_channel", _web.TRAFFIC),
        references("customer_key", "gold.dim_customer"),
        references("country_key", "gold.dim_country"),
    ),
    pii=("visitor_key",),
    columns={
        "date_key": "day on which the visit began, in the shop's time zone",
        "customer_key": "the version of the customer that held when the visit began; -1 where nobody had logged in",
        "visitor_key": "hash of salt, host and agent",
        "landing_page": "path of the first request, without what follows ?",
        "products": "product pages seen",
        "carts": "requests of the cart",
        "orders": "orders placed",
        "order_id": "the first of them, as in gold.fact_sales",
        "traffic_channel": "how the visitor came; not the channel of sales",
        "is_bot": "no person",
    },
)
def fact_web_sessions(sessions: DataFrame, customers: DataFrame, shop: DataFrame) -> DataFrame:
    """Each visit, with the version of the customer that held when it began."""
    known = customers.filter("customer_key <> -1").select("customer_key", "customer_id", "country_key", "valid_from", "valid_to")
    same = F.expr("c.customer_id = s.customer_id and s.started_at >= c.valid_from and s.started_at < c.valid_to")
    placed = sessions.alias("s").join(known.alias("c"), same, "left").crossJoin(F.broadcast(shop.select("time_zone")))
    nobody = F.lit(-1).cast("bigint")
    return placed.withColumn("day", local_date("s.started_at")).select(
        "session_key",
        date_key("day").alias("date_key"),
        F.coalesce("customer_key", nobody).alias("customer_key"),
        F.coalesce("country_key", nobody).alias("country_key"),
        "visitor_key",
        "traffic_channel",
        "utm_source",
        "utm_medium",
        "utm_campaign",
        F.regexp_extract("landing", r"^([^?#]*)", 1).alias("landing_page"),
        "started_at",
        "ended_at",
        "seconds",
        *_COUNTS,
        "order_id",
        "is_bot",
        "bot_reason",
    )
