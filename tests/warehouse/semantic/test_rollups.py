"""A metric that a rollup can answer is answered by it, to the row what the fact says; one that it cannot is not."""

import itertools
from dataclasses import replace
from typing import Any

import pytest

from warehouse.semantic.answers import Answer
from warehouse.semantic.asked import question
from warehouse.semantic.compiled import compile_question
from warehouse.semantic.loaded import load
from warehouse.semantic.routing import Release

PERIODS = ("day", "week", "month", "quarter", "year", "weekday")
MEMBERS = ("category", "country", "channel")
CUTS = ["", *map(",".join, itertools.product(("day", "month", "year"), MEMBERS)), "week,month", "year,category,country"]
EVERYWHERE = {"sales": ("revenue", "units", "cost"), "returns": ("refunds", "returned_units"), "visits": ("visits",)}
WHOLE = "day,category,country,channel"


@pytest.fixture(scope="module")
def rolled_up(shop: Any) -> dict[str, list[str]]:
    """Of each fact the metrics that rollups can answer; "both" are those that need sales and returns."""
    declared, found = load(), {}
    for name, metric in declared.metrics.items():
        if metric.kind not in ("growth", "moving") and not facts_in(shop.answer(name)):
            models = {declared.model_of(base) for base in declared.bases(name)}
            found.setdefault(models.pop() if len(models) == 1 else "both", []).append(name)
    return found


def facts_in(answer: Any) -> list[str]:
    return [table for table in answer.compiled.tables if ".fact_" in table]


def test_what_rollups_can_answer(rolled_up: dict[str, list[str]]) -> None:
    """No distinct counts: this shop has orders of several days."""
    assert {"revenue", "gross_sales", "discounts", "units", "lines", "cost", "gross_profit"} <= set(rolled_up["sales"])
    assert {"refunds", "returned_units"} <= set(rolled_up["returns"])
    assert {"net_sales", "return_rate"} <= set(rolled_up["both"])
    assert {"visits", "visits_with_order", "conversion"} <= set(rolled_up["visits"])
    assert not {"orders", "customers", "average_order_value"} & {name for names in rolled_up.values() for name in names}


CASES = [(cut, "sales returns both") for cut in CUTS]
CASES += [(cut, "visits") for cut in ("month", "traffic_channel", "month,traffic_channel")]


@pytest.mark.parametrize(("by", "models"), CASES)
def test_a_rollup_says_what_the_fact_says(shop: Any, rolled_up: dict[str, list[str]], by: str, models: str) -> None:
    metrics = [name for model in models.split() for name in rolled_up[model]]
    by_rollup, by_fact = shop.answer(*metrics, by=by), shop.answer(*metrics, by=by, rollups=False)
    assert not facts_in(by_rollup)
    assert facts_in(by_fact) == list(by_fact.compiled.tables)
    assert by_rollup.rows() == by_fact.rows()


@pytest.mark.parametrize("rollup", [name for name, model in load().models.items() if model.rolls_up and name != "orders_daily"])
def test_each_rollup_by_itself(shop: Any, rollup: str) -> None:
    """Also those that a smaller one would stand before."""
    declared, star = load(), shop.star
    model = declared.models[rollup]
    release = Release({table: 1 + (table != model.table) for table in star.tables})
    bases = [name for name, metric in declared.metrics.items() if metric.model == model.rolls_up]
    held = [name for name in bases if compile_question(question(declared, [name]), star, release).tables == (model.table,)]
    assert set(EVERYWHERE[str(model.rolls_up)]) <= set(held)
    for by in ([], *([dimension] for dimension in declared.reach(rollup)), list(model.grain)):
        asked = question(declared, held, by)
        first, whole = compile_question(asked, star, release), compile_question(replace(asked, rollups=False), star, release)
        assert first.tables == (model.table,) != whole.tables
        assert Answer(shop.connection, first).rows() == Answer(shop.connection, whole).rows(), by


@pytest.mark.parametrize(("metric", "by"), [("revenue_growth", by) for by in PERIODS[:5]] + [("revenue_28d", "day,category")])
def test_other_days_are_looked_up_in_the_daily_rollup(shop: Any, metric: str, by: str) -> None:
    by_rollup, by_fact = shop.answer(metric, by=by), shop.answer(metric, by=by, rollups=False)
    assert "gold.agg_sales_daily" in by_rollup.compiled.tables
    assert by_fact.compiled.tables == ("gold.fact_sales",)
    assert by_rollup.rows() == by_fact.rows()


