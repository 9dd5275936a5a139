"""Gold's functions on small inputs, on both engines."""

import csv
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from transforms.gold.cube_sales import cube_sales
from transforms.gold.dim_date import calendar, dim_date
from transforms.gold.fact_sales import shared
from transforms.gold.grouping_sets_sales import grouping_sets_sales
from transforms.gold.rollup_sales import rollup_sales

DIM_DATE = Path(__file__).parents[4] / "shared" / "data" / "capstone" / "DimDate.csv"
MONEY = pa.decimal128(18, 2)


def rows_of(engine: Any, frame: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = engine.arrow(frame).to_pylist()
    return found


@pytest.mark.skipif(not DIM_DATE.exists(), reason=f"the course's data is not at {DIM_DATE.parent}")
def test_the_calendar_differs_from_the_course_s_in_the_twelve_rows_where_that_is_wrong(engine: Any) -> None:
    with DIM_DATE.open() as file:
        course = list(csv.DictReader(file))
    days = engine.frame(pa.table({"date": pa.array([date.fromisoformat(row["date"]) for row in course])}))
    ours = {row["date"].isoformat(): row for row in rows_of(engine, calendar(days))}
    same = {
        "Year": "year",
        "Month": "month",
        "Monthname": "month_name",
        "Day": "day",
        "Weekday": "weekday",
        "WeekdayName": "weekday_name",
    }
    assert all(str(ours[row["date"]][mine]) == row[theirs] for row in course for theirs, mine in same.items())
    wrong = [
        row["date"]
        for row in course
        if (str(ours[row["date"]]["quarter"]), ours[row["date"]]["quarter_name"]) != (row["Quarter"], row["QuarterName"])
    ]
    assert len(ours) == 1096
    assert wrong == [f"{year}-{end}" for year in (2019, 2020, 2021) for end in ("03-31", "06-30", "09-30", "12-31")]


def test_the_calendar_covers_whole_years_to_the_end_of_the_next(engine: Any) -> None:
    moments = [datetime(2024, 6, 1, tzinfo=UTC), datetime(2024, 12, 31, 23, 30, tzinfo=UTC)]
    sales = engine.frame(pa.table({"sold_at": pa.array(moments, pa.timestamp("us", "UTC"))}))
    for zone, last in {"UTC": date(2025, 12, 31), "Europe/Paris": date(2026, 12, 31)}.items():
        days = [row["date"] for row in rows_of(engine, dim_date(sales, engine.frame(pa.table({"time_zone": [zone]}))))]
        assert (min(days), max(days)) == (date(2024, 1, 1), last)
        assert len(days) == len(set(days)) == (last - date(2024, 1, 1)).days + 1


@pytest.mark.parametrize(
    ("amounts", "discount", "shares"),
    [
        (["10.00", "10.00", "10.00"], "10.00", ["3.33", "3.34", "3.33"]),
        (["30.00", "0.01"], "1.00", ["1.00", "0.00"]),
        (["0.00", "0.00"], "5.00", ["0.00", "5.00"]),
        (["5.00"], "7.50", ["7.50"]),
        (["1.00", "2.00"], None, ["0.00", "0.00"]),
        (["9999999999999.99", "9999999999999.99"], "9999999999.99", ["5000000000.00", "4999999999.99"]),
    ],
)
def test_a_discount_is_shared_to_the_cent(engine: Any, amounts: list[str], discount: str | None, shares: list[str]) -> None:
    off = None if discount is None else Decimal(discount)
    lines = [
        {"order_id": "1", "sale_id": n, "amount": Decimal(amount), "order_discount": off} for n, amount in enumerate(amounts)
    ]
    schema = pa.schema(
        [("order_id", pa.string()), ("sale_id", pa.int64()), ("amount", MONEY), ("order_discount", pa.decimal128(12, 2))]
    )
    found = rows_of(engine, shared(engine.frame(pa.Table.from_pylist(lines, schema=schema))))
    assert [str(row["discount"]) for row in sorted(found, key=lambda row: row["sale_id"])] == shares


def cells(engine: Any) -> Any:
    """Four cells: two days of different quarters, two countries."""
    rows = [
        {
            "date": date(2024, 1 + 3 * quarter, 1),
            "country": country,
            "category": "Books",
            "channel": "web",
            "units": 2,
            "lines": 1,
            **dict.fromkeys(("amount", "discount", "net_amount", "cost"), Decimal(f"{1 + quarter}.25")),
        }
        for quarter in (0, 1)
        for country in ("France", "Japan")
    ]
    kinds = {
        "units": pa.int64(),
        "lines": pa.int64(),
        "date": pa.date32(),
        **dict.fromkeys(("amount", "discount", "net_amount", "cost"), MONEY),
    }
    return engine.frame(pa.Table.from_pylist(rows, schema=pa.schema([(name, kinds.get(name, pa.string())) for name in rows[0]])))


def test_a_cube_has_every_combination(engine: Any) -> None:
    found = rows_of(engine, cube_sales(cells(engine)))
    assert len({row["level"] for row in found}) == 16
    totals = {(row["level"], row["country"]): row["amount"] for row in found if row["level"] in ("total", "country")}
    assert totals == {
        ("total", None): Decimal("7.00"),
        ("country", "France"): Decimal("3.50"),
        ("country", "Japan"): Decimal("3.50"),
    }
    assert {row["grouping_id"] for row in found if row["level"] == "year+channel"} == {6}


def test_a_rollup_has_each_level_from_the_day_up(engine: Any) -> None:
    found = rows_of(engine, rollup_sales(cells(engine)))
    assert Counter(row["level"] for row in found) == {
        "year+quarter+month+date": 2,
        "year+quarter+month": 2,
        "year+quarter": 2,
        "year": 1,
        "total": 1,
    }
    assert {row["grouping_id"]: row["lines"] for row in found if row["grouping_id"] in (7, 15)} == {7: 4, 15: 4}


def test_grouping_sets_are_those_that_were_asked_for(engine: Any) -> None:
    levels = {row["level"] for row in rows_of(engine, grouping_sets_sales(cells(engine)))}
    assert levels == {"country+category", "country", "category", "channel", "year+month", "year+country", "total"}
