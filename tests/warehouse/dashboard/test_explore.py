"""What Explore asks: a mark is the sum of the rows behind it, a comparison is two questions, what cannot be cut is left out."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from warehouse.dashboard import explore
from warehouse.dashboard.explore import Choice
from warehouse.dashboard.filters import Filters
from warehouse.dashboard.periods import Span
from warehouse.dashboard.reader import Reader

YEAR = Span(date(2025, 1, 1), date(2025, 12, 31))
FRANCE = Filters(YEAR, {"country": ("France",)})
SOLD = (
    "gold.fact_sales JOIN gold.dim_date USING (date_key) JOIN gold.dim_country USING (country_key) "
    "JOIN gold.dim_product USING (product_key)"
)


@pytest.mark.parametrize("dimension", ["category", "month", "segment"])
@pytest.mark.parametrize(
    ("metric", "column"), [("revenue", "net_amount"), ("units", "quantity"), ("lines", None), ("refunds", "refund")]
)
def test_a_mark_is_the_sum_of_the_rows_behind_it(reader: Reader, metric: str, column: str | None, dimension: str) -> None:
    grain = dimension if dimension in explore.GRAINS else None
    choice = Choice((metric,), () if grain else (dimension,), grain)
    asked = explore.asked(reader.declared, choice, FRANCE)
    rows = reader.ask(*asked.metrics, by=asked.by, where=asked.where).to_dicts()
    assert rows
    assert explore.adds_up(reader.declared, metric)
    for row in rows[:3]:
        condition = explore.behind(asked.where or "", explore.mark(choice.cut, row))
        [model] = explore.sources(reader.declared, [metric])
        found, count = reader.behind(model, condition, 100_000)
        assert found.height == count
        assert (found[column].sum() if column else count) == row[metric]


def test_of_many_rows_the_newest_are_shown(reader: Reader) -> None:
    whole, count = reader.behind("sales", FRANCE.where(), 100_000)
    few, same = reader.behind("sales", FRANCE.where(), 10)
    assert (few.height, same) == (10, count)
    assert few["day"].min() >= whole["day"].sort(descending=True)[9]


def test_a_comparison_is_both_periods_with_what_fell_most_first(reader: Reader, sql: Any) -> None:
    found = explore.compared(reader, Choice(("revenue", "orders"), ("category",)), FRANCE)
    expected = sql(
        "SELECT category, sum(net_amount) FILTER (year = 2025), sum(net_amount) FILTER (year = 2024), "
        f"count(DISTINCT order_id) FILTER (year = 2025), count(DISTINCT order_id) FILTER (year = 2024) FROM {SOLD} "
        "WHERE country = 'France' AND year IN (2024, 2025) GROUP BY 1"
    )
    assert {row["category"]: row["revenue change"] for row in found.to_dicts()} == {
        name: (now or Decimal(0)) - (before or Decimal(0)) for name, now, before, *_ in expected
    }
    assert {row["category"]: (row["orders"], row["orders before"]) for row in found.to_dicts()} == {
        name: (now, before) for name, *_, now, before in expected
    }
    assert found["revenue change"].to_list() == sorted(found["revenue change"].to_list())


def test_a_comparison_without_a_cut_is_one_row(reader: Reader) -> None:
    assert explore.compared(reader, Choice(("revenue",)), FRANCE).height == 1


def test_what_is_logged_for_less_long_is_compared_with_less(reader: Reader, sql: Any) -> None:
    sold = reader.days()
    assert sold is not None
    [(first,)] = sql("SELECT min(date) FROM gold.fact_web_sessions JOIN gold.dim_date USING (date_key)")
    assert sold.first < first
    assert explore.known(reader, ("visits", "conversion"), sold) == Span(first, sold.last)
    assert explore.known(reader, ("revenue",), sold) == explore.known(reader, ("repeat_rate",), sold) == sold


def test_filters_that_a_metric_does_not_have_are_left_out(reader: Reader) -> None:
    assert explore.left_out(reader.declared, ("conversion",), FRANCE) == ["country"]
    assert explore.left_out(reader.declared, ("repeat_rate",), FRANCE) == ["day", "country"]
    assert explore.left_out(reader.declared, ("revenue", "refunds"), FRANCE) == []
    assert explore.where(reader.declared, Choice(("repeat_rate",)), FRANCE) == ""
    assert "country" not in explore.able(reader.declared, ["revenue", "conversion"])


def test_what_is_made_of_several_facts_has_rows_of_each(reader: Reader) -> None:
    assert explore.sources(reader.declared, ["net_sales"]) == ["sales", "returns"]
    assert explore.sources(reader.declared, ["average_order_value"]) == ["sales"]
    assert not explore.adds_up(reader.declared, "orders")


def test_a_value_with_a_quote_is_a_value(reader: Reader) -> None:
    assert explore.behind("", {"brand": "O'Neill", "year": "2025"}) == "brand IN ('O''Neill') AND year = 2025"
    found, count = reader.behind("sales", "brand IN ('O''Neill')", 10)
    assert (found.height, count) == (0, 0)
