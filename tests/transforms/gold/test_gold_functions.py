"""Gold's functions on small inputs, on both engines."""

import csv
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from transforms.gold._measures import MEASURES
from transforms.gold.agg_basket_pairs import agg_basket_pairs
from transforms.gold.agg_basket_pairs_monthly import MOST_PRODUCTS, agg_basket_pairs_monthly
from transforms.gold.agg_customer_lifetime import agg_customer_lifetime, segment
from transforms.gold.agg_funnel import agg_funnel
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
    daily = engine.frame(pa.table({"date": [date(2024, 6, 1), date(2024, 12, 31)]}))
    days = [row["date"] for row in rows_of(engine, dim_date(daily))]
    assert (min(days), max(days)) == (date(2024, 1, 1), date(2025, 12, 31))
    assert len(days) == len(set(days)) == 731


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
    """Four cells of months in different quarters, two countries."""
    rows = [
        {
            "year": 2024,
            "quarter": 1 + quarter,
            "month": 1 + 3 * quarter,
            "date": date(2024, 1 + 3 * quarter, 2),
            "country": country,
            "category": "Books",
            "channel": "web",
            **{name: Decimal(f"{1 + quarter}.25") if kind.startswith("decimal") else 1 for name, kind in MEASURES.items()},
        }
        for quarter in (0, 1)
        for country in ("France", "Japan")
    ]
    kinds = {
        **dict.fromkeys(("year", "quarter", "month"), pa.int32()),
        "date": pa.date32(),
        **{name: MONEY if kind.startswith("decimal") else pa.int64() for name, kind in MEASURES.items()},
    }
    return engine.frame(pa.Table.from_pylist(rows, schema=pa.schema([(name, kinds.get(name, pa.string())) for name in rows[0]])))


def test_a_cube_has_every_combination(engine: Any) -> None:
    found = rows_of(engine, cube_sales(cells(engine)))
    assert len({row["level"] for row in found}) == 16
    totals = {(row["level"], row["country"]): row["net_sales"] for row in found if row["level"] in ("total", "country")}
    assert totals == {
        ("total", None): Decimal("7.00"),
        ("country", "France"): Decimal("3.50"),
        ("country", "Japan"): Decimal("3.50"),
    }
    assert {row["grouping_id"] for row in found if row["level"] == "year+channel"} == {6}


def test_a_rollup_has_each_level_from_the_day_up_and_days_that_sold_nothing(engine: Any) -> None:
    days = calendar(engine.frame(pa.table({"date": [date(2024, 1, 1), date(2024, 1, 2), date(2024, 4, 2), date(2024, 4, 3)]})))
    found = rows_of(engine, rollup_sales(cells(engine), days))
    assert Counter(row["level"] for row in found) == {
        "year+quarter+month+date": 3,
        "year+quarter+month": 2,
        "year+quarter": 2,
        "year": 1,
        "total": 1,
    }
    assert {row["grouping_id"]: row["lines"] for row in found if row["grouping_id"] in (7, 15)} == {7: 4, 15: 4}
    assert {row["date"]: row["net_sales"] for row in found if row["date"]} == {
        date(2024, 1, 1): Decimal("0.00"),  # nothing was sold
        date(2024, 1, 2): Decimal("2.50"),
        date(2024, 4, 2): Decimal("4.50"),  # the day after lies ahead of the last sale
    }


def test_grouping_sets_are_those_that_were_asked_for(engine: Any) -> None:
    levels = {row["level"] for row in rows_of(engine, grouping_sets_sales(cells(engine)))}
    assert levels == {"country+category", "country", "category", "channel", "year+month", "year+country", "total"}


