"""SQL on the newest release, on an old one, and on the lake's live layers; refusals in one line."""

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lake.errors import PermanentFailure, UsageError
from warehouse import query
from warehouse.release import releases


@pytest.fixture(scope="module")
def shop(make_gold: Callable[[], Any]) -> Any:
    """Two releases: five sales, then six; and a table in each live layer. Tests only read it."""
    gold = make_gold()
    gold.add_sales(5)
    gold.add("silver.shop__softcart__reviews", pa.table({"review_id": [1]}), ["review_id"])
    gold.publish(run="first")
    gold.lake.append("gold.fact_sales", gold.sales(gold.sale(100, "0.10")))
    gold.publish()
    for name, rows in {
        "silver.sales": {"sale_id": [1, 2, 3]},
        "bronze.shop.softcart.sales_data": {"rowid": [1, 2, 3, 4]},
        "bronze.shop.`my db`.order": {"a b": ["x"]},
        "quarantine.sales": {"reason": ["quantity > 0"]},
        "silver.growing": {"n": [1]},
        "meta.checks": {"rule": ["r"]},
    }.items():
        gold.lake.create(name, pa.table(rows).schema)
        gold.lake.append(name, pa.table(rows))
    return gold


def answer(shop: Any, sql: str, **which: Any) -> list[tuple[Any, ...]]:
    with query.connect(shop.settings, **which) as connection:
        return query.run_sql(connection, sql)[1]


def test_the_newest_release_answers(shop: Any) -> None:
    assert answer(shop, "SELECT count(*), sum(amount)::VARCHAR FROM gold.fact_sales") == [(6, "5.10")]
    assert answer(shop, "SELECT count(*) FROM fact_sales") == [(6,)]
    assert answer(shop, "SELECT count(*) FROM silver.shop__softcart__reviews") == [(1,)]


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("silver.sales", 3),
        ("bronze.shop__softcart__sales_data", 4),
        ('bronze."shop__my db__order"', 1),
        ("quarantine.sales", 1),
        ("meta.checks", 1),
        ("meta.releases", 2),
    ],
)
def test_each_layer_has_a_name(shop: Any, name: str, rows: int) -> None:
    assert answer(shop, f"SELECT count(*) FROM {name}") == [(rows,)]


def test_live_layers_follow_the_lake_within_a_connection(shop: Any) -> None:
    with query.connect(shop.settings) as connection:
        shop.lake.append("silver.growing", pa.table({"n": [2]}))
        assert query.run_sql(connection, "SELECT count(*) FROM silver.growing")[1] == [(2,)]


def test_an_old_release_by_number_and_by_time(shop: Any) -> None:
    first, second = releases(shop.settings)
    assert (first.number, first.run, second.number, second.run) == (1, "first", 2, None)
    count = "SELECT count(*) FROM gold.fact_sales"
    assert answer(shop, count, release=1) == [(5,)]
    assert answer(shop, count, as_of=first.at) == [(5,)]
    assert answer(shop, count, as_of=second.at - timedelta(microseconds=1)) == [(5,)]
    assert answer(shop, count, as_of=datetime.now(UTC).replace(tzinfo=None)) == [(6,)]


@pytest.mark.parametrize("which", [{"release": 7}, {"as_of": datetime(2020, 1, 1)}])
def test_a_release_that_is_not_there_names_those_that_are(shop: Any, which: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"is not kept; there are: 1 \(20.*UTC\), 2 \(") as refused:
        query.connect(shop.settings, **which)
    assert str(next(iter(which.values())))[:4] in str(refused.value)


def test_before_the_first_release_it_says_how_to_make_one(gold: Any) -> None:
    with pytest.raises(UsageError, match="cartlake run publish"):
        query.connect(gold.settings)


def test_timestamps_show_in_utc_and_days_do_not_shift(shop: Any) -> None:
    [(shown, day)] = answer(shop, "SELECT sold_at::VARCHAR, sold_at::DATE::VARCHAR FROM gold.fact_sales WHERE sale_id = 1")
    assert (shown, day) == ("2025-10-09 08:53:20.000001+00", "2025-10-09")


