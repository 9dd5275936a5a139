"""What Customers asks, against SQL by hand on the same release."""

from collections.abc import Callable
from datetime import date
from types import SimpleNamespace
from typing import Any

import duckdb
import polars as pl
import pytest

from warehouse.dashboard import customers, heat
from warehouse.dashboard.filters import Filters
from warehouse.dashboard.page import Page
from warehouse.dashboard.periods import Span

SOLD = (
    "gold.fact_sales JOIN gold.dim_date USING (date_key) JOIN gold.dim_country USING (country_key) "
    "JOIN gold.dim_channel USING (channel_key)"
)


@pytest.mark.parametrize(
    ("chosen", "cut"), [({}, "true"), ({"country": ("France",), "channel": ("web",)}, "country = 'France' AND channel = 'web'")]
)
def test_cohorts_are_what_sql_gives(page_of: Callable[..., Page], sql: Any, chosen: dict[str, tuple[str, ...]], cut: str) -> None:
    """A cohort is everybody who began in its month, wherever; the filters are of what they bought."""
    page = page_of(**chosen)
    found = customers.cohorts(page)
    expected = sql(
        f"""
        WITH first AS (SELECT customer_id, date_trunc('month', min(date)) AS began FROM {SOLD} GROUP BY 1),
             size AS (SELECT began, count(*) AS size FROM first GROUP BY 1),
             bought AS (SELECT began, date_diff('month', began, date_trunc('month', date)) AS months, customer_id, net_amount
                        FROM {SOLD} JOIN first USING (customer_id) WHERE date < date_trunc('month', ?::DATE) AND {cut})
        SELECT strftime(began, '%Y-%m'), months, count(DISTINCT customer_id), count(DISTINCT customer_id) / any_value(size),
               sum(sum(net_amount)) OVER (PARTITION BY began ORDER BY months) / any_value(size)
        FROM bought JOIN size USING (began) GROUP BY began, months
        """,
        page.known.last,
    )
    cohorts = [
        f"{month:%Y-%m}"
        for (month,) in sql(
            "SELECT DISTINCT date_trunc('month', first_sale_date) AS month FROM gold.agg_customer_lifetime "
            "WHERE month < date_trunc('month', ?::DATE) ORDER BY month DESC LIMIT ?",
            page.known.last,
            customers.COHORTS,
        )
    ]
    ours = [row for row in found.rows() if row[2]]  # where nobody bought SQL has no row
    assert ours == [
        (first, months, count, pytest.approx(share), pytest.approx(float(value)))
        for first, months, count, share, value in sorted(expected)
        if first in cohorts
    ]
    at_first = found.filter(pl.col("months") == 0)["share"]
    assert at_first.len() == customers.COHORTS
    assert (at_first == 1.0).all() == (not chosen)


def test_a_month_without_a_purchase_is_in_a_cohort_and_what_was_bought_stays(page_of: Callable[..., Page]) -> None:
    page = page_of(country=("France",), category=("Toys",))
    found = customers.cohorts(page)
    whole = page.known.last.year * 12 + page.known.last.month - 1
    for (first,), rows in found.group_by("first_month"):
        year, month = map(int, str(first).split("-"))
        assert sorted(rows["months"].to_list()) == list(range(whole - 12 * year - month + 1))
    assert 0 in found["customers"]
    assert all(rows["lifetime_value"].is_sorted() for _, rows in found.group_by("first_month", maintain_order=True))


def test_recency_frequency_and_money_are_what_sql_gives(page_of: Callable[..., Page], sql: Any) -> None:
    found = customers.scores(page_of())
    expected = sql(
        "SELECT recency_score::VARCHAR, frequency_score::VARCHAR, count(*), sum(monetary), sum(monetary) / count(*) "
        "FROM gold.agg_customer_lifetime GROUP BY ALL ORDER BY ALL"
    )
    assert len(expected) > 10
    assert [row[:4] for row in found.rows()] == [row[:4] for row in expected]
    assert [float(row[4]) for row in found.rows()] == pytest.approx([row[4] for row in expected], abs=0.006)


def test_moves_are_those_of_the_days_of_the_page(page_of: Callable[..., Page]) -> None:
    """One scoring moves nobody, so that here the moves are made by hand."""
    with duckdb.connect() as made:
        made.execute(
            "CREATE SCHEMA gold; CREATE TABLE gold.customer_segment_moves AS FROM (VALUES (DATE '2026-01-31', 'Rare', 'Loyal'), "
            "('2026-02-01', 'Rare', 'Loyal'), ('2026-02-28', 'Rare', 'Loyal'), ('2026-02-14', 'Loyal', 'Rare'), "
            "('2026-03-01', 'Loyal', 'Rare')) moves(moved_on, from_segment, to_segment)"
        )
        reader: Any = SimpleNamespace(rows=lambda text, parameters: made.execute(text, list(parameters)).pl())
        whole = page_of()
        page = Page(whole.settings, reader, Filters(Span(date(2026, 2, 1), date(2026, 2, 28)), {}), whole.known, ())
        found = customers.moves(page)
    assert found.rows() == [("Rare", "Loyal", 2), ("Loyal", "Rare", 1)]
    drawn = heat.grid(found, "to_segment", "from_segment", "customers", "count", title="Moves", names=("to", "from")).to_dict()
    [cells] = drawn["datasets"].values()
    assert [(cell["from_segment"], cell["to_segment"], cell["_text"]) for cell in cells] == [
        ("Rare", "Loyal", "2"),
        ("Loyal", "Rare", "1"),
    ]
    assert drawn["layer"][1]["encoding"]["text"]["field"] == "_text"  # each number is written, not only shaded
