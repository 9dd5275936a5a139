"""gold.feature_customer"""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from transforms.table import by_group, lookup, table

_MONEY = "decimal(18,2)"
_COUNTS = ("orders", "lines", "units", "returned_units", "products", "categories")
_AMOUNTS = ("amount", "discount", "net_amount", "returned_amount")


@table(
    grain="one row per customer and day on which they bought or sent something back",
    key=("customer_id", "date"),
    reads=("gold.fact_sales", "gold.fact_returns", "gold.dim_product"),
    update=by_group("customer_id", across=("gold.fact_returns",)),
    lookups={"gold.dim_product": lookup("product_key", uses=("category",))},
    rules=("purchase_days >= 0", "orders >= 0", "last_date is null or last_date <= date"),
    columns={
        "date": "day in the shop's time zone; the row says how things stood at its end",
        "first_date": "day of the first purchase; null while there is none",
        "last_date": "day of the newest purchase",
        "previous_date": "day of the purchase before the newest one",
        "purchase_days": "days with a purchase so far",
        "gap_days": "sum of the days between one purchase day and the next",
        "gap_days_squared": "sum of their squares: mean and deviation of the gaps follow from the three",
        "orders": "orders so far",
        "lines": "sale lines so far",
        "units": "units bought so far",
        "returned_units": "units sent back so far",
        "products": "different products so far",
        "categories": "different categories so far",
        "amount": "gross sales so far",
        "discount": "discount so far",
        "net_amount": "amount - discount so far",
        "returned_amount": "money given back so far",
    },
)
def feature_customer(sales: DataFrame, returns: DataFrame, products: DataFrame) -> DataFrame:
    """Each customer's history as running totals: what was known at any past moment is the last row before it.

    A window of days is the difference of two rows, so that nothing from after a cut-off can enter a model's features.
    """
    sold = sales.filter("customer_id is not null").join(products.select("product_key", "category"), "product_key", "left")
    back = returns.filter("customer_id is not null").select(
        "customer_id", "date_key", F.col("quantity").alias("returned_units"), F.col("refund").alias("returned_amount")
    )
    lines = sold.select(
        "customer_id",
        "date_key",
        F.lit(1).alias("lines"),
        F.col("quantity").alias("units"),
        *(name for name in _AMOUNTS if name != "returned_amount"),
    )
    parts = [
        lines,
        _first(sold, "order_id", "orders"),
        _first(sold, "product_id", "products"),
        _first(sold, "category", "categories"),
        back,
    ]
    daily = _all(parts).groupBy("customer_id", "date_key").agg(*(_sum(name) for name in (*_COUNTS, *_AMOUNTS)))
    dated = daily.withColumn("date", F.to_date(F.col("date_key").cast("string"), "yyyyMMdd"))
    upto = Window.partitionBy("customer_id").orderBy("date").rowsBetween(Window.unboundedPreceding, Window.currentRow)
    before = Window.partitionBy("customer_id").orderBy("date").rowsBetween(Window.unboundedPreceding, -1)
    marked = dated.withColumn("_bought", F.when(F.col("lines") > 0, F.col("date")))
    spaced = marked.withColumn("_before", F.max("_bought").over(before)).withColumn(
        "_gap", F.coalesce(F.datediff("_bought", "_before"), F.lit(0)).cast("bigint")
    )
    # The purchase before the newest one: today's, if anything was bought today, else the one that held at the last purchase.
    known = spaced.withColumn("_previous", F.when(F.col("_bought").isNotNull(), F.col("_before")))
    return known.select(
        "customer_id",
        "date",
        F.min("_bought").over(upto).alias("first_date"),
        F.max("_bought").over(upto).alias("last_date"),
        F.max("_previous").over(upto).alias("previous_date"),
        F.count("_bought").over(upto).alias("purchase_days"),
        F.sum("_gap").over(upto).cast("bigint").alias("gap_days"),
        F.sum(F.col("_gap") * F.col("_gap")).over(upto).cast("bigint").alias("gap_days_squared"),
        *(F.sum(name).over(upto).cast("bigint").alias(name) for name in _COUNTS),
        *(F.sum(name).over(upto).cast(_MONEY).alias(name) for name in _AMOUNTS),
    )


def _first(sold: DataFrame, what: str, count: str) -> DataFrame:
    """One row, counted as `count`, on the day on which a customer had each `what` for the first time."""
    seen = sold.filter(F.col(what).isNotNull()).groupBy("customer_id", what).agg(F.min("date_key").alias("date_key"))
    return seen.select("customer_id", "date_key", F.lit(1).alias(count))


def _all(parts: list[DataFrame]) -> DataFrame:
    """The parts one below the other, 0 where a part does not know a column."""
    every = None
    for part in parts:
        told = [F.col(name) if name in part.columns else F.lit(0).alias(name) for name in (*_COUNTS, *_AMOUNTS)]
        typed = part.select("customer_id", "date_key", *told)
        cast = typed.select(
            "customer_id",
            "date_key",
            *(F.col(name).cast("bigint").alias(name) for name in _COUNTS),
            *(F.col(name).cast(_MONEY).alias(name) for name in _AMOUNTS),
        )
        every = cast if every is None else every.unionByName(cast)
    assert every is not None
    return every


def _sum(name: str) -> Column:
    return F.sum(name).cast("bigint" if name in _COUNTS else _MONEY).alias(name)
