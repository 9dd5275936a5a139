"""Questions without an answer, each refused in a line that says why and what can be asked."""

from typing import Any

import pytest

from lake.errors import UsageError
from warehouse.semantic.loaded import load


@pytest.mark.parametrize(
    ("metrics", "asked", "line"),
    [
        ((), {}, "name a metric; there are average_order_value, buyers"),
        (("revnue",), {}, "there is no metric revnue; did you mean revenue"),
        (("revenue", "ordrs"), {}, "there is no metric ordrs; did you mean orders"),
        (("zzz",), {}, "there is no metric zzz; there are average_order_value, buyers"),
        (("revenue",), {"by": "categry"}, "there is no dimension categry; did you mean category"),
        (("revenue",), {"by": "revenue"}, "there is no dimension revenue"),
        (("revenue",), {"order": ["orders"]}, "--order orders: it is not in the answer; there are revenue"),
        (("revenue",), {"order": ["revenue down"]}, "--order revenue down: say a name, and desc after it"),
        (
            ("repeat_rate",),
            {"by": "month"},
            "repeat_rate cannot be cut by month: repeat_buyers, which it needs, is of everybody who",
        ),
        (
            ("repeat_rate",),
            {"by": "month"},
            "It can be cut by segment, first_month, recency_score, frequency_score, monetary_score, rfm$",
        ),
        (
            ("conversion",),
            {"by": "category"},
            "nothing in gold.fact_web_sessions leads to a category; only by way of returns or sales",
        ),
        (("revenue", "conversion"), {"by": "country"}, "conversion cannot be cut by country"),
        (("revenue",), {"where": "traffic_channel = 'mail'"}, "revenue cannot be cut by traffic_channel: it is of sale lines"),
    ],
)
def test_a_refusal_says_why_and_what_can_be_asked(shop: Any, metrics: tuple[str, ...], asked: dict[str, Any], line: str) -> None:
    with pytest.raises(UsageError, match=line):
        shop.ask(*metrics, **asked)


def test_every_metric_is_cut_by_each_of_its_dimensions(shop: Any) -> None:
    """And the parts of what adds up are the whole."""
    declared = load()
    for name in ("revenue", "returned_units", "visits", "buyers"):
        [(whole,)] = shop.ask(name)
        for dimension in declared.dimensions(name):
            assert sum(row[1] for row in shop.ask(name, by=dimension)) == whole, (name, dimension)


def test_order_and_limit(shop: Any) -> None:
    best = shop.ask("revenue", by="country", order=["revenue desc"], limit=2)
    assert best == shop.sql("SELECT country, sum(net_amount) FROM sold GROUP BY ALL ORDER BY 2 DESC LIMIT 2")
    assert shop.ask("units", by="year", order=["units"]) == sorted(shop.ask("units", by="year"), key=lambda row: row[1])
    assert shop.ask("units", by="year", limit=0) == []


def test_names_are_taken_in_any_case_and_once(shop: Any) -> None:
    assert shop.ask("Revenue", "revenue", by="YEAR,year") == shop.ask("revenue", by="year")


def test_a_total_of_nothing_is_nothing(shop: Any) -> None:
    assert shop.ask("revenue", "orders", "return_rate", where="country = 'Atlantis'") == [(0, 0, None)]