@pytest.mark.parametrize(
    "where", ["country = 'France'", "category IN ('Home', 'Toys') AND month >= '2025-01'", "NOT (channel = 'web' OR year = 2024)"]
)
def test_a_condition_means_the_same_on_both(shop: Any, where: str) -> None:
    asked = {"by": "month", "where": where}
    metrics = ("revenue", "returned_units", "return_rate")
    assert not facts_in(shop.answer(*metrics, **asked))
    assert shop.ask(*metrics, **asked) == shop.ask(*metrics, **asked, rollups=False) != shop.ask(*metrics, by="month")


@pytest.mark.parametrize(
    ("metric", "by", "where", "tables"),
    [
        ("revenue", "month", None, ["gold.agg_sales_monthly"]),
        ("revenue", "week", None, ["gold.agg_sales_daily"]),
        ("revenue", "month", "weekday = 'Sunday'", ["gold.agg_sales_daily"]),
        ("revenue", "month", "brand = 'Lumo'", ["gold.fact_sales"]),
        ("revenue", "sku", None, ["gold.fact_sales"]),
        ("orders", "day", None, ["gold.fact_sales"]),
        ("orders", WHOLE, None, ["gold.agg_sales_daily"]),
        ("orders", "month,category,country,channel", None, ["gold.fact_sales"]),
        ("average_order_value", "month", None, ["gold.fact_sales"]),
        ("average_order_value", WHOLE, None, ["gold.agg_sales_daily"]),
        ("gross_margin", "month", None, ["gold.agg_sales_monthly"]),
        ("orders", "day,country,channel", None, ["gold.agg_orders_daily"]),
        ("revenue,orders", "day,country,channel", None, ["gold.agg_orders_daily", "gold.agg_sales_daily"]),
        ("revenue,customers", "day,country,channel", None, ["gold.fact_sales"]),
    ],
)
def test_which_table_answers(shop: Any, metric: str, by: str, where: str | None, tables: list[str]) -> None:
    found = shop.answer(*metric.split(","), by=by, where=where)
    assert list(found.compiled.tables) == tables
    assert all(f'"{table.split(".")[1]}"' in found.sql for table in tables)
    assert found.rows() == shop.answer(*metric.split(","), by=by, where=where, rollups=False).rows()


def test_orders_are_added_up_where_none_has_lines_in_two_rows(make_shop: Any) -> None:
    """By day, country and channel; one order of two days, and they are counted again."""
    shop = make_shop()
    shop.sql(
        "DELETE FROM gold.fact_sales WHERE order_id IN (SELECT order_id FROM gold.fact_sales GROUP BY 1 HAVING count(*) > 1)"
    )
    shop.sql("DROP TABLE gold.agg_orders_daily")
    counted = (
        "CREATE OR REPLACE TABLE gold.agg_orders_daily AS SELECT date_key, coalesce(country, 'Unknown') AS country, "
        "coalesce(channel, 'Unknown') AS channel, count(DISTINCT order_id) AS orders FROM gold.fact_sales "
        "LEFT JOIN gold.dim_country USING (country_key) LEFT JOIN gold.dim_channel USING (channel_key) GROUP BY ALL"
    )
    shop.sql(counted)
    for by, where in (("", None), ("month", None), ("weekday", "country = 'France'"), ("country,channel", "year >= 2024")):
        found = shop.answer("orders", by=by, where=where)
        assert found.compiled.tables == ("gold.agg_orders_daily",), by
        assert found.rows() == shop.answer("orders", by=by, where=where, rollups=False).rows()
    assert shop.answer("orders", by="category").compiled.tables == ("gold.fact_sales",)
    [(whole,)] = shop.ask("orders")
    shop.sql(
        "INSERT INTO gold.fact_sales SELECT * REPLACE (sale_id + 900000 AS sale_id, 20240229 AS date_key) FROM gold.fact_sales "
        "WHERE date_key <> 20240229 LIMIT 1"
    )
    shop.sql(counted)
    assert shop.answer("orders", by="month").compiled.tables == ("gold.fact_sales",)
    assert shop.ask("orders") == [(whole,)]


def test_of_several_the_smallest_answers(shop: Any) -> None:
    sizes = dict(shop.sql("SELECT 'gold.' || table_name, estimated_size FROM duckdb_tables()"))
    able = ("gold.agg_sales_daily", "gold.agg_sales_monthly", "gold.cube_sales")
    assert shop.answer("revenue", by="year").compiled.tables == (min(able, key=sizes.__getitem__),)