@pytest.mark.parametrize(
    ("sql", "line"),
    [
        ("SELECT * FROM gold.fact_sale", "there is no table gold.fact_sale; did you mean gold.fact_sales?"),
        ("SELECT * FROM fct_sales", "there is no table fct_sales; did you mean gold.fact_sales?"),
        (
            "SELECT * FROM bronze.sales_data",
            "there is no table bronze.sales_data; did you mean bronze.shop__softcart__sales_data?",
        ),
        ("SELECT * FROM zzz", "there is no table zzz; list what there is with: show all tables"),
        ("SELECT * FROM glod.fact_sales", "there is no table glod.fact_sales; did you mean gold.fact_sales?"),
        (
            "SELECT amont FROM gold.fact_sales",
            'Referenced column "amont" not found in FROM clause!; Candidate bindings: "amount"',
        ),
        ("SELEC 1", 'syntax error at or near "SELEC" (line 1, at: SELEC 1)'),
        ("SELECT 1 +", "syntax error at end of input"),
        (
            "DELETE FROM gold.fact_sales",
            "a release is read-only; make a table of your session instead: create temp table NAME as select …",
        ),
        ("SELECT 'x'::INT", "Could not convert string 'x' to INT32 (line 1, at: ::INT)"),
        ("SELECT flor(1.5)", 'Scalar Function with name flor does not exist!; Did you mean "floor"? (line 1, at: flor(1.5))'),
    ],
)
def test_what_duckdb_refuses_is_one_line_with_a_hint(shop: Any, sql: str, line: str) -> None:
    with query.connect(shop.settings) as connection, pytest.raises(UsageError) as refused:
        query.run_sql(connection, sql)
    assert str(refused.value).startswith(line)
    assert "\n" not in str(refused.value)


def test_nothing_that_is_asked_changes_a_release(shop: Any) -> None:
    with query.connect(shop.settings) as connection:
        for sql in (
            "DROP TABLE gold.fact_sales",
            "CREATE TABLE gold.x AS SELECT 1",
            "INSERT INTO meta.keys VALUES ('a', 1, 'b')",
        ):
            with pytest.raises(UsageError, match="read-only"):
                query.run_sql(connection, sql)
        query.run_sql(connection, "CREATE TEMP TABLE mine AS FROM gold.fact_sales; DELETE FROM mine")
        assert query.run_sql(connection, "SELECT count(*) FROM mine")[1] == [(0,)]
    shop.assert_equal()


def test_the_columns_and_rows_of_the_last_statement_come_back(shop: Any) -> None:
    with query.connect(shop.settings) as connection:
        assert query.run_sql(connection, "SELECT 1; SELECT 2 AS two, NULL AS nothing") == (["two", "nothing"], [(2, None)])
        assert query.run_sql(connection, "") == ([], [])


def test_no_progress_bar_goes_between_the_rows(shop: Any) -> None:
    """DuckDB draws it on stdout for whatever takes two seconds, also into a pipe."""
    assert answer(shop, "SELECT current_setting('enable_progress_bar')", live=False) == [(False,)]


def test_a_query_larger_than_memory_spills_and_leaves_nothing_behind(
    shop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    engine = shop.settings.engine.model_copy(update={"memory": 100 * 2**20})
    with query.connect(shop.settings.model_copy(update={"engine": engine}), live=False) as connection:
        sql = "SELECT count(*) FROM (SELECT DISTINCT range::VARCHAR || repeat('x', 40) FROM range(3_000_000))"
        assert query.run_sql(connection, sql)[1] == [(3_000_000,)]
        with pytest.raises(PermanentFailure, match=r"needs more memory than engine\.memory allows"):
            query.run_sql(connection, "SELECT list(range::VARCHAR || repeat('x', 100)) FROM range(3_000_000)")
    assert list(tmp_path.iterdir()) == []
