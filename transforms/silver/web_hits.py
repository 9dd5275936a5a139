"""silver.web_hits"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.silver._web import asks_as_program, matched, page
from transforms.table import between, by_key, not_null, source, table


@table(
    grain="one row per line of the web log",
    key="hit_id",
    reads=(
        source(
            "bronze.weblog.files.access",
            {
                "_file": "string",
                "_line": "bigint",
                "host": "string",
                "user": "string",
                "at": "timestamp",
                "method": "string",
                "path": "string",
                "status": "int",
                "bytes": "bigint",
                "referer": "string",
                "agent": "string",
            },
        ),
        "ref.shop",
    ),
    # Not by file and line: after a rotation another file has the same name, and begins with line 1 again.
    update=by_key("bronze.weblog.files.access", hit_id="_sequence"),
    dated={"hit_at": "at"},
    rules=(not_null("host", "hit_at"), between("status", 100, 599)),
    pii=("host", "user", "visitor_key"),
    columns={
        "hit_id": "place of the line among all that were captured; file and line may repeat after a rotation",
        "visitor_key": "hash of the lake's salt, host and agent: who shares both is one visitor",
        "customer_id": "of a user who had logged in",
        "page": "kind of page: home, category, product, search, cart, checkout, order, asset, robots, other",
        "product_id": "that the path names, where it is a number",
        "order_id": "that the page after a checkout names",
        "is_bot": "the agent says that a program asked, or says nothing",
    },
)
def web_hits(lines: DataFrame, shop: DataFrame) -> DataFrame:
    """Requests to the shop's site: each line of the access log, with what its path and agent say."""
    salted = lines.crossJoin(F.broadcast(shop.select("salt"))).withColumn("page", page("path"))
    visitor = F.sha2(F.concat_ws("|", "salt", "host", F.coalesce("agent", F.lit(""))), 256)
    named = F.coalesce(matched("path", r"^/[a-z]+/([0-9]+)"), matched("path", r"[?&]product(?:_id)?=([0-9]+)"))
    placed = matched("path", r"[?&]order(?:_id)?=([A-Za-z0-9_-]+)")
    return salted.select(
        F.col("_sequence").alias("hit_id"),
        F.xxhash64(visitor).alias("visitor_key"),
        "host",
        "user",
        matched("user", r"^c?([0-9]+)$").try_cast("bigint").alias("customer_id"),
        F.col("at").alias("hit_at"),
        "method",
        "path",
        "page",
        F.when(F.col("page").isin("product", "cart"), named.try_cast("bigint")).alias("product_id"),
        F.when(F.col("page") == "order", placed).alias("order_id"),
        "status",
        "bytes",
        "referer",
        "agent",
        asks_as_program("agent").alias("is_bot"),
        "_file",
        "_line",
        "_sequence",
        "_source_ts",
    )
