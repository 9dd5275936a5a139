"""silver.web_sessions"""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from transforms.silver._web import parameter, traffic
from transforms.table import by_group, rule, table

# A visit ends when nothing comes for so long: the rule that web analytics have agreed on.
IDLE_SECONDS = 1800
# Nobody reads so many pages at less than a second each; a person with many tabs opens fewer.
_FAST_PAGES = 30


@table(
    grain="one row per visit: requests of one visitor with no more than 30 minutes between two of them",
    key="session_key",
    reads=("silver.web_hits",),
    update=by_group("visitor_key"),
    rules=("ended_at >= started_at", "hits > 0", rule("customers <= 1", name="one customer", level="warn")),
    pii=("visitor_key",),
    columns={
        "session_key": "hash of visitor and beginning",
        "visitor_key": "hash of salt, host and agent, as in silver.web_hits",
        "customer_id": "of the user who had logged in; the highest where several had",
        "customers": "users who had logged in",
        "seconds": "from the first request to the last",
        "pages": "requests of pages: neither images, scripts and the like nor errors",
        "landing": "path of the first request",
        "leaving": "path of the last request",
        "traffic_channel": "how the visitor came: direct, organic search, paid search, social, email, referral, campaign",
        "orders": "orders placed in the visit",
        "order_id": "the first of them",
        "is_bot": "no person: see bot_reason",
        "bot_reason": "agent (it says so, or nothing), robots.txt (was asked for), pace (30 pages or more, each within a second)",
    },
)
def web_sessions(hits: DataFrame) -> DataFrame:
    """Visits to the shop's site, of people and of programs."""
    cut = sessions(hits)
    pages = "page not in ('asset', 'robots') and status < 400"
    first, last = F.col("_first"), F.col("_last")
    order = F.when(F.col("order_id").isNotNull() & _fine(), F.struct("hit_at", "hit_id", "order_id"))
    grouped = cut.groupBy("visitor_key", "_number").agg(
        F.max("customer_id").alias("customer_id"),
        F.count_distinct("customer_id").alias("customers"),
        F.min("hit_at").alias("started_at"),
        F.max("hit_at").alias("ended_at"),
        F.count("*").alias("hits"),
        F.sum(F.expr(f"case when {pages} then 1 else 0 end")).alias("pages"),
        F.sum(F.expr("case when status >= 400 then 1 else 0 end")).alias("errors"),
        *(
            F.sum(F.when((F.col("page") == page) & _fine(), F.lit(1)).otherwise(F.lit(0))).alias(name)
            for name, page in {"products": "product", "searches": "search", "carts": "cart", "checkouts": "checkout"}.items()
        ),
        F.count_distinct(F.when(_fine(), F.col("order_id"))).alias("orders"),
        F.min(order).alias("_order"),
        *(F.max(F.when(first, F.col(column))).alias(name) for name, column in {"landing": "path", "referer": "referer"}.items()),
        F.max(F.when(last, F.col("path"))).alias("leaving"),
        F.max("agent").alias("agent"),
        F.max(F.col("is_bot").cast("int")).alias("_by_agent"),
        F.max((F.col("page") == "robots").cast("int")).alias("_by_robots"),
        F.max("_sequence").alias("_sequence"),
        F.max("_source_ts").alias("_source_ts"),
    )
    seconds = F.expr("unix_seconds(ended_at) - unix_seconds(started_at)")
    reason = (
        F.when(F.col("_by_agent") == 1, F.lit("agent"))
        .when(F.col("_by_robots") == 1, F.lit("robots.txt"))
        .when((F.col("pages") >= _FAST_PAGES) & (seconds < F.col("pages")), F.lit("pace"))
    )
    return grouped.withColumn("bot_reason", reason).select(
        F.xxhash64("visitor_key", F.unix_micros("started_at")).alias("session_key"),
        "visitor_key",
        "customer_id",
        F.col("customers").cast("int").alias("customers"),
        "started_at",
        "ended_at",
        seconds.cast("bigint").alias("seconds"),
        *(
            F.col(name).cast("int").alias(name)
            for name in ("hits", "pages", "errors", "products", "searches", "carts", "checkouts", "orders")
        ),
        F.col("_order")["order_id"].alias("order_id"),
        "landing",
        "leaving",
        "referer",
        parameter("landing", "utm_source").alias("utm_source"),
        parameter("landing", "utm_medium").alias("utm_medium"),
        parameter("landing", "utm_campaign").alias("utm_campaign"),
        traffic("landing", "referer").alias("traffic_channel"),
        "agent",
        F.col("bot_reason").isNotNull().alias("is_bot"),
        "bot_reason",
        "_sequence",
        "_source_ts",
    )


def sessions(hits: DataFrame) -> DataFrame:
    """Hits with the `_number` of their visit among the visitor's, and whether they are its `_first` or `_last`."""
    visitor = Window.partitionBy("visitor_key").orderBy("hit_at", "hit_id")
    upto = visitor.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    before, after = F.lag("hit_at").over(visitor), F.lead("hit_at").over(visitor)
    marked = hits.withColumn("_first", _apart(before, F.col("hit_at"))).withColumn("_last", _apart(F.col("hit_at"), after))
    return marked.withColumn("_number", F.sum(F.col("_first").cast("int")).over(upto))


def _apart(one: Column, other: Column) -> Column:
    """Whether two neighbours belong to two visits; a neighbour that is not there does."""
    return F.coalesce(F.unix_micros(other) - F.unix_micros(one) > IDLE_SECONDS * 1_000_000, F.lit(True))


def _fine() -> Column:
    """A request that was answered."""
    return F.col("status") < 400
