"""Features of every customer at a day, from the running totals of gold.feature_customer.

A window of days is what the totals grew by in it: the last row before the day, less the last row before the window.
"""

from datetime import date, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

SOURCE = "gold.feature_customer"
_MONEY = ("amount", "discount", "net_amount", "returned_amount")
NUMERIC = (
    "recency_days",
    "frequency",
    "monetary",
    "tenure_days",
    "average_order",
    "orders_30",
    "orders_90",
    "orders_365",
    "net_90",
    "net_365",
    "units_per_order",
    "discount_share",
    "return_share",
    "products",
    "categories",
    "mean_gap",
    "gap_deviation",
    "overdue",
)


def at(rows: "pl.DataFrame", as_of: date) -> "pl.DataFrame":
    """One row per customer who bought before `as_of`, by number: `customer_id` and NUMERIC, all floats and none null.

    Nothing of the day `as_of` or later enters. Days are counted to `as_of`; money is net of discounts,
    `monetary` of returns too. `mean_gap` of who bought on one day only is the tenure: no gap was shorter than that.
    """
    import polars as pl

    known = rows.filter(pl.col("date") < as_of).sort("date").group_by("customer_id").last().filter(pl.col("purchase_days") > 0)
    known = known.with_columns(pl.col(_MONEY).cast(pl.Float64))
    for days in (30, 90, 365):
        first = as_of - timedelta(days=days)
        past = rows.filter(pl.col("date") < first).sort("date").group_by("customer_id").last()
        then = past.select("customer_id", pl.col("orders").alias("_orders"), pl.col("net_amount").cast(pl.Float64).alias("_net"))
        known = known.join(then, on="customer_id", how="left").with_columns(
            (pl.col("orders") - pl.col("_orders").fill_null(0)).alias(f"orders_{days}"),
            (pl.col("net_amount") - pl.col("_net").fill_null(0.0)).alias(f"net_{days}"),
        )
        known = known.drop("_orders", "_net")
    return (
        known.with_columns(
            (pl.lit(as_of) - pl.col("last_date")).dt.total_days().alias("recency_days"),
            (pl.lit(as_of) - pl.col("first_date")).dt.total_days().alias("tenure_days"),
            pl.col("orders").alias("frequency"),
            (pl.col("net_amount") - pl.col("returned_amount")).alias("monetary"),
            (pl.col("net_amount") / pl.col("orders")).alias("average_order"),
            (pl.col("units") / pl.col("orders")).alias("units_per_order"),
            _share(pl.col("discount"), pl.col("amount")).alias("discount_share"),
            _share(pl.col("returned_amount"), pl.col("net_amount")).alias("return_share"),
        )
        .with_columns(_mean_gap().alias("mean_gap"), _gap_deviation().alias("gap_deviation"))
        .with_columns((pl.col("recency_days") / pl.col("mean_gap").clip(lower_bound=1)).alias("overdue"))
        .select("customer_id", *(pl.col(name).cast(pl.Float64) for name in NUMERIC))
        .sort("customer_id")
    )


def bought(rows: "pl.DataFrame", first: date, last: date) -> "pl.DataFrame":
    """`customer_id` and `purchase_days` of each customer who bought between two days, both included."""
    import polars as pl

    inside = rows.filter(pl.col("date").is_between(first, last) & (pl.col("last_date") == pl.col("date")))
    return inside.group_by("customer_id").agg(pl.len().cast(pl.Int64).alias("purchase_days")).sort("customer_id")


def _share(part: "pl.Expr", whole: "pl.Expr") -> "pl.Expr":
    import polars as pl

    return pl.when(whole > 0).then(part / whole).otherwise(0.0)


def _gaps() -> "pl.Expr":
    import polars as pl

    return (pl.col("purchase_days") - 1).cast(pl.Float64)


def _mean_gap() -> "pl.Expr":
    import polars as pl

    return pl.when(_gaps() > 0).then(pl.col("gap_days") / _gaps()).otherwise(pl.col("tenure_days").cast(pl.Float64))


def _gap_deviation() -> "pl.Expr":
    import polars as pl

    mean = pl.col("gap_days") / _gaps()
    variance = (pl.col("gap_days_squared") / _gaps() - mean * mean).clip(lower_bound=0)
    return pl.when(_gaps() > 0).then(variance.sqrt()).otherwise(0.0)
