"""Answers as Parquet and Arrow, exactly as DuckDB has them, and through the command line."""

import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import cartlake
from lake.errors import UsageError
from warehouse.export import export

QUERY = "select i, (i / 100)::decimal(18,2) as money, case when i % 2 = 0 then 'é' end as text from range(200000) t(i) order by i"


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_every_row_arrives_in_its_type(form: str) -> None:
    sink = io.BytesIO()
    with duckdb.connect() as connection:
        assert export(connection, QUERY, form, sink) == 200_000
        expected = connection.execute(QUERY).to_arrow_table()
    sink.seek(0)
    found = pq.read_table(sink) if form == "parquet" else pa.ipc.open_stream(sink).read_all()
    assert found.schema == expected.schema
    assert found.equals(expected)
    assert found["money"][150].as_py() == Decimal("1.50")


def test_an_answer_without_rows_is_still_a_file() -> None:
    sink = io.BytesIO()
    with duckdb.connect() as connection:
        assert export(connection, "select 1 as a where false", "parquet", sink) == 0
        with pytest.raises(UsageError, match="no rows to write"):
            export(connection, "-- nothing", "parquet", sink)
    sink.seek(0)
    assert pq.read_table(sink).column_names == ["a"]


@pytest.fixture
def call(gold: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    gold.add_sales(3)
    gold.publish()
    monkeypatch.setenv("CARTLAKE_CONFIG", str(gold.settings.home / "cartlake.toml"))
    return lambda *arguments, **more: CliRunner().invoke(cartlake.main, list(arguments), **more)


def test_a_query_from_a_file_into_a_file(call: Any, tmp_path: Path) -> None:
    (tmp_path / "q.sql").write_text("select count(*) as n\nfrom gold.fact_sales")
    out = tmp_path / "out.parquet"
    result = call("sql", "--file", str(tmp_path / "q.sql"), "--format", "parquet", "--output", str(out))
    assert result.exit_code == 0, result.output
    assert pq.read_table(out).to_pylist() == [{"n": 3}]
    assert call("sql", "--format", "csv", input="select 7 as a").stdout == "a\n7\n"
    piped = call("sql", "select 7 as a", "--format", "arrow")
    assert pa.ipc.open_stream(piped.stdout_bytes).read_all().to_pylist() == [{"a": 7}]


def test_a_query_that_fails_leaves_the_file_that_was_there(call: Any, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    out.write_text("before")
    result = call("sql", "select nothing", "--format", "csv", "-o", str(out))
    assert result.exit_code == 2
    assert out.read_text() == "before"
    assert [file.name for file in tmp_path.iterdir()] == ["out.csv"]


def test_a_folder_that_is_not_there_is_named(call: Any, tmp_path: Path) -> None:
    result = call("sql", "select 1", "-o", str(tmp_path / "no" / "out.csv"))
    assert result.exit_code == 2
    assert f"there is no folder {tmp_path / 'no'}" in result.stderr


def test_two_queries_at_once_are_refused(call: Any, tmp_path: Path) -> None:
    (tmp_path / "q.sql").write_text("select 1")
    result = call("sql", "select 1", "-f", str(tmp_path / "q.sql"))
    assert result.exit_code == 2
    assert "one of a query and --file" in result.stderr


def test_describe_diff_and_rollback_from_the_command_line(call: Any, gold: Any) -> None:
    gold.lake.append("gold.fact_sales", gold.sales(gold.sale(100)))
    gold.publish()
    assert "price * quantity" in call("describe", "gold.fact_sales").stdout
    assert call("diff", "1", "2", "--format", "csv").stdout == 'table,added,removed,changed,columns\ngold.fact_sales,1,0,0,""\n'
    assert call("diff", "1", "2", "fact_sales", "--format", "csv").stdout.splitlines()[1].startswith("added,100,")
    assert "release 3 is release 1 again" in call("rollback", "1").stderr
    same = call("diff", "1", "3")
    assert (same.exit_code, same.stdout) == (0, "")
    assert "hold the same rows" in same.stderr
