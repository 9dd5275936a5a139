"""What the page Products and web asks: the funnel, products, baskets, searches, recommendations."""

from itertools import pairwise
from typing import Any

import polars as pl

from warehouse.dashboard.page import Page

STEPS = ("visits", "visits_with_product", "visits_with_cart", "visits_with_checkout", "visits_with_order")
STEP_NAMES = {
    "visits": "Came",
    "visits_with_product": "Saw a product",
    "visits_with_cart": "Used the cart",
    "visits_with_checkout": "Went to the checkout",
    "visits_with_order": "Ordered",
}
VISITS, SEARCHES, RECOMMENDED = "gold.fact_web_sessions", "gold.agg_search_terms", "gold.product_recommendations"
# What products are ranked by, and whether more of it is better.
RANKED = {"revenue": True, "units": True, "gross_margin": True, "return_rate": False}
PAIRS = 100
_MOST_DAYS = 92  # in one line; more are shown by month
_NAMES = "names AS (SELECT product_id, max(name) AS name, max(sku) AS sku FROM gold.dim_product WHERE is_current GROUP BY 1)"


def funnel(page: Page) -> pl.DataFrame:
    """Visits by the step that they reached: step, visits, share of the step before."""
    found = page.reader.ask(*STEPS, where=page.filters.span.where()).row(0)
    return pl.DataFrame(
        {"step": [STEP_NAMES[name] for name in STEPS], "visits": list(found), "share": [None, *_shares(found)]},
        schema={"step": pl.String, "visits": pl.Int64, "share": pl.Float64},
    )


def channels(page: Page) -> pl.DataFrame:
    """A row for each traffic channel, most visits first: visits; of each step the share of the step before; conversion."""
    asked = page.reader.ask(*STEPS, "conversion", by=["traffic_channel"], where=page.filters.span.where(), order=["visits desc"])
    shares = [dict(zip(STEPS[1:], _shares(row), strict=True)) for row in asked.select(STEPS).iter_rows()]
    return pl.concat(
        [
            asked.select("traffic_channel", "visits"),
            pl.DataFrame(shares, schema=dict.fromkeys(STEPS[1:], pl.Float64)),
            asked.select("conversion"),
        ],
        how="horizontal",
    )


def conversion(page: Page) -> pl.DataFrame:
    """The share of visits with an order by day; by month, where there are many days."""
    for grain in ("day", "month"):
        found = page.reader.ask("conversion", by=[grain], where=page.filters.span.where(), order=[grain])
        if found.height <= _MOST_DAYS:
            break
    return found


def table(page: Page) -> pl.DataFrame:
    """Each product that was sold in the days of the page: product, sku, and what products are ranked by.

    Several products may bear one name, so the article number is part of it.
    """
    found = page.reader.ask(*RANKED, by=["product", "sku"], where=page.filters.where(), order=["revenue desc"])
    return found.filter(pl.col("units") > 0)


def ranked(rows: pl.DataFrame, by: str, worst: bool, least: int) -> pl.DataFrame:
    """Rows of `table` with at least so many units, the best first, or the worst; what is not known comes last."""
    down = RANKED[by] != worst
    return rows.filter(pl.col("units") >= least).sort(by, "product", "sku", descending=[down, False, False], nulls_last=True)


def pairs(page: Page, least: int) -> pl.DataFrame:
    """Products that were bought together in at least so many orders: product, bought_with, orders, confidence, lift.

    `confidence` is of the orders with `product` the share that has `bought_with`, too; the more telling way round is shown.
    """
    return page.reader.rows(
        f"WITH {_NAMES}, turned AS (SELECT *, confidence_a_b >= confidence_b_a AS straight FROM gold.agg_basket_pairs) "
        "SELECT CASE WHEN straight THEN a.name ELSE b.name END AS product, "
        "CASE WHEN straight THEN b.name ELSE a.name END AS bought_with, orders, "
        "CASE WHEN straight THEN confidence_a_b ELSE confidence_b_a END AS confidence, lift "
        "FROM turned JOIN names a ON a.product_id = product_a JOIN names b ON b.product_id = product_b "
        f"WHERE orders >= ? ORDER BY lift DESC, orders DESC, product, bought_with LIMIT {PAIRS}",
        (least,),
    )


def searches(page: Page) -> pl.DataFrame:
    """What was searched for most in the days of the page: term, searches."""
    return page.reader.ask("searches", by=["term"], where=page.filters.span.where(), order=["searches desc", "term"], limit=15)


def in_vain(page: Page) -> pl.DataFrame:
    """What was searched for only in visits without an order, most searches first: term, searches."""
    asked = ("searches", "searches_with_order")
    found = page.reader.ask(*asked, by=["term"], where=page.filters.span.where(), order=["searches desc", "term"])
    return found.filter(pl.col("searches_with_order") == 0).select("term", "searches")


def with_order(page: Page) -> int:
    """How many searches were made in a visit in which something was ordered."""
    return int(page.reader.ask("searches_with_order", where=page.filters.span.where()).item() or 0)


def recommended(page: Page) -> dict[str, str]:
    """The products that something is recommended with, the best sold of all days first: article number -> name."""
    rows = page.reader.rows(
        f"WITH {_NAMES} SELECT sku, name FROM names WHERE product_id IN (SELECT product_id FROM {RECOMMENDED}) ORDER BY name, sku"
    )
    sold = page.reader.ask("units", by=["sku"], order=["units desc"])["sku"].to_list()
    place = {sku: number for number, sku in enumerate(sold)}
    return dict(sorted(rows.iter_rows(), key=lambda row: place.get(row[0], len(place))))


def recommendations(page: Page, sku: str) -> pl.DataFrame:
    """What to offer beside a product: rank, product, score; the score is null where the offer is only what sells most."""
    return page.reader.rows(
        f"WITH {_NAMES} SELECT rank, b.name AS product, CASE WHEN score > 0 THEN score END AS score "
        f"FROM {RECOMMENDED} r JOIN names a USING (product_id) JOIN names b ON b.product_id = other_product_id "
        "WHERE a.sku = ? ORDER BY rank, product",
        (sku,),
    )


def recommended_by(page: Page) -> dict[str, Any]:
    """Which model recommends, of which version, and on which day it did."""
    rows = page.reader.rows(f"SELECT model, model_version, scored_on FROM {RECOMMENDED} LIMIT 1")
    return rows.row(0, named=True) if rows.height else {}


def _shares(steps: tuple[int, ...]) -> list[float | None]:
    """Of each step but the first the share of the one before; None where nobody was left."""
    return [now / before if before else None for before, now in pairwise(steps)]
