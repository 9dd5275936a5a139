"""What the page Sales asks, against SQL by hand on the same release."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from warehouse.dashboard import sales
from warehouse.dashboard.page import Page
from warehouse.dashboard.periods import Span

YEAR, FIRST_YEAR = Span(date(2025, 1, 1), date(2025, 12, 31)), Span(date(2024, 1, 1), date(2024, 12, 31))
KEYS = "JOIN gold.dim_date USING (date_key) JOIN gold.dim_country USING (country_key)"


def test_the_tiles_and_what_they_were_before(page_of: Callable[..., Page], sql: Any) -> None:
    of_year = {
        year: sql(
            f"""
            SELECT sum(net_amount), count(DISTINCT order_id), sum(net_amount) / count(DISTINCT order_id),
                   sum(net_amount - cost) / sum(net_amount) FILTER (cost IS NOT NULL),
                   (SELECT sum(quantity) FROM gold.fact_returns {KEYS} WHERE year = $1 AND country = 'France') / sum(quantity)
            FROM gold.fact_sales {KEYS} WHERE year = $1 AND country = 'France'
            """,
            year,
        )[0]
        for year in (2025, 2024)
    }
    found = sales.figures(page_of(YEAR, country=("France",)))
    assert [name for name, *_ in found] == list(sales.FIGURES)
    for (_, now, before), *expected in zip(found, of_year[2025], of_year[2024], strict=True):
        assert [float(now), float(before)] == pytest.approx([float(one) for one in expected], abs=0.005, rel=1e-9)
        assert now != before


def test_a_year_whose_year_before_is_known_in_part_is_compared_with_nothing(page_of: Callable[..., Page]) -> None:
    page = page_of(FIRST_YEAR)
    assert date(2023, 1, 1) < page.known.first < FIRST_YEAR.first
    assert [before for *_, before in sales.figures(page)] == [None] * len(sales.FIGURES)
    assert sales.changed(page, "category").is_empty()


@pytest.mark.parametrize("limit", [sales.TOP, None])
def test_products_are_articles_though_they_share_names(page_of: Callable[..., Page], sql: Any, limit: int | None) -> None:
    found = sales.most(page_of(YEAR, country=("France",)), "product", limit)
    expected = sql(
        "WITH shared AS (SELECT name FROM gold.dim_product GROUP BY 1 HAVING count(DISTINCT sku) > 1) "
        "SELECT CASE WHEN name IN (FROM shared) THEN name || ' · ' || sku ELSE name END, sum(net_amount) AS revenue "
        f"FROM gold.fact_sales {KEYS} JOIN gold.dim_product USING (product_key) WHERE year = 2025 AND country = 'France' "
        "GROUP BY name, sku ORDER BY revenue DESC"
    )
    assert found["revenue"].to_list() == [revenue for _, revenue in expected[:limit]]
    assert set(found.rows()) <= set(expected)
    assert found["product"].is_unique().all()
    assert limit or any(" · " in name for name in found["product"])


def test_what_changed_is_by_article(page_of: Callable[..., Page], sql: Any) -> None:
    found = sales.changed(page_of(YEAR), "product")
    expected = sql(
        "SELECT sum(CASE year WHEN 2025 THEN net_amount ELSE -net_amount END) AS change "
        f"FROM gold.fact_sales {KEYS} JOIN gold.dim_product USING (product_key) WHERE year IN (2024, 2025) "
        "GROUP BY name, sku ORDER BY change"
    )
    assert found["change"].to_list() == [change for (change,) in expected]


def test_the_line_by_month_tells_the_months_at_its_ends_that_are_cut_off(page_of: Callable[..., Page]) -> None:
    chart = sales.charts_of(page_of(Span(date(2025, 3, 15), date(2026, 2, 28))), {})["Revenue by month"]
    assert chart is not None
    assert chart.to_dict()["encoding"]["x"]["title"] == "2025-03 is not whole"
    assert str(chart.description).endswith("; 2025-03 is not whole")