def test_equal_customers_score_equally(engine: Any) -> None:
    """Ten customers: five bought once and on the first day, two a day later, the others ever more, the last one today."""
    orders = [1, 1, 1, 1, 1, 2, 2, 3, 4, 9]
    schema = pa.schema(
        [
            *(("customer_id", pa.int64()), ("orders", pa.int64()), ("net_sales", MONEY)),
            *((name, pa.date32()) for name in ("first_sale_date", "last_sale_date")),
        ]
    )
    given = [
        {
            "customer_id": number,
            "orders": count,
            "net_sales": Decimal(count),
            "first_sale_date": date(2024, 1, 1),
            "last_sale_date": date(2024, 1, count),
        }
        for number, count in enumerate(orders)
    ]
    found = rows_of(engine, agg_customer_lifetime(engine.frame(pa.Table.from_pylist(given, schema=schema))))
    by_id = sorted(found, key=lambda row: row["customer_id"])
    assert [row["rfm"] for row in by_id] == ["111"] * 5 + ["333"] * 2 + ["444", "555", "555"]
    assert [row["segment"] for row in by_id[4:]] == [
        "Hibernating",
        *["Need attention"] * 2,
        "Loyal customers",
        *["Champions"] * 2,
    ]
    assert [(row["recency_days"], row["lifetime_days"]) for row in by_id[-2:]] == [(5, 3), (0, 8)]


def test_every_pair_of_scores_has_a_segment(engine: Any) -> None:
    scores = [f"{recency}{frequency}" for recency in range(1, 6) for frequency in range(1, 6)]
    frame = engine.frame(pa.table({"scores": scores}))
    found = {row["scores"]: row["segment"] for row in rows_of(engine, frame.withColumn("segment", segment(frame["scores"])))}
    assert None not in found.values()
    assert {found["51"], found["15"], found["13"], found["41"], found["32"], found["53"]} == {
        "New customers",
        "Cannot lose them",
        "At risk",
        "Promising",
        "About to sleep",
        "Potential loyalists",
    }


def lines(engine: Any, baskets: list[list[int]]) -> Any:
    """Sale lines of baskets, which are lists of products."""
    rows = [("2024-01", str(order), product) for order, products in enumerate(baskets) for product in products]
    columns = {name: [row[place] for row in rows] for place, name in enumerate(("sale_month", "order_id", "product_id"))}
    return engine.frame(pa.table({**columns, "sale_id": list(range(len(rows)))}))


def test_what_is_bought_together(engine: Any) -> None:
    monthly = agg_basket_pairs_monthly(lines(engine, [[1, 2], [2, 1, 1], [1, 3], [2], [4]]))
    (pair,) = rows_of(engine, agg_basket_pairs(monthly))
    assert [pair[name] for name in ("product_a", "product_b", "orders", "orders_a", "orders_b", "orders_all")] == [
        1,
        2,
        2,
        3,
        3,
        5,
    ]
    assert (pair["support"], pair["confidence_a_b"]) == (0.4, 2 / 3)
    assert pair["lift"] == pytest.approx(2 * 5 / 9, rel=1e-9)


def test_a_huge_order_counts_with_its_first_products_only(engine: Any) -> None:
    found = rows_of(engine, agg_basket_pairs_monthly(lines(engine, [list(range(200, 0, -1))])))
    assert len(found) == 1 + MOST_PRODUCTS * (MOST_PRODUCTS + 1) // 2
    assert min(row["product_a"] for row in found if row["product_a"]) == 200 - MOST_PRODUCTS + 1


def test_a_visit_that_got_further_was_at_each_step_before(engine: Any) -> None:
    """Only the order of the first visit was seen, by a link from a mail; the second is a bot's."""
    steps = {"products": [0, 9], "carts": [0, 0], "checkouts": [0, 0], "orders": [1, 0]}
    given = pa.table({"date_key": [20240101] * 2, "traffic_channel": ["email"] * 2, "is_bot": [False, True], **steps})
    (row,) = rows_of(engine, agg_funnel(engine.frame(given)))
    assert [row[name] for name in ("visits", "product", "cart", "checkout", "ordered", "bots")] == [1, 1, 1, 1, 1, 1]
