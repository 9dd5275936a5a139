"""gold.feature_sales_daily: each number against the same worked out slowly, and nothing from a later day in any of them."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transforms.gold.feature_sales_daily import feature_sales_daily

FIRST = date(2023, 11, 1)
MONEY = pa.decimal128(18, 2)


def cell(
    day: int,
    category: str,
    amount: str,
    discount: str = "0",
    units: int = 1,
    orders: int = 1,
    country: str = "FR",
    lines: int = 1,
) -> dict[str, Any]:
    gross, off = Decimal(amount), Decimal(discount)
    found = FIRST + timedelta(days=day)
    return {
        "date": found,
        "category": category,
        "country": country,
        "amount": gross,
        "discount": off,
        "net_amount": gross - off,
        "units": units,
        "orders": orders,
        "lines": lines,
    }


def features(engine: Any, cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    kinds = {
        "date": pa.date32(),
        **dict.fromkeys(("amount", "discount", "net_amount"), MONEY),
        **dict.fromkeys(("units", "orders", "lines"), pa.int64()),
    }
    rows = pa.Table.from_pylist(cells, schema=pa.schema([(name, kinds.get(name, pa.string())) for name in cells[0]]))
    found: list[dict[str, Any]] = engine.arrow(feature_sales_daily(engine.frame(rows))).to_pylist()
    return sorted(found, key=lambda row: (row["category"], row["date"]))


def random_cells(days: int, seed: int) -> list[dict[str, Any]]:
    """Two categories in two countries; the second begins late and sells on some days only."""
    random = np.random.default_rng(seed)
    made = [cell(0, "Books", "10.00")]
    for day in range(days):
        for category, chance in (("Books", 0.9), ("Toys", 0.3 if day > 20 else 0.0)):
            for country in ("FR", "DE"):
                if random.random() < chance:
                    amount = Decimal(int(random.integers(100, 90_000))).scaleb(-2)
                    discount = (amount * Decimal(int(random.integers(0, 4))) / 10).quantize(Decimal("0.01"))
                    made.append(cell(day, category, str(amount), str(discount), int(random.integers(1, 9)), 1, country))
    return [*made, cell(days - 1, "Books", "5.00")]


def test_each_number_against_the_same_worked_out_slowly(engine: Any) -> None:
    cells = random_cells(800, 1)
    found = features(engine, cells)
    starts = {name: min(row["date"] for row in cells if row["category"] == name) for name in ("Books", "Toys")}
    last = max(row["date"] for row in cells)
    assert [(row["category"], row["date"]) for row in found] == [
        (name, starts[name] + timedelta(days=n)) for name in starts for n in range((last - starts[name]).days + 1)
    ]
    sums: dict[tuple[str, date], dict[str, Decimal]] = {}
    for row in cells:
        of = sums.setdefault(
            (row["category"], row["date"]), dict.fromkeys(("amount", "discount", "net_amount", "units", "orders"), Decimal(0))
        )
        for name in of:
            of[name] += row[name]
    zeros = dict.fromkeys(("amount", "discount", "net_amount", "units", "orders"), Decimal(0))

    def span(row: dict[str, Any], name: str, count: int, ago: int = 0) -> list[float]:
        days = [row["date"] - timedelta(days=ago + n) for n in range(count)]
        return [float(sums.get((row["category"], day), zeros)[name]) for day in days if day >= starts[row["category"]]]

    for row in found:
        mine = sums.get((row["category"], row["date"]), zeros)
        assert {name: row[name] for name in mine} == mine
        assert row["age"] == (row["date"] - starts[row["category"]]).days
        assert row["date_key"] == int(row["date"].strftime("%Y%m%d"))
        for name, count, ago in (
            ("mean_7", 7, 0),
            ("level_28", 28, 0),
            ("mean_91", 91, 0),
            ("year_ago_level", 28, 364),
            ("two_years_ago_level", 28, 728),
        ):
            past = span(row, "net_amount", count, ago)
            assert row[name] == (pytest.approx(sum(past) / len(past)) if past else None), name
        weeks = [span(row, "net_amount", 1, 7 * week) for week in range(4)]
        assert row["same_weekday_4"] == pytest.approx(np.mean([value for week in weeks for value in week]))
        for count in (7, 28, 91):
            amount, units, off = (sum(span(row, name, count)) for name in ("amount", "units", "discount"))
            assert row[f"price_{count}"] == (pytest.approx(amount / units) if units else None)
            assert row[f"discount_share_{count}"] == pytest.approx(off / amount if amount else 0)
        assert row["discount_share"] == pytest.approx(float(mine["discount"] / mine["amount"]) if mine["amount"] else 0)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(25, 450), seed=st.integers(0, 1000))
def test_nothing_of_a_later_day_enters(sail: Any, cut: int, seed: int) -> None:
    """The days after the cut are replaced by others; no row up to the cut may notice. Sail; the next test has both engines."""
    _same_up_to(sail, cut, seed)


def test_nothing_of_a_later_day_enters_on_either_engine(engine: Any) -> None:
    _same_up_to(engine, 120, 7, 160)


def _same_up_to(engine: Any, cut: int, seed: int, days: int = 500) -> None:
    limit = FIRST + timedelta(days=cut)
    known, other = random_cells(days, 1), random_cells(days, seed + 2)
    past = [row for row in known if row["date"] <= limit]
    changed = [*past, *(row | {"amount": row["amount"] * 9, "units": 7} for row in other if row["date"] > limit)]
    before = [row for row in features(engine, known) if row["date"] <= limit]
    after = [row for row in features(engine, changed) if row["date"] <= limit]
    assert before == after
    assert before == features(engine, [*past, cell(cut, "Books", "0.00", lines=1, orders=0, units=0)])


def test_the_price_of_a_day_without_a_sale_is_the_last_one(engine: Any) -> None:
    found = features(engine, [cell(0, "Books", "30.00", units=3), cell(2, "Books", "12.00", "3.00"), cell(4, "Toys", "1.00")])
    books = [row for row in found if row["category"] == "Books"]
    assert [row["price"] for row in books] == [10.0, 10.0, 12.0, 12.0, 12.0]
    assert [row["discount_share"] for row in books] == [0.0, 0.0, 0.25, 0.0, 0.0]
    assert [row["units"] for row in books] == [3, 0, 1, 0, 0]


def test_goods_that_only_came_back_and_days_without_a_date_make_no_history(engine: Any) -> None:
    sold = [cell(5, "Books", "30.00"), cell(6, "Books", "20.00")]
    back = [cell(0, "Books", "0.00", lines=0), cell(9, "Toys", "0.00", lines=0), {**cell(7, "Books", "9.00"), "date": None}]
    assert features(engine, [*sold, *back]) == features(engine, sold)


def test_orders_and_money_of_countries_add_up(engine: Any) -> None:
    found = features(engine, [cell(0, "Books", "10.00", "1.00", 2, 2), cell(0, "Books", "5.00", "0.50", 1, 1, "DE")])
    assert [(row["orders"], row["units"], str(row["net_amount"]), row["price"]) for row in found] == [(3, 3, "13.50", 5.0)]
