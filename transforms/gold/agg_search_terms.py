"""gold.agg_search_terms"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.gold._time import date_key, local_date
from transforms.table import rebuild, table


@table(
    grain="one row per day and term that people searched for",
    key=("date_key", "term"),
    reads=("silver.search_terms", "silver.web_sessions", "ref.shop"),
    update=rebuild(),  # a search is a few bytes; only the rows that differ are written
    rules=("searches >= visitors", "searches >= with_order", "visitors > 0"),
    pii=("term",),
    columns={
        "date_key": "day of the searches, in the shop's time zone",
        "term": "in small letters, with single spaces",
        "searches": "how often people, not programs, searched for it",
        "visitors": "how many of them",
        "with_order": "searches in a visit in which something was ordered",
    },
)
def agg_search_terms(searches: DataFrame, sessions: DataFrame, shop: DataFrame) -> DataFrame:
    """What people looked for on the shop's site, by day, and how often they ordered in the same visit."""
    visits = sessions.select("visitor_key", "started_at", "ended_at", "orders", F.col("is_bot").alias("by_program"))
    # A search is a request of exactly one visit. The visit knows of programs that hide what they are; one search does not.
    within = F.expr("s.visitor_key = v.visitor_key and s.searched_at between v.started_at and v.ended_at")
    placed = searches.alias("s").join(visits.alias("v"), within, "left").filter("not coalesce(by_program, is_bot)")
    people = placed.select("s.visitor_key", "s.searched_at", "s.term", "v.orders")
    days = people.crossJoin(F.broadcast(shop.select("time_zone"))).withColumn("date", local_date("searched_at"))
    return (
        days.withColumn("date_key", date_key("date"))
        .groupBy("date_key", "term")
        .agg(
            F.count("*").alias("searches"),
            F.countDistinct("visitor_key").alias("visitors"),
            F.sum(F.expr("case when orders > 0 then 1 else 0 end")).alias("with_order"),
        )
    )
