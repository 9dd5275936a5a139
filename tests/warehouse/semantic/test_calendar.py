"""Growth and moving averages: complete calendars, leap days, week 53, periods that are under way."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from lake.errors import UsageError


@pytest.fixture
def empty(make_shop: Any) -> Iterator[Any]:
    """A gold whose only sales are those of the test."""
    shop = make_shop()
    for table in ("fact_sales", "fact_returns", "agg_sales_daily", "agg_sales_monthly", "cube_sales"):
        shop.connection.execute(f"DELETE FROM gold.{table}")
    yield shop
    shop.connection.close()


def sell(shop: Any, amounts: dict[int, str], country: int = 1) -> None:
    for day, amount in amounts.items():
        columns = "sale_id, date_key, net_amount, country_key"
        shop.connection.execute(f"INSERT INTO gold.fact_sales ({columns}) VALUES (?, ?, ?, ?)", [day, day, amount, country])


def growth(shop: Any, by: str, **asked: Any) -> dict[Any, float | None]:
    return dict(shop.ask("revenue_growth", by=by, rollups=False, **asked))


def test_a_leap_day_has_no_last_year_and_is_none(empty: Any) -> None:
    sell(empty, {20240228: "10", 20240229: "100", 20240301: "30", 20250228: "20", 20250301: "15"})
    by_day = growth(empty, "day", where="year = 2025 OR month = '2024-02'")
    assert by_day == {date(2024, 2, 28): None, date(2024, 2, 29): None, date(2025, 2, 28): 1.0, date(2025, 3, 1): -0.5}


def test_a_leap_day_is_a_day_of_its_month(empty: Any) -> None:
    sell(empty, {20240228: "10", 20240229: "90", 20250228: "20", 20250301: "15"})
    assert growth(empty, "month") == {"2024-02": None, "2025-02": -0.8, "2025-03": None}


def test_a_period_under_way_is_compared_with_as_many_days(empty: Any) -> None:
    sell(empty, {20240110: "10", 20240120: "1000", 20240601: "1000", 20250110: "20"})
    assert growth(empty, "month") == {"2024-01": None, "2024-06": None, "2025-01": 1.0}
    assert growth(empty, "year") == {2024: None, 2025: 1.0}


def test_what_sold_last_year_and_not_now_fell_to_nothing(empty: Any) -> None:
    sell(empty, {20240110: "10", 20250131: "1"}, country=1)
    sell(empty, {20240110: "10"}, country=2)
    rows = empty.ask("revenue_growth", "revenue", by="year,country", rollups=False)
    assert (2025, "Spain", -1.0, Decimal("0.00")) in rows
    assert (2025, "France", -0.9, Decimal("1.00")) in rows


def test_weeks_meet_the_week_of_the_same_number(empty: Any) -> None:
    """2026 has a week 53, 2025 has none; the first days of 2025 are days of its week 1, and so is 2024-12-30."""
    sell(empty, {20241230: "10", 20251229: "30", 20261228: "7"})
    assert growth(empty, "week") == {"2025-W01": None, "2026-W01": 2.0, "2026-W53": None}


def test_sundays_of_a_year_are_compared_with_sundays(empty: Any) -> None:
    sell(empty, {20240107: "10", 20240108: "50", 20250105: "20", 20251228: "10"})
    assert empty.ask("revenue_growth", by="year,weekday", where="year = 2025", rollups=False) == [
        (2025, "Monday", -1.0),
        (2025, "Sunday", 2.0),
    ]


def test_days_without_sales_count_as_nothing_and_are_shown(empty: Any) -> None:
    sell(empty, {20250101: "28", 20250131: "56"})
    rows = dict(empty.ask("revenue_28d", by="day", rollups=False))
    assert len(rows) == 31
    assert [day for day, value in rows.items() if value is None] == [date(2025, 1, day) for day in range(1, 28)]
    shown = {day.day: str(value) for day, value in rows.items() if value is not None}
    assert shown == {28: "1.00", 29: "0.00", 30: "0.00", 31: "2.00"}


def test_a_condition_on_days_does_not_cut_the_window(empty: Any) -> None:
    sell(empty, {20250101: "28", 20250120: "28", 20250131: "0"})
    assert empty.ask("revenue_28d", by="day", where="day >= '2025-01-28'", rollups=False)[0] == (
        date(2025, 1, 28),
        Decimal("2.00"),
    )


def test_a_window_beside_other_metrics_has_their_zeros(empty: Any) -> None:
    sell(empty, {20250101: "28", 20250130: "1"})
    rows = empty.ask("revenue", "revenue_28d", "orders", by="day", where="day > '2025-01-28'", rollups=False)
    assert rows == [(date(2025, 1, 29), Decimal(0), Decimal(0), 0), (date(2025, 1, 30), Decimal(1), Decimal("0.04"), 0)]


@pytest.mark.parametrize(
    ("metric", "by", "where", "line"),
    [
        (
            "revenue_growth",
            "country",
            None,
            "compares a period with last year's: add one of day, week, month, quarter, year to --by",
        ),
        ("revenue_growth", "week,month", None, "a week can be in two months and years"),
        ("revenue_28d", "month", None, "is an average over the 28 days up to each day: add day to --by"),
        ("revenue_28d", "day", "month = '2025-01' OR country = 'France'", "mixes days with the rest"),
    ],
)
def test_a_window_without_its_days_is_refused(shop: Any, metric: str, by: str, where: str | None, line: str) -> None:
    with pytest.raises(UsageError, match=line):
        shop.ask(metric, by=by, where=where)


def test_duckdb_knows_leap_days_as_we_do() -> None:
    """What `calendar` relies on."""
    with duckdb.connect() as connection:
        assert connection.execute("SELECT (DATE '2024-02-29' + INTERVAL 1 YEAR)::DATE::VARCHAR").fetchall() == [("2025-02-28",)]
