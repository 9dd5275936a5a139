"""What Products and web asks, against SQL by hand on the same release."""

from collections.abc import Callable
from datetime import date
from itertools import pairwise
from typing import Any

import polars as pl
import pytest

from warehouse.dashboard import products
from warehouse.dashboard.page import Page
from warehouse.dashboard.periods import Span

FUNNEL = ("visits", "product", "cart", "checkout", "ordered")
SUMS = ", ".join(f"sum({name})::BIGINT" for name in FUNNEL)
SOLD = "gold.fact_sales JOIN gold.dim_date USING (date_key) JOIN gold.dim_country USING (country_key)"
NEVER = Span(date(2019, 1, 1), date(2019, 1, 31))


@pytest.fixture
def page(page_of: Callable[..., Page]) -> Page:
    """All days, and every country, category and channel."""
    return page_of()


@pytest.fixture
def empty(page_of: Callable[..., Page]) -> Page:
    """Days before the shop opened."""
    return page_of(NEVER)


def test_each_step_of_the_funnel_with_its_share(page: Page, sql: Any) -> None:
    [counts] = sql(f"SELECT {SUMS} FROM gold.agg_funnel")
    found = products.funnel(page)
    assert found["visits"].to_list() == list(counts)
    assert found["share"].to_list() == [None, *(now / before for before, now in pairwise(counts))]


def test_the_funnel_has_no_country_and_ignores_the_filters_that_do_not_apply(page_of: Callable[..., Page]) -> None:
    cut = page_of(country=("France",), channel=("store",))
    assert products.funnel(cut).equals(products.funnel(page_of()))


def test_the_funnel_of_each_traffic_channel(page: Page, sql: Any) -> None:
    expected = sql(f"SELECT traffic_channel, {SUMS} FROM gold.agg_funnel GROUP BY 1 ORDER BY 2 DESC")
    found = products.channels(page).sort("visits", "traffic_channel", descending=[True, False])
    assert len(expected) > 3
    for row, (channel, *counts) in zip(found.rows(), sorted(expected, key=lambda one: (-one[1], one[0])), strict=True):
        assert row[:2] == (channel, counts[0])
        assert row[2:6] == tuple(now / before if before else None for before, now in pairwise(counts))
        assert row[6] == pytest.approx(counts[-1] / counts[0])


def test_conversion_by_day(page: Page, sql: Any) -> None:
    found = products.conversion(page)
    assert found.columns == ["day", "conversion"]
    expected = sql(
        "SELECT date, sum(ordered) / sum(visits) FROM gold.agg_funnel JOIN gold.dim_date USING (date_key) "
        "GROUP BY 1 HAVING sum(visits) > 0 ORDER BY 1"
    )
    assert found.rows() == [(day, pytest.approx(share)) for day, share in expected]


def test_nobody_came(empty: Page) -> None:
    assert products.funnel(empty).rows() == [(name, 0, None) for name in products.STEP_NAMES.values()]
    for frame in (products.channels(empty), products.conversion(empty), products.table(empty), products.searches(empty)):
        assert frame.is_empty()
    assert products.in_vain(empty).is_empty()
    assert products.with_order(empty) == 0


def test_products_of_one_name_stay_apart(page_of: Callable[..., Page], sql: Any) -> None:
    found = products.table(page_of(country=("France",)))
    expected = sql(
        f"SELECT p.name, p.sku, sum(net_amount), sum(quantity)::BIGINT FROM {SOLD} JOIN gold.dim_product p USING (product_key) "
        "WHERE country = 'France' GROUP BY 1, 2"
    )
    assert sorted(found.select("product", "sku", "revenue", "units").rows()) == sorted(expected)
    assert found["sku"].n_unique() > found["product"].n_unique()


