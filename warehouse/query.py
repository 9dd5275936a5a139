"""SQL on a release, with the lake's own layers beside it.

`connect` opens a kept release read-only as database `warehouse` and adds views that read Delta live: `silver.sales`,
`quarantine.sales`, `meta.checks`, and `bronze.shop__softcart__sales_data` for the bronze table of source `shop`, database
`softcart`, table `sales_data`. A name without a schema is looked up in gold first.
"""

from datetime import datetime
from typing import Any

import duckdb

from lake.config import Settings
from lake.delta import Lake, split
from warehouse import duck
from warehouse.describe import Published, literal, quoted
from warehouse.errors import translated
from warehouse.files import Shelf
from warehouse.release import choose

LIVE_LAYERS = ("silver", "bronze", "quarantine", "meta")


def connect(
    settings: Settings, release: int | None = None, as_of: datetime | None = None, *, live: bool = True
) -> duckdb.DuckDBPyConnection:
    """A connection to the newest release, to one by number, or to the one that was newest at a time (UTC unless it has a zone).

    It keeps that release whatever is published meanwhile; its views show the lake as it is, also beside an old release.
    UsageError names the releases there are.
    """
    chosen = choose(settings, release, as_of)
    connection = duckdb.connect(config={"memory_limit": f"{settings.engine.memory >> 20}MiB", "threads": settings.engine.cores})
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"ATTACH {literal(str(Shelf.of(settings).file(chosen.number)))} AS warehouse (READ_ONLY)")
    path = ["warehouse.main", "warehouse.gold", "warehouse.silver", "warehouse.meta"]
    if live:
        path += _views(connection, Lake(settings.lake_root))
    connection.execute(f"SET search_path = {literal(','.join(path))}")
    return connection


def run_sql(connection: duckdb.DuckDBPyConnection, text: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Columns and rows of the last statement of `text`. UsageError, in one line with a hint, for what DuckDB refuses."""
    with translated(connection):
        cursor = connection.execute(text)
        if cursor is None or cursor.description is None:  # nothing but comments and white space
            return [], []
        return [column[0] for column in cursor.description], cursor.fetchall()


def live_names(lake: Lake) -> dict[str, Published]:
    """For each table of the lake outside gold, the view that shows it: schema, then the parts of its name joined by `__`."""
    names = {name: split(name) for layer in LIVE_LAYERS for name in lake.names(layer)}
    return {name: Published(f"{parts[0]}.{'__'.join(parts[1:])}") for name, parts in names.items()}


def _views(connection: duckdb.DuckDBPyConnection, lake: Lake) -> list[str]:
    """Make the views in a database of this session; returns the schemas to add to the search path."""
    there = {
        f"{schema}.{table}"
        for schema, table in connection.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'warehouse'"
        ).fetchall()
    }
    views = {name: view for name, view in live_names(lake).items() if view.name not in there}
    if not views:
        return []
    duck.load_delta(connection)
    connection.execute("ATTACH ':memory:' AS lake")
    schemas = sorted({view.schema for view in views.values()})
    for schema in schemas:
        connection.execute(f"CREATE SCHEMA lake.{quoted(schema)}")
    for name, view in views.items():
        connection.execute(f"CREATE VIEW lake.{view.sql_name} AS FROM delta_scan({literal(lake.path(name))})")
    return [f"lake.{schema}" for schema in schemas]
