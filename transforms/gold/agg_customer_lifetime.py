"""gold.agg_customer_lifetime"""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from transforms.table import accepted, between, rebuild, table

# The field's names for (recency, frequency): regular expressions on the two digits, the first that fits.
_SEGMENTS = {
    "Champions": "5[45]",
    "Loyal customers": "[34][45]",
    "Potential loyalists": "[45][23]",
    "New customers": "51",
    "Promising": "41",
    "Need attention": "33",
    "About to sleep": "3[12]",
    "Cannot lose them": "[12]5",
    "At risk": "[12][34]",
    "Hibernating": "[12][12]",
}


@table(
    grain="one row per customer who bought something",
    key="customer_id",
    reads=("gold.agg_sales_by_customer",),
    update=rebuild(),  # each customer's scores depend on all others; only the rows that differ are written
    rules=(
        *(between(score, 1, 5) for score in ("recency_score", "frequency_score", "monetary_score")),
        between("recency_days", 0, 100_000),
        accepted("segment", tuple(_SEGMENTS)),
    ),
    columns={
        "as_of_date": "the last day on which anybody bought: no clock, so that a later build finds the same",
        "recency_days": "days from the customer's last sale to as_of_date",
        "frequency": "orders",
        "monetary": "net sales: after discounts and returns",
        "recency_score": "5 for the fifth of customers who bought last …; equal values score equally",
        "frequency_score": "5 for the fifth with the most orders …",
        "monetary_score": "5 for the fifth with the highest net sales …",
        "rfm": "the three scores, such as 543",
        "segment": "name for recency and frequency, from Champions to Hibernating",
    },
)
def agg_customer_lifetime(customers: DataFrame) -> DataFrame:
    """What each customer is worth: recency, frequency, monetary value (RFM), their quintiles and the segment."""
    every = customers.agg(F.max("last_sale_date").alias("as_of_date"), F.count("*").alias("_customers"))
    scored = customers.crossJoin(F.broadcast(every)).select(
        "*",
        quintile("last_sale_date").alias("recency_score"),
        quintile("orders").alias("frequency_score"),
        quintile("net_sales").alias("monetary_score"),
    )
    both = F.concat(F.col("recency_score").cast("string"), F.col("frequency_score").cast("string"))
    return scored.select(
        "customer_id",
        "as_of_date",
        "first_sale_date",
        "last_sale_date",
        F.datediff("as_of_date", "last_sale_date").cast("int").alias("recency_days"),
        F.datediff("last_sale_date", "first_sale_date").cast("int").alias("lifetime_days"),
        F.col("orders").alias("frequency"),
        F.col("net_sales").alias("monetary"),
        "recency_score",
        "frequency_score",
        "monetary_score",
        F.concat(both, F.col("monetary_score").cast("string")).alias("rfm"),
        segment(both).alias("segment"),
    )


def quintile(column: str) -> Column:
    """1 to 5 by the share of `_customers` with less: ntile() would part equal customers, and not always in the same way."""
    less = F.rank().over(Window.partitionBy(F.lit(1)).orderBy(column)) - 1
    return (1 + F.floor(less.cast("bigint") * 5 / F.col("_customers"))).cast("int")


def segment(scores: Column) -> Column:
    """The name for the digits of recency and frequency."""
    name = F.lit(None).cast("string")
    for known, pattern in reversed(_SEGMENTS.items()):
        name = F.when(scores.rlike(f"^{pattern}$"), F.lit(known)).otherwise(name)
    return name