def test_the_best_and_the_worst_of_what_was_sold_often_enough() -> None:
    rows = pl.DataFrame(
        {
            "product": ["Lamp", "Desk", "Sofa", "Rug"],
            "sku": ["1", "2", "3", "4"],
            "revenue": [10.0, 30.0, 20.0, 99.0],
            "units": [10, 10, 10, 1],
            "gross_margin": [0.5, None, 0.1, 0.9],
            "return_rate": [0.2, 0.0, 0.1, 1.0],
        }
    )

    def order(by: str, worst: bool) -> list[str]:
        return products.ranked(rows, by, worst, 10)["product"].to_list()

    assert order("revenue", False) == ["Desk", "Sofa", "Lamp"]
    assert order("revenue", True) == ["Lamp", "Sofa", "Desk"]
    assert order("return_rate", False) == ["Desk", "Sofa", "Lamp"]  # fewer returns are better
    assert order("return_rate", True) == ["Lamp", "Sofa", "Desk"]
    assert order("gross_margin", False)[-1] == order("gross_margin", True)[-1] == "Desk"  # nobody knows its cost
    assert products.ranked(rows, "return_rate", True, 1)["product"][0] == "Rug"


def test_pairs_are_told_the_more_telling_way_round(page: Page, sql: Any) -> None:
    found = products.pairs(page, 2)
    orders = "(SELECT DISTINCT order_id, product_id FROM gold.fact_sales)"
    assert found.height > 0
    assert found["lift"].is_sorted(descending=True)
    for row in found.head(5).to_dicts():
        candidates = sql(
            f"""WITH o AS {orders}, n AS (SELECT product_id, name FROM gold.dim_product WHERE is_current)
            SELECT count(DISTINCT a.order_id) / (SELECT count(*) FROM o WHERE product_id = a.product_id) AS share
            FROM o a JOIN o b ON a.order_id = b.order_id AND a.product_id <> b.product_id
            JOIN n na ON na.product_id = a.product_id JOIN n nb ON nb.product_id = b.product_id
            WHERE na.name = ? AND nb.name = ? GROUP BY a.product_id, b.product_id HAVING count(DISTINCT a.order_id) = ?""",
            row["product"],
            row["bought_with"],
            row["orders"],
        )
        assert any(share == pytest.approx(row["confidence"], rel=0.05) for (share,) in candidates), row


def test_pairs_of_few_orders_are_left_out(page: Page, sql: Any) -> None:
    [(most,)] = sql("SELECT max(orders) FROM gold.agg_basket_pairs")
    assert products.pairs(page, most)["orders"].unique().to_list() == [most]
    assert products.pairs(page, most + 1).is_empty()


def test_searches_and_those_that_came_to_no_order(page: Page, sql: Any) -> None:
    expected = sql("SELECT term, sum(searches)::BIGINT n FROM gold.agg_search_terms GROUP BY 1 ORDER BY n DESC, term LIMIT 15")
    assert products.searches(page).rows() == expected
    vain = sql(
        "SELECT term, sum(searches)::BIGINT n FROM gold.agg_search_terms GROUP BY 1 HAVING sum(with_order) = 0 "
        "ORDER BY n DESC, term"
    )
    assert products.in_vain(page).rows() == vain
    assert [(products.with_order(page),)] == sql("SELECT sum(with_order)::BIGINT FROM gold.agg_search_terms")


def test_what_is_recommended_beside_a_product(page: Page, sql: Any) -> None:
    names = products.recommended(page)
    [(count,)] = sql("SELECT count(DISTINCT product_id) FROM gold.product_recommendations")
    assert len(names) == count
    sku = next(iter(names))
    [(best,)] = sql(
        "SELECT p.sku FROM gold.fact_sales JOIN gold.dim_product p USING (product_key) JOIN (SELECT DISTINCT d.sku FROM "
        "gold.product_recommendations JOIN gold.dim_product d USING (product_id) WHERE is_current) r ON r.sku = p.sku "
        "GROUP BY 1 ORDER BY sum(quantity) DESC LIMIT 1"
    )
    assert sku == best
    expected = sql(
        "SELECT rank, o.name, nullif(score, 0) FROM gold.product_recommendations r "
        "JOIN gold.dim_product p ON p.product_id = r.product_id AND p.is_current AND p.sku = ? "
        "JOIN gold.dim_product o ON o.product_id = r.other_product_id AND o.is_current ORDER BY rank",
        sku,
    )
    assert products.recommendations(page, sku).rows() == expected
    assert products.recommended_by(page)["model"] == "recommendations"
    assert products.recommendations(page, "no such article").is_empty()
