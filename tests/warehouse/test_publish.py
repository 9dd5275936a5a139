"""A release is gold as it was at one set of versions, made of changed rows where that is enough."""

import shutil
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from lake.delta import Lake
from lake.errors import PermanentFailure
from warehouse.describe import Published


def test_the_first_release_has_every_table_as_it_is_in_the_lake(gold: Any) -> None:
    gold.add_sales(60)
    gold.add("gold.dim_country", pa.table({"country": ["France", "Spain"], "country_key": [1, 2]}), ["country_key"])
    report = gold.publish(run="run-1")
    assert (report.release, report.tables) == (1, {"gold.fact_sales": 60, "gold.dim_country": 2})
    gold.assert_equal()
    assert gold.ask("SELECT release, run, tables, rows FROM meta.releases") == [(1, "run-1", 2, 62)]


def test_nothing_new_is_no_release(gold: Any) -> None:
    gold.add_sales()
    gold.publish()
    report = gold.publish()
    assert report.release is None
    assert report.reason == "nothing new since release 1"
    assert gold.ask("SELECT count(*) FROM meta.releases") == [(1,)]


def test_compacting_the_lake_is_nothing_new(gold: Any) -> None:
    gold.add_sales()
    gold.lake.append("gold.fact_sales", gold.sales(gold.sale(100)))
    gold.publish()
    gold.lake.open("gold.fact_sales").optimize.compact()
    assert gold.publish().release is None


def test_an_empty_lake_says_what_to_do(gold: Any) -> None:
    report = gold.publish()
    assert report.release is None
    assert "build first" in report.reason


def test_only_changed_rows_are_applied(gold: Any) -> None:
    gold.add_sales(60)
    gold.publish()
    changes = gold.sales(gold.sale(3, "9.99"), gold.sale(59, month=3), gold.sale(1000, country=None), gold.sale(7, month=2))
    gold.lake.merge(
        "gold.fact_sales", changes.append_column("gone", pa.array([False, True, False, False])), ["sale_id"], delete="gone"
    )
    report = gold.publish()
    assert gold.how(report) == "changes"
    assert report.tables == {"gold.fact_sales": 60}
    gold.assert_equal()


def test_several_versions_of_a_row_end_as_its_last(gold: Any) -> None:
    gold.add_sales(10)
    gold.publish()
    merge = gold.lake.merge
    merge("gold.fact_sales", gold.sales(gold.sale(3, "2.00"), gold.sale(50, "1.00")), ["sale_id"])
    merge("gold.fact_sales", gold.sales(gold.sale(3, "3.00"), gold.sale(50, "2.00")), ["sale_id"])
    for number in (50, 4):
        merge(
            "gold.fact_sales", gold.sales(gold.sale(number)).append_column("gone", pa.array([True])), ["sale_id"], delete="gone"
        )
    merge("gold.fact_sales", gold.sales(gold.sale(4, "4.44")), ["sale_id"])
    assert gold.how(gold.publish()) == "changes"
    gold.assert_equal()
    assert gold.ask("SELECT amount FROM gold.fact_sales WHERE sale_id IN (3, 4, 50) ORDER BY sale_id") == [
        (Decimal("3.00"),),
        (Decimal("4.44"),),
    ]


