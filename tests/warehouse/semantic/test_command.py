"""`cartlake metric` and `cartlake.metric()` on a published release."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from click.testing import CliRunner, Result

import cartlake

KEYS = {"dim_date": "date_key", "dim_product": "product_key", "dim_country": "country_key", "dim_channel": "channel_key"}


@pytest.fixture(scope="module")
def home(make_gold: Callable[[], Any], shop: Any) -> Path:
    """A folder whose warehouse has two releases of the small gold: in the second, every sale of 2026 is gone."""
    gold = make_gold()
    for (name,) in shop.sql("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'gold'"):
        key = [KEYS[name]] if name in KEYS else []
        gold.add(f"gold.{name}", shop.connection.execute(f"FROM gold.{name}").to_arrow_table(), key)
    gold.publish()
    for table, gone in {
        "fact_sales": "date_key >= 20260101",
        "agg_sales_daily": "year = 2026",
        "agg_sales_monthly": "year = 2026",
    }.items():
        gold.lake.open(f"gold.{table}").delete(gone.replace("year = 2026", "month_key >= 202601"))
    gold.publish()
    return Path(gold.settings.home)


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.chdir(home)
    return lambda *words: CliRunner().invoke(cartlake.main, ["metric", *words])


def test_a_table_has_formats_and_the_others_plain_values(run: Callable[..., Result], shop: Any) -> None:
    asked = ("revenue,orders,return_rate", "--by", "category", "--where", "category = 'Home'", "--no-rollup", "--release", "1")
    revenue, orders, rate = shop.ask("revenue", "orders", "return_rate", where="category = 'Home'")[0]
    assert run(*asked).stdout.splitlines()[2].split("  ")[0] == "Home"
    assert f"{revenue:,.2f}" in run(*asked).stdout
    assert f"{100 * rate:.1f} %" in run(*asked).stdout
    assert run(*asked, "--format", "csv").stdout == f"category,revenue,orders,return_rate\nHome,{revenue},{orders},{rate}\n"
    [row] = json.loads(run(*asked, "--format", "json").stdout)
    assert row == {"category": "Home", "revenue": float(revenue), "orders": orders, "return_rate": rate}


def test_several_releases_can_be_asked(run: Callable[..., Result]) -> None:
    years = [
        run("units", "--by", "year", "--format", "csv", *which).stdout.split("\n")[1:-1] for which in ([], ["--release", "1"])
    ]
    assert [[year[:4] for year in answer] for answer in years] == [["2024", "2025"], ["2024", "2025", "2026"]]
    refused = run("units", "--release", "9")
    assert (refused.exit_code, "release 9 is not kept" in refused.stderr) == (2, True)


def test_the_sql_is_what_answers(run: Callable[..., Result], home: Path) -> None:
    asked = ("revenue,revenue_growth", "--by", "month", "--order", "month desc", "--limit", "3")
    sql = run(*asked, "--sql").stdout
    assert "agg_sales_daily" in sql
    assert "fact_sales" not in sql
    assert "fact_sales" in run(*asked, "--sql", "--no-rollup").stdout
    with duckdb.connect(str(home / "data" / "warehouse.duckdb"), read_only=True) as connection:
        rows = connection.execute(sql).fetchall()
    answer = run(*asked, "--format", "csv").stdout.splitlines()[1:]
    assert [line.split(",")[:2] for line in answer] == [[row[0], str(row[1])] for row in rows]


def test_without_a_name_it_lists_what_there_is(run: Callable[..., Result]) -> None:
    listed = json.loads(run("--format", "json").stdout)
    revenue = next(row for row in listed if row["metric"] == "revenue")
    assert revenue["format"] == "money"
    assert "after discounts and before returns" in revenue["description"]
    assert revenue["dimensions"].split(", ")[:3] == ["day", "week", "month"]
    assert run("--by", "month").exit_code == 2


@pytest.mark.parametrize("words", [("revnue",), ("revenue", "--by", "mnth"), ("revenue", "--where", "1; DROP TABLE x")])
def test_a_refusal_is_one_line_and_exit_code_2(run: Callable[..., Result], words: tuple[str, ...]) -> None:
    refused = run(*words)
    assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)


def test_python_gets_a_polars_frame(run: Callable[..., Result]) -> None:
    frame = cartlake.metric("revenue", "orders", by=["year"], order=["year desc"], release=1)
    assert frame.columns == ["year", "revenue", "orders"]
    assert frame["year"].to_list() == [2026, 2025, 2024]
    assert frame["revenue"].dtype == pl.Decimal(18, 2)
    assert [str(value) for value in frame["revenue"]] == [
        line.split(",")[1]
        for line in run(
            "revenue", "--by", "year", "--order", "year desc", "--release", "1", "--format", "csv"
        ).stdout.splitlines()[1:]
    ]
