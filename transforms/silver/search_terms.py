"""silver.search_terms"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.silver._web import parameter
from transforms.table import by_key, table


@table(
    grain="one row per search on the shop's site",
    key="hit_id",
    reads=("silver.web_hits",),
    update=by_key("silver.web_hits"),
    dated={"searched_at": "hit_at"},
    rules=("length(term) <= 1000",),
    pii=("visitor_key", "term", "typed"),
    columns={
        "hit_id": "the request, as in silver.web_hits",
        "term": "in small letters, with single spaces, so that searches for the same are equal",
        "typed": "as it was typed",
        "is_bot": "the agent says that a program asked",
    },
)
def search_terms(hits: DataFrame) -> DataFrame:
    """What visitors searched for: /search?q=… in the web log, also as query, term, search or s."""
    asked = hits.filter("page = 'search' and status < 400").withColumn(
        "typed", parameter("path", "q", "query", "term", "search", "s")
    )
    term = F.lower(F.trim(F.regexp_replace("typed", r"\s+", " ")))
    return (
        asked.withColumn("term", term)
        .filter("term <> ''")
        .select(
            "hit_id",
            F.col("hit_at").alias("searched_at"),
            "visitor_key",
            "customer_id",
            "term",
            "typed",
            "is_bot",
            "_sequence",
            "_source_ts",
        )
    )
