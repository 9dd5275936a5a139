"""TPC-H: after its refresh functions the 22 queries, kept up to date as tables, are what DuckDB answers on the same rows."""

import importlib.util
import math
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

FOLDER = Path(__file__).parent
ORDERS = 15_000  # scale 0.01
REFRESHED = ORDERS // 1000
TABLES = ("region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem")
BY_GROUP = {"gold.q1", "gold.q4", "gold.q12"}  # of those that the refresh functions touch


@pytest.fixture(scope="module")
def queries() -> Any:
    spec = importlib.util.spec_from_file_location("tpch_queries", FOLDER / "queries.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute((FOLDER / "rows.sql").read_text().format(orders=ORDERS))
        yield connection


def test_incremental_is_what_duckdb_answers(shop: Any, queries: Any, database: duckdb.DuckDBPyConnection) -> None:
    for name in TABLES:
        rows = database.table(name).to_arrow_table()
        shop.lake.create(f"ref.{name}", rows.schema)
        shop.lake.append(f"ref.{name}", rows)
    declared = queries.declared()
    shop.build(declared=declared)
    compare(shop, queries, database)
    for pair in range(2):
        refresh(shop, database, pair)
        steps = {step.table: step.how for step in shop.build(declared=declared).steps}
        assert {name for name, how in steps.items() if how == "by_group"} == BY_GROUP
        assert {name for name, how in steps.items() if how == "skip"} == {"gold.q2", "gold.q11", "gold.q16"}
        compare(shop, queries, database)
    before = shop.versions()
    assert all(step.how == "skip" for step in shop.build(declared=declared).steps)
    assert shop.versions() == before


def refresh(shop: Any, database: duckdb.DuckDBPyConnection, pair: int) -> None:
    """RF1 adds orders with their lines, RF2 removes the oldest ones; in the lake and in DuckDB alike."""
    low = ORDERS + 1 + pair * REFRESHED
    gone = f"o_orderkey > {pair * REFRESHED} and o_orderkey <= {(pair + 1) * REFRESHED}"
    for name, made, key in (
        ("orders", "whole_orders", ["o_orderkey"]),
        ("lineitem", "new_lines", ["l_orderkey", "l_linenumber"]),
    ):
        fresh = database.execute(f"from {made}({low}, {low + REFRESHED})").to_arrow_table()
        old = database.execute(f"select *, true as _gone from {name} where {gone.replace('o_orderkey', key[0])}").to_arrow_table()
        assert fresh.num_rows >= REFRESHED <= old.num_rows
        shop.lake.append(f"ref.{name}", fresh)
        shop.lake.merge(f"ref.{name}", old, key, delete="_gone")
        database.execute(f"insert into {name} by name from fresh")
        database.execute(f"delete from {name} where {gone.replace('o_orderkey', key[0])}")


def compare(shop: Any, queries: Any, database: duckdb.DuckDBPyConnection) -> None:
    empty = []
    for name, query in queries.QUERIES.items():
        answer = database.execute(query.sql.format(**{table: table for table in TABLES}))
        columns = [column[0] for column in answer.description or ()]
        wanted = sorted(answer.fetchall(), key=order)
        rows = shop.lake.read(f"gold.{name}").select(columns).to_pylist()
        found = sorted((tuple(row.values()) for row in rows), key=order)
        assert len(found) == len(wanted), name
        for mine, theirs in zip(found, wanted, strict=True):
            assert all(map(same, mine, theirs)), (name, mine, theirs)
        if not wanted or wanted == [(None,)]:
            empty.append(name)
    assert not empty, "a query that finds nothing shows nothing"


def order(row: tuple[Any, ...]) -> str:
    """The row's text without what the engines may write differently: numbers with decimals."""
    return repr([value for value in row if not isinstance(value, float | Decimal)])


def same(mine: object, theirs: object) -> bool:
    """Equal, and a double as good as equal: it depends on the order in which it was added up."""
    if isinstance(mine, float) and isinstance(theirs, float):
        return math.isclose(mine, theirs, rel_tol=1e-9)
    return mine == theirs
