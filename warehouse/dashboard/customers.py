"""What the page Customers asks: kinds of customers, cohorts, recency, frequency and money."""

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

    A cohort is everybody whose first purchase, of anything and anywhere, was in a month. What they bought is cut to what the page
    is cut to, but for its days; the cohort is not. So `share`, of the cohort those who bought in that month, is 100 % in month 0
    only without a cut; a size that were cut, too, would be of those who ever bought there. `lifetime_value` is the revenue up to
    then for each of the cohort. A month under way is left out: it would look like a loss.
    """
    under_way = f"{page.known.last:%Y-%m}"
    every = page.reader.ask("buyers", by=["first_month"], order=["first_month"]).rename({"buyers": "size"})
    every = every.filter(pl.col("first_month") != "Unknown", pl.col("first_month") < under_way).tail(COHORTS)
    bought = page.reader.ask("customers", "revenue", by=["first_month", "month"], where=page.filters.cut() or None)
    bought = bought.with_columns(months=_number("month") - _number("first_month")).drop("month")
    # A month in which nobody of the cohort bought has no row, and counts as 0.
    after = pl.int_ranges(0, page.known.last.year * 12 + page.known.last.month - _number("first_month"), dtype=pl.Int32)
    every = every.with_columns(months=after).explode("months")
    whole = every.join(bought, on=["first_month", "months"], how="left").sort("first_month", "months")
    whole = whole.with_columns(pl.col("customers").fill_null(0), pl.col("revenue").cast(pl.Float64).fill_null(0.0))
    total = pl.col("revenue").cum_sum().over("first_month")
    return whole.select(
        "first_month",
        "months",
        "customers",
        (pl.col("customers") / pl.col("size")).alias("share"),
        (total / pl.col("size")).alias("lifetime_value"),
    )


def _number(month: str) -> pl.Expr:
    """Months counted through the years, of a column such as 2026-01."""
    year, number = (pl.col(month).str.slice(*part).cast(pl.Int32, strict=False) for part in ((0, 4), (5, 2)))  # null of Unknown
    return year * 12 + number


def scores(page: Page) -> pl.DataFrame:
    """Recency, frequency and money: recency_score, frequency_score, and of the buyers who have both their number, their net
    revenue so far, and that for each of them."""
    by = ["recency_score", "frequency_score"]
    found = page.reader.ask("buyers", "buyers_value", "value_per_buyer", by=by, order=by)
    return found.filter(pl.col("recency_score") != "Unknown")


def deciles(page: Page) -> pl.DataFrame:
    """Customers in tenths by their probability to buy within 30 days: decile, customers, expected buyers."""
    return page.reader.rows(
        "SELECT decile, count(*) AS customers, round(sum(repeat_probability), 1) AS expected FROM gold.customer_scores "
        "GROUP BY decile ORDER BY decile"
    )
