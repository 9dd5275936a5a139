"""What the page Customers asks: kinds of customers, cohorts, recency and frequency."""

import polars as pl

from warehouse.dashboard.page import Page

KINDS, MOVES, SCORES = "gold.customer_segments", "gold.customer_segment_moves", "gold.customer_scores"
COHORTS = 13  # the last ones


def kinds(page: Page) -> pl.DataFrame:
    """Each kind that the model found: customers, their net revenue so far, and that for each of them."""
    asked = ("segmented_customers", "segmented_value", "value_per_customer")
    return page.reader.ask(*asked, by=["kind"], order=["segmented_value desc"])


def moves(page: Page) -> pl.DataFrame:
    """Who changed from one kind to another in the days of the page: from_segment, to_segment, customers."""
    return page.reader.rows(
        "SELECT from_segment, to_segment, count(*) AS customers FROM gold.customer_segment_moves "
        "WHERE moved_on BETWEEN ? AND ? GROUP BY ALL ORDER BY customers DESC, from_segment, to_segment",
        (page.filters.span.first, page.filters.span.last),
    )


def cohorts(page: Page) -> pl.DataFrame:
    """The last cohorts, a row for each month since their first purchase: first_month, months, customers, share, lifetime_value.

    `share` is of the cohort, who bought in that month again; `lifetime_value` is the revenue up to then for each of the cohort.
    A month under way is left out: it would look like a loss. Cut to what the page is cut to, but for its days.
    """
    cut = page.filters.cut() or None
    size = page.reader.ask("customers", by=["first_month"], where=cut).rename({"customers": "size"})
    bought = page.reader.ask("customers", "revenue", by=["first_month", "month"], where=cut)
    bought = bought.filter(pl.col("first_month") != "Unknown", pl.col("month") < f"{page.known.last:%Y-%m}")
    newest = bought["first_month"].unique().sort().tail(COHORTS)
    number = {
        name: pl.col(name).str.slice(0, 4).cast(pl.Int32) * 12 + pl.col(name).str.slice(5, 2).cast(pl.Int32)
        for name in ("month", "first_month")
    }
    found = bought.filter(pl.col("first_month").is_in(newest.implode())).join(size, on="first_month")
    found = found.with_columns(months=number["month"] - number["first_month"]).filter(pl.col("months") >= 0)
    # A month in which nobody of the cohort bought has no row, and counts as 0.
    last = found.group_by("first_month").agg(pl.col("months").max().alias("last"), pl.col("size").first())
    every = last.with_columns(months=pl.int_ranges(0, pl.col("last") + 1, dtype=pl.Int32)).explode("months").drop("last")
    whole = every.join(found.drop("size"), on=["first_month", "months"], how="left").sort("first_month", "months")
    whole = whole.with_columns(pl.col("customers").fill_null(0), pl.col("revenue").cast(pl.Float64).fill_null(0.0))
    total = pl.col("revenue").cum_sum().over("first_month")
    return whole.select(
        "first_month",
        "months",
        "customers",
        (pl.col("customers") / pl.col("size")).alias("share"),
        (total / pl.col("size")).alias("lifetime_value"),
    )


def recency_and_frequency(page: Page) -> pl.DataFrame:
    """Buyers by the fifth of recency and of frequency that they are in: recency_score, frequency_score, buyers."""
    return page.reader.ask("buyers", by=["recency_score", "frequency_score"], order=["recency_score", "frequency_score"])


def deciles(page: Page) -> pl.DataFrame:
    """Customers in tenths by their probability to buy within 30 days: decile, customers, expected buyers."""
    return page.reader.rows(
        "SELECT decile, count(*) AS customers, round(sum(repeat_probability), 1) AS expected FROM gold.customer_scores "
        "GROUP BY decile ORDER BY decile"
    )
