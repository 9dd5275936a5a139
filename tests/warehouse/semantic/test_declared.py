"""The YAML files: what ships is sound, and a bad one is one line with file, key and what is allowed."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lake.errors import UsageError
from warehouse.semantic.answers import answer, tables_of
from warehouse.semantic.asked import question
from warehouse.semantic.loaded import FOLDER, load
from warehouse.semantic.star import Star


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A copy of the declarations, to spoil."""
    load.cache_clear()
    yield Path(shutil.copytree(FOLDER, tmp_path / "metrics"))
    load.cache_clear()


def test_every_metric_and_dimension_is_described() -> None:
    declared = load()
    every = [
        *declared.metrics.values(),
        *declared.models.values(),
        *(d for m in declared.models.values() for d in m.dimensions.values()),
    ]
    assert all(thing.description.strip() for thing in every)
    assert all(metric.unit.strip() for metric in declared.metrics.values())


def test_a_new_metric_is_one_new_file(folder: Path, shop: Any) -> None:
    said = "description: units for each order\nformat: number\nunit: units an order\nratio: {of: units, to: orders}\n"
    (folder / "basket.yml").write_text(said)
    declared = load(folder)
    asked = question(declared, ["basket"], ["country"])
    expected = "SELECT country, sum(quantity) / count(DISTINCT order_id) FROM sold GROUP BY ALL ORDER BY 1"
    assert answer(shop.connection, Star(declared, tables_of(shop.connection, declared)), asked).rows()[1] == shop.sql(expected)


REVENUE = "description: x\nformat: money\nunit: x\n"
SALES = "model: sales\nmeasure: _.net_amount.sum()\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            REVENUE + SALES + "formt: money",
            "formt: there is no such key; allowed are description, format, unit, model, measure, ratio",
        ),
        (REVENUE.replace("money", "monney") + SALES, "format: Input should be 'money', 'count', 'percent' or 'number'"),
        ("description: x\nunit: x\n" + SALES, "format: Field required"),
        (REVENUE, "say exactly one of measure, ratio, calculated, growth, moving"),
        (REVENUE + SALES + "growth: units", "say exactly one of .*, not measure and growth"),
        (REVENUE + "measure: _.net_amount.sum()", "model and measure go together"),
        (REVENUE + SALES.replace("sales", "sale"), "model: there is no model sale; did you mean sales"),
        (REVENUE + SALES.replace("sales", "sales_daily"), "model: there is no model sales_daily; did you mean sales"),
        (REVENUE + "ratio: {of: units, to: order}", "ratio: there is no metric order; did you mean orders"),
        (REVENUE + "ratio: {of: units, by: orders}", "ratio.to: Field required"),
        (REVENUE + "calculated: _.units -", "_.units -: invalid syntax"),
        (REVENUE + "calculated: _.unit * 2", "calculated: there is no metric unit; did you mean units"),
        (REVENUE + "calculated: _.mine + _.revenue", "computed from itself: mine -> mine"),
        (REVENUE + "calculated: 1 + 1", "calculated: it names no metric"),
        (REVENUE + "growth: revenue_28d", "growth: revenue_28d looks at other days itself"),
        (REVENUE + "moving: {of: return_rate, days: 7}", "moving: return_rate is a ratio"),
        (REVENUE + "moving: {of: units, days: 1}", "moving.days: Input should be greater than or equal to 2"),
        ("{", "it is no YAML: while parsing a flow node"),
        ("", "description: Field required"),
    ],
)
def test_a_bad_metric_is_one_line(folder: Path, text: str, line: str) -> None:
    (folder / "mine.yml").write_text(text)
    with pytest.raises(UsageError, match=rf"mine.yml: .*{line}") as refused:
        load(folder)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("file", "old", "new", "line"),
    [
        ("sales", "model: product,", "model: produkt,", "joins.product: a join has the name of its model, produkt"),
        (
            "sales",
            "product: {model: product,",
            "produkt: {model: produkt,",
            "joins.produkt: there is no model produkt; did you mean product",
        ),
        (
            "sales",
            "type: one, left_on: date_key",
            "type: many, left_on: date_key",
            "joins.date.type: only `one`; a join to many rows",
        ),
        ("sales", "left_on: date_key, ", "", "joins.date.left_on: Field required"),
        ("sales", "joins:", "dimension: {}\njoins:", "dimension: there is no such key; allowed are table, description"),
        ("product", "expr: _.sku,", "exp: _.sku,", "dimensions.sku"),
        ("customer", "  city:", "  country:", "dimensions.country: (it is there twice|model customer has one of that name)"),
        ("sales_daily", "rolls_up: sales", "rolls_up: sale", "rolls_up: there is no model sale; did you mean sales"),
        ("sales_daily", "grain: [day,", "grain: [days,", "dimensions.days: sales has no such dimension; did you mean day"),
        ("visits", "traffic_channel:", "channel:", "dimensions.channel: model channel has one of that name|dimensions.channel"),
        ("date", "  month:", "  moon:", "dimensions.moon: a period of the calendar has the name of its smallest_time_grain"),
        ("date", "smallest_time_grain: month", "smallest_time_grain: moon", "smallest_time_grain: Input should be 'day', 'week'"),
    ],
)
def test_a_bad_model_is_one_line(folder: Path, file: str, old: str, new: str, line: str) -> None:
    text = (folder / "models" / f"{file}.yml").read_text()
    assert old in text
    (folder / "models" / f"{file}.yml").write_text(text.replace(old, new, 1))
    with pytest.raises(UsageError, match=rf"(.*\.yml: .*)?({line})") as refused:
        load(folder)
    assert "\n" not in str(refused.value)
    assert ".yml: " in str(refused.value)


@pytest.mark.parametrize(
    ("file", "old", "new", "line"),
    [
        ("revenue", "_.net_amount.sum()", "_.net_amont.sum()", r"revenue.yml: _.net_amont.sum\(\): .*net_amont"),
        (
            "revenue",
            "_.net_amount.sum()",
            "_.net_amount",
            "revenue.yml: _.net_amount is a value of each row; a measure is one of many",
        ),
        ("revenue", "_.net_amount.sum()", "__import__('os')", "revenue.yml: __import__"),
        (
            "models/sales",
            "table: gold.fact_sales",
            "table: gold.fact_sale",
            "model sales is of gold.fact_sale, which this release does not have",
        ),
        ("models/product", "_.brand", "_.brnd", "product.yml: dimensions.brand: _.brnd: .*brnd"),
        (
            "models/product",
            "table: gold.dim_product",
            "table: gold.dim_channel",
            "product.yml: gold.dim_channel has no column product_key to join by",
        ),
    ],
)
def test_what_the_tables_do_not_have_is_told_by_file(folder: Path, shop: Any, file: str, old: str, new: str, line: str) -> None:
    text = (folder / f"{file}.yml").read_text()
    (folder / f"{file}.yml").write_text(text.replace(old, new, 1))
    declared = load(folder)
    with pytest.raises(UsageError, match=line):
        answer(shop.connection, Star(declared, tables_of(shop.connection, declared)), question(declared, ["revenue"], ["brand"]))
