"""A backfill computes the rows of some days again, and no others."""

from dataclasses import replace
from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from lake.errors import UsageError
from transforms.build import BuildFailed, build
from transforms.days import within
from transforms.table import tables

DAYS = (date(2025, 1, 2), date(2025, 1, 3))


@pytest.mark.parametrize(
    ("kind", "zone", "sql"),
    [
        ("date", "UTC", "`c` between date '2025-01-02' and date '2025-01-03'"),
        ("int", "UTC", "`c` between 20250102 and 20250103"),
        ("timestamp", "UTC", "`c` >= timestamp '2025-01-02 00:00:00' and `c` < timestamp '2025-01-04 00:00:00'"),
        ("timestamp", "Asia/Tokyo", "`c` >= timestamp '2025-01-01 15:00:00' and `c` < timestamp '2025-01-03 15:00:00'"),
    ],
)
def test_days_are_the_shop_s(kind: str, zone: str, sql: str) -> None:
    assert within("c", kind, DAYS, zone) == sql


def test_a_text_says_no_day() -> None:
    with pytest.raises(UsageError, match="c is string: rows are dated by"):
        within("c", "string", DAYS, "UTC")


@pytest.fixture
def damaged(shop: Any, rows: Any) -> Any:
    """A shop of ten sales, one a day, whose silver and facts somebody has tampered with since they were built."""
    shop.snapshot("customers", [rows.customer(1)])
    shop.snapshot("products", [rows.product(1)])
    shop.snapshot("orders", [rows.order(number) for number in range(10)])
    shop.snapshot("sales_data", [rows.sale(number) for number in range(10)])
    shop.snapshot("returns", [])
    shop.build(select=["+gold.agg_sales_daily"])
    return shop


def tamper(shop: Any, table: str, key: str, *numbers: int) -> None:
    """Set the quantity of some rows to 99, behind the build's back: as if a version from then on had been wrong."""
    found = shop.lake.read(table).to_pylist()
    wrong = [{**row, "quantity": 99} for row in found if row[key] in numbers]
    shop.lake.merge(table, pa.Table.from_pylist(wrong, schema=shop.lake.schema(table)), [key])


def quantities(shop: Any, table: str) -> dict[int, int]:
    return {row["sale_id"]: row["quantity"] for row in shop.rows(table, "sale_id", "quantity")}


def test_the_rows_of_the_days_are_mended_and_others_left(damaged: Any) -> None:
    tamper(damaged, "gold.fact_sales", "sale_id", 1, 2, 3)
    report = damaged.build(select=["fact_sales"], between=DAYS)
    assert [(step.table, step.how, step.changed) for step in report.steps] == [("gold.fact_sales", "by_key", 2)]
    assert {number for number, n in quantities(damaged, "gold.fact_sales").items() if n == 99} == {3}


def test_silver_finds_its_days_where_the_source_calls_them_otherwise(damaged: Any) -> None:
    tamper(damaged, "silver.sales", "sale_id", 0, 1)
    damaged.build(select=["silver.sales"], between=DAYS)
    assert {number for number, n in quantities(damaged, "silver.sales").items() if n == 99} == {0}


def test_a_row_that_should_not_be_there_goes(damaged: Any) -> None:
    facts = damaged.lake.read("gold.fact_sales")
    strange = pa.Table.from_pylist([{**facts.to_pylist()[0], "sale_id": 77, "sold_at": row["sold_at"]}
                                    for row in facts.to_pylist() if row["sale_id"] == 1], schema=facts.schema)  # fmt: skip
    damaged.lake.append("gold.fact_sales", strange)
    damaged.build(select=["fact_sales"], between=DAYS)
    assert set(quantities(damaged, "gold.fact_sales")) == set(range(10))


def test_groups_are_mended_by_their_day(damaged: Any) -> None:
    good = damaged.rows("gold.agg_sales_daily")
    wrong = damaged.lake.read("gold.agg_sales_daily").to_pylist()
    key = ["date_key", "category", "country", "channel"]
    schema = damaged.lake.schema("gold.agg_sales_daily")
    damaged.lake.merge("gold.agg_sales_daily", pa.Table.from_pylist([{**row, "units": 99} for row in wrong], schema=schema), key)
    report = damaged.build(select=["agg_sales_daily"], between=DAYS)
    assert [(step.how, step.changed) for step in report.steps] == [("by_group", 2)]
    mended = [row for row in damaged.rows("gold.agg_sales_daily") if row["units"] != 99]
    assert mended == [row for row in good if row["date_key"] in (20250102, 20250103)]


def test_a_backfill_of_everything_names_what_it_leaves(damaged: Any, rows: Any) -> None:
    damaged.change("sales_data", ("u", rows.sale(9, quantity=5)))
    report = damaged.build(select=["+gold.agg_sales_daily"], between=DAYS)
    hows = {step.table: step.how for step in report.steps}
    assert (hows["silver.sales"], hows["gold.fact_sales"], hows["gold.agg_sales_daily"]) == ("by_key", "by_key", "by_group")
    assert {step.why for step in report.steps if step.table == "gold.dim_customer"} == {
        "its rows have no day (dated): a backfill leaves it"
    }
    assert quantities(damaged, "gold.fact_sales")[9] == 5, "what changed meanwhile is taken along"
    assert {step.how for step in damaged.build(select=["fact_sales"]).steps} == {"skip"}


@pytest.mark.parametrize(
    ("options", "message"),
    [({"between": DAYS[::-1]}, "must not be after the last"), ({"between": DAYS, "full": True}, "choose one")],
)
def test_days_that_cannot_be(make_settings: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(make_settings(), **options)


def test_a_strict_table_says_at_run_time_that_it_cannot_follow(damaged: Any, rows: Any) -> None:
    declared = tables()
    declared["gold.fact_sales"] = replace(declared["gold.fact_sales"], strict=True)
    damaged.build(select=["silver.sales"], full=True)
    facts = damaged.lake.read("silver.sales")
    damaged.lake.overwrite("silver.sales", facts)
    with pytest.raises(BuildFailed, match=r"gold\.fact_sales: strict, and silver\.sales was replaced .*--full gold\.fact_sales"):
        damaged.build(select=["fact_sales"], declared=declared)
    assert damaged.build(select=["fact_sales"], declared=declared, full=True).steps[0].how == "rebuild"
