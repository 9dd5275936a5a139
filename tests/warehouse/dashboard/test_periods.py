from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from warehouse.dashboard.periods import Span, in_part, last_whole_month, month, named

TODAY = date(2026, 11, 22)
KNOWN = Span(date(2023, 11, 23), TODAY)


def span(first: str, last: str) -> Span:
    return Span(date.fromisoformat(first), date.fromisoformat(last))


@pytest.mark.parametrize(
    ("asked", "before"),
    [
        (span("2026-10-01", "2026-10-31"), span("2026-09-01", "2026-09-30")),
        (span("2026-11-01", "2026-11-22"), span("2026-10-01", "2026-10-22")),
        (span("2026-03-01", "2026-03-31"), span("2026-02-01", "2026-02-28")),
        (span("2026-03-01", "2026-03-30"), span("2026-02-01", "2026-02-28")),  # February has no 30th
        (span("2026-07-01", "2026-09-30"), span("2026-04-01", "2026-06-30")),
        (span("2026-10-01", "2026-11-22"), span("2026-07-01", "2026-08-22")),
        (span("2025-01-01", "2025-12-31"), span("2024-01-01", "2024-12-31")),
        (span("2026-01-01", "2026-11-22"), span("2025-01-01", "2025-11-22")),
        (span("2024-02-29", "2024-02-29"), span("2024-02-28", "2024-02-28")),
        (span("2026-10-26", "2026-11-22"), span("2026-09-28", "2026-10-25")),
    ],
)
def test_a_month_a_quarter_and_a_year_are_compared_with_the_one_before(asked: Span, before: Span) -> None:
    assert asked.before() == before


@given(some.dates(date(2000, 1, 1), date(2040, 1, 1)), some.integers(1, 1000))
def test_what_a_span_is_compared_with_ends_before_it_begins(first: date, days: int) -> None:
    asked = Span(first, first + timedelta(days=days - 1))
    before = asked.before()
    assert before.first <= before.last < asked.first


@pytest.mark.parametrize(
    ("asked", "before"),
    [
        (span("2025-01-01", "2025-12-31"), span("2024-01-01", "2024-12-31")),
        (span("2024-01-01", "2024-12-31"), None),  # of 2023 only the end is known
        (span("2024-01-01", "2024-01-31"), span("2023-12-01", "2023-12-31")),
        (span("2023-12-01", "2023-12-31"), None),
        (KNOWN, None),
    ],
)
def test_what_is_known_in_part_is_compared_with_nothing(asked: Span, before: Span | None) -> None:
    assert asked.known_before(KNOWN) == before


@pytest.mark.parametrize(
    ("grain", "values", "asked", "part"),
    [
        ("month", ["2025-11", "2025-12", "2026-11"], span("2025-11-23", "2026-11-22"), ["2025-11", "2026-11"]),
        ("month", ["2025-01", "2025-12"], span("2025-01-01", "2025-12-31"), []),
        ("year", [2023, 2024, 2025, 2026], KNOWN, ["2023", "2026"]),
        ("year", [2026, 2026], span("2026-01-01", "2026-12-31"), ["2026"]),  # under way
        ("quarter", ["2026-Q3", "2026-Q4"], span("2026-07-01", "2026-11-22"), ["2026-Q4"]),
        ("week", ["2025-W01", "2025-W02"], span("2025-01-01", "2025-01-12"), ["2025-W01"]),
        ("day", [date(2025, 1, 1)], span("2025-01-01", "2025-01-12"), []),
    ],
)
def test_periods_that_are_cut_off(grain: str, values: list[Any], asked: Span, part: list[str]) -> None:
    assert in_part(grain, values, asked, KNOWN) == part


def test_spans_by_name() -> None:
    spans = named(KNOWN)
    assert spans["Last quarter"] == span("2026-07-01", "2026-09-30")
    assert spans["Last month"] == span("2026-10-01", "2026-10-31")
    assert spans["Last 28 days"].days == 28
    assert spans["This year"] == span("2026-01-01", "2026-11-22")
    assert [name for name in spans if name.isdigit()] == ["2025", "2024", "2023"]
    assert spans["All time"] == KNOWN


def test_the_last_whole_month() -> None:
    assert last_whole_month(KNOWN) == span("2026-10-01", "2026-10-31")
    assert last_whole_month(span("2026-01-05", "2026-10-31")) == span("2026-10-01", "2026-10-31")
    assert last_whole_month(span("2026-01-05", "2026-01-06")) == span("2025-12-01", "2025-12-31")


def test_a_month_by_its_text() -> None:
    assert month("2024-02") == span("2024-02-01", "2024-02-29")
    for wrong in ("2024-13", "2024", "October", ""):
        with pytest.raises(ValueError, match=r"."):
            month(wrong)


def test_a_span_as_a_condition_and_for_people() -> None:
    asked = span("2026-07-01", "2026-09-30")
    assert asked.where() == "day BETWEEN '2026-07-01' AND '2026-09-30'"
    assert asked.text() == "1 Jul 2026 to 30 Sep 2026"
