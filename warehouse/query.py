"""SQL on a release, with the lake's own layers beside it.

`connect` opens a kept release read-only as database `warehouse` and adds views that read Delta live: `silver.sales`,
`quarantine.sales`, `meta.checks`, and `bronze.shop__softcart__sales_data` for the bronze table of source `shop`, database
`softcart`, table `sales_data`. A name without a schema is looked up in gold first.
`meta.changes` is warehouse/changes.py's.
"""

import logging
from datetime import datetime
from typing import TYPE_CHECKING, Any

import duckdb

from lake.config import Settings
from lake.delta import Lake
from warehouse import changes, duck
from warehouse.describe import Published, literal, quoted, without_clashes
from warehouse.errors import translated
from warehouse.files import Shelf
from warehouse.release import choose

if TYPE_CHECKING:
    import polars as pl

log = logging.getLogger(__name__)
LIVE_LAYERS = ("silver", "bronze", "quarantine", "meta")


def connect(
    settings: Settings, release: int | None = None, as_of: datetime | None = None, *, live: bool = True
) -> duckdb.DuckDBPyConnection:
    """A connection to the newest release, to one by number, or to the one that was newest at a time (UTC unless it has a zone).

    It keeps that release whatever is published meanwhile; its views show the lake as it is, also beside an old release.
    UsageError names the releases there are.
    """
    chosen = choose(settings, release, as_of)
    connection = duck.open_database(None, memory=settings.engine.memory, threads=settings.engine.cores)
    connection.execute(f"ATTACH {literal(str(Shelf.of(settings).file(chosen.number)))} AS warehouse (READ_ONLY)")
    path = ["warehouse.main", "warehouse.gold", "warehouse.silver", "warehouse.meta"]
    if live:
        path += live_views(connection, Lake(settings.lake_root))
    path.append(changes.add(connection, settings, chosen.number))
    connection.execute(f"SET search_path = {literal(','.join(path))}")
    return connection


def run_sql(connection: duckdb.DuckDBPyConnection, text: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Columns and rows of the last statement of `text`. UsageError, in one line with a hint, for what DuckDB refuses."""
    with translated(connection):
        cursor = connection.execute(text)
        if cursor is None or cursor.description is None:  # nothing but comments and white space
            return [], []
        return [column[0] for column in cursor.description], cursor.fetchall()


def changed(settings: Settings, table: str, since: int, number: int | None = None) -> "pl.DataFrame":
    """`meta.changes` of a table up to release `number`, or the newest, as a Polars frame. UsageError names what there is."""
    with connect(settings, release=number, live=False) as connection, translated(connection):
        frame: pl.DataFrame = connection.execute("FROM meta.changes(?, since => ?)", [table, since]).pl()
        return frame


def live_views(connection: duckdb.DuckDBPyConnection, lake: Lake, beside: str = "warehouse") -> list[str]:
    """Make views on the lake's tables but for those of the attached release `beside`; returns the schemas for the search path."""
    tables = connection.execute(
        "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE database_name = ?", [beside]
    ).fetchall()
    there = {name.casefold() for (name,) in tables}
    live = [Published(name) for layer in LIVE_LAYERS for name in lake.names(layer)]
    views = [view for view in without_clashes(live) if f"{view.schema}.{view.table}".casefold() not in there]
    if not views:
        return []
    duck.load_delta(connection)
    connection.execute("ATTACH ':memory:' AS lake")
    schemas = sorted({view.schema for view in views})
    for schema in schemas:
        connection.execute(f"CREATE SCHEMA lake.{quoted(schema)}")
    for view in views:
        try:
            connection.execute(f"CREATE VIEW lake.{view.sql_name} AS FROM delta_scan({literal(lake.path(view.name))})")
        except duckdb.Error as error:  # one table that cannot be read must not take the others away
            log.warning("%s cannot be read: %s", view.name, " ".join(str(error).split()))
    return [f"lake.{schema}" for schema in schemas]