def test_a_feed_that_does_not_add_up_loads_the_table_whole(gold: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gold.add_sales(10)
    gold.publish()
    gold.lake.append("gold.fact_sales", gold.sales(gold.sale(100), gold.sale(101)))
    whole = Lake.feed
    monkeypatch.setattr(Lake, "feed", lambda *asked: whole(*asked).slice(1))  # type: ignore[union-attr]
    report = gold.publish()
    assert report.rows()[0]["why"] == "its change feed gives 11 rows, the table has 12"
    gold.assert_equal()


def test_an_overwritten_table_is_right(gold: Any) -> None:
    gold.add_sales(10)
    gold.publish()
    gold.lake.overwrite("gold.fact_sales", gold.sales(*(gold.sale(number, "5.00") for number in range(5, 12))))
    gold.publish()
    gold.assert_equal()


def test_a_null_in_a_key_matches_itself(gold: Any) -> None:
    key = ["country", "channel"]
    total = pa.table(
        {"country": ["France", None], "channel": [None, None], "amount": [1, 2]},
        pa.schema([("country", pa.string()), ("channel", pa.string()), ("amount", pa.int64())]),
    )
    gold.add("gold.cube_sales", total, key)
    gold.publish()
    gold.lake.merge("gold.cube_sales", total.set_column(2, "amount", pa.array([1, 5])), key)
    assert gold.how(gold.publish(), "gold.cube_sales") == "changes"
    assert gold.ask("SELECT amount FROM gold.cube_sales ORDER BY country") == [(1,), (5,)]


def test_a_table_without_a_key_keeps_its_duplicates(gold: Any) -> None:
    gold.add("silver.shop__db__log", pa.table({"line": ["a", "a", "b"]}))
    gold.publish()
    gold.lake.append("silver.shop__db__log", pa.table({"line": ["a"]}))
    report = gold.publish()
    assert gold.how(report, "silver.shop__db__log") == "whole"
    assert gold.ask("FROM silver.shop__db__log ORDER BY 1") == [("a",), ("a",), ("a",), ("b",)]


def test_a_repeated_key_stops_the_release(gold: Any) -> None:
    gold.add_sales(10)
    gold.publish()
    gold.lake.append("gold.fact_sales", gold.sales(gold.sale(3, "8.00")))
    with pytest.raises(PermanentFailure, match=r"gold\.fact_sales: .*key \(sale_id\).*last release stays"):
        gold.publish()
    assert gold.ask("SELECT count(*) FROM gold.fact_sales") == [(10,)]
    assert not list((gold.settings.data / "releases").glob("building*"))


def test_a_key_repeated_inside_the_new_rows_stops_the_release(gold: Any) -> None:
    gold.add_sales(10)
    gold.publish()
    gold.lake.append("gold.fact_sales", gold.sales(gold.sale(70), gold.sale(70)))
    with pytest.raises(PermanentFailure, match="more than once"):
        gold.publish()


def test_changed_columns_load_the_table_again(gold: Any) -> None:
    gold.add("gold.dim_country", pa.table({"country_key": [1, 2]}), ["country_key"])
    gold.publish()
    wider = pa.table({"country_key": [1, 2, 3], "name": ["France", None, "Spain"]})
    gold.lake.overwrite("gold.dim_country", wider, schema_change=True)
    report = gold.publish()
    assert report.rows()[0]["why"] == "columns changed: +name"
    gold.assert_equal()


def test_a_table_that_is_gone_is_dropped_and_a_renamed_one_follows(gold: Any) -> None:
    gold.add_sales(5)
    gold.add("gold.dim_old", pa.table({"k": [1]}), ["k"])
    gold.publish()
    gold.tables.pop()
    gold.add("gold.dim_new", pa.table({"k": [1, 2]}), ["k"])
    report = gold.publish()
    assert {row["table"]: row["how"] for row in report.rows()} == {"gold.dim_old": "drop", "gold.dim_new": "whole"}
    assert gold.ask("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'gold' ORDER BY 1") == [
        ("dim_new",),
        ("fact_sales",),
    ]
    assert gold.ask('SELECT "table" FROM meta.release_tables WHERE release = 2 ORDER BY 1') == [
        ("gold.dim_new",),
        ("gold.fact_sales",),
    ]


def test_a_table_made_again_with_the_same_version_number_is_seen(gold: Any) -> None:
    gold.add_sales(5)
    gold.publish()
    shutil.rmtree(gold.lake.path("gold.fact_sales"))
    gold.tables.clear()
    gold.add("gold.fact_sales", gold.sales(gold.sale(99, "7.00")), ["sale_id"], ["sale_month"])
    report = gold.publish()
    assert "made again, or restored" in report.rows()[0]["why"]
    gold.assert_equal()


def test_comments_keys_and_grain_are_in_the_file(gold: Any) -> None:
    gold.add_sales()
    gold.publish()
    assert gold.ask("SELECT comment FROM duckdb_tables() WHERE table_name = 'fact_sales'") == [
        ("Each sale's own amount.\nGrain: one row per sale.",)
    ]
    assert gold.ask("SELECT comment FROM duckdb_columns() WHERE column_name = 'amount'") == [("price * quantity",)]
    assert gold.ask("FROM meta.keys") == [("gold.fact_sales", 1, "sale_id")]
    assert gold.ask("FROM meta.tables") == [("gold.fact_sales", "one row per sale", "Each sale's own amount.")]
    assert gold.ask("SELECT count(*) FROM duckdb_columns() WHERE schema_name = 'meta' AND comment IS NULL") == [(0,)]
    gold.tables[0] = Published("gold.fact_sales", ("sale_id",), "one row per line", "Other words.")
    gold.lake.append("gold.fact_sales", gold.sales(gold.sale(100)))
    gold.publish()
    assert gold.ask("SELECT comment FROM duckdb_tables() WHERE table_name = 'fact_sales'") == [
        ("Other words.\nGrain: one row per line.",)
    ]
    assert gold.ask("SELECT comment FROM duckdb_columns() WHERE column_name = 'amount'") == [(None,)]


def test_facts_are_in_date_order(gold: Any) -> None:
    gold.add_sales(60)
    gold.publish()
    days = [row[0] for row in gold.ask("SELECT date_key FROM gold.fact_sales ORDER BY rowid")]
    assert days == sorted(days)


def test_old_releases_are_kept_up_to_the_setting(gold: Any) -> None:
    gold.add_sales(5)
    for number in range(7):
        gold.publish()
        gold.lake.append("gold.fact_sales", gold.sales(gold.sale(100 + number)))
    kept = sorted(file.name for file in (gold.settings.data / "releases").iterdir())
    assert kept == [f"{number:06}.duckdb" for number in range(3, 8)]


def test_a_served_file_that_somebody_removed_or_changed_comes_back(gold: Any) -> None:
    gold.add_sales(5)
    gold.publish()
    with duckdb.connect(str(gold.settings.warehouse.path)) as somebody:
        somebody.execute("DELETE FROM gold.fact_sales; CREATE TABLE gold.mine AS SELECT 1 AS x")
    gold.lake.append("gold.fact_sales", gold.sales(gold.sale(100)))
    gold.publish()
    gold.assert_equal()
    assert gold.ask("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'mine'") == [(0,)]
    gold.settings.warehouse.path.unlink()
    assert gold.publish().release is None
    gold.assert_equal()
