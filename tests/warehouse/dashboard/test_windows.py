"""The rows behind growths and moving averages are all that made them: their sums give the mark's number."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from warehouse.dashboard import explore, windows
from warehouse.dashboard.explore import Choice
from warehouse.dashboard.exploring import behind
from warehouse.dashboard.page import Page
from warehouse.dashboard.periods import Span
from warehouse.semantic.calendar import LAST_YEAR, NOW, When

LEAP = Span(date(2025, 1, 15), date(2025, 3, 10))  # after a Feb 29, and its weeks and months cut off at both ends
CUTS = [(grain, ("country",)) for grain in explore.GRAINS] + [("month", ("weekday",)), ("day", ("weekday",))]


@pytest.mark.parametrize(("grain", "by"), CUTS)
def test_a_growth_is_of_the_rows_of_two_years(page_of: Callable[..., Page], grain: str, by: tuple[str, ...]) -> None:
    page = page_of(LEAP, category=("Toys", "Books"))
    choice = Choice(("revenue_growth",), by, grain)
    rows = explore.answer(page.reader, explore.asked(page.reader.declared, choice, page.filters))
    picked = rows.drop_nulls("revenue_growth").gather_every(max(1, rows.height // 6)).to_dicts()
    assert picked
    for row in picked:
        now, before = behind.parts(page, choice, False, explore.mark(choice.cut, row), "sales")
        sums = [float(page.reader.behind("sales", part.condition, 100_000)[0]["net_amount"].sum()) for part in (now, before)]
        assert sums[0] / sums[1] - 1 == pytest.approx(row["revenue_growth"])


def test_an_average_of_28_days_is_of_the_rows_of_them_all(page_of: Callable[..., Page]) -> None:
    page = page_of(LEAP, country=("France",))
    choice = Choice(("revenue_28d",), (), "day", {"weekday": ("Monday",)})
    rows = explore.answer(page.reader, explore.asked(page.reader.declared, choice, page.filters)).to_dicts()
    assert rows
    for row in (rows[0], rows[-1]):
        [part] = behind.parts(page, choice, False, explore.mark(choice.cut, row), "sales")
        found, _ = page.reader.behind("sales", part.condition, 100_000)
        assert float(found["net_amount"].sum()) / 28 == pytest.approx(float(row["revenue_28d"]), abs=0.006)
        assert row["day"] - timedelta(days=28) < found["day"].min() < found["day"].max() <= row["day"]


def test_a_comparison_of_a_sum_has_a_part_for_each_of_its_spans(page_of: Callable[..., Page]) -> None:
    page, choice = page_of(LEAP), Choice(("revenue",), ("country",))
    row = explore.compared(page.reader, choice, page.filters).row(0, named=True)
    for part in behind.parts(page, choice, True, explore.mark(choice.cut, row), "sales"):
        assert page.reader.behind("sales", part.condition, 100_000)[0]["net_amount"].sum() == row[f"revenue{part.suffix}"]


@pytest.mark.parametrize(
    ("when", "grain", "towards", "days"),
    [
        (NOW, "day", ["2026-03-01"], ["2026-03-01"]),
        (LAST_YEAR, "day", ["2025-02-28"], ["2024-02-28"]),
        (LAST_YEAR, "month", ["2025-02-28"], ["2024-02-28", "2024-02-29"]),
        (LAST_YEAR, "day", ["2024-02-29"], []),
        (LAST_YEAR, "week", ["2026-01-01"], ["2025-01-02"]),  # Thursday of week 1
        (LAST_YEAR, "week", ["2026-12-31"], []),  # week 53
        (When("moving", 3), "day", ["2026-03-01"], ["2026-02-27", "2026-02-28", "2026-03-01"]),
    ],
)
def test_the_days_that_count_towards_a_day(when: When, grain: str, towards: list[str], days: list[str]) -> None:
    assert [str(day) for day in windows.counted(when, grain, [date.fromisoformat(one) for one in towards])] == days
