"""What the warehouse holds, for people: its tables, and the columns of one."""

from typing import Any

import duckdb

from lake.config import Settings
from warehouse import query
from warehouse.describe import Published, quoted
from warehouse.enums import plain
from warehouse.errors import translated
from warehouse.release import read_keys


def tables(settings: Settings, release: int | None = None) -> list[dict[str, Any]]:
    """A row for each table of a release: name, rows, grain, first line of what it is."""
    with query.connect(settings, release=release, live=False) as connection:
        rows = connection.execute(
            'SELECT t."table", r.rows, t.grain, split_part(t.doc, chr(10), 1) FROM meta.tables t JOIN meta.release_tables r '
            'ON r."table" = t."table" AND r.release = (SELECT max(release) FROM meta.releases) ORDER BY 1'
        ).fetchall()
    return [dict(zip(("table", "rows", "grain", "about"), row, strict=True)) for row in rows]


def columns(settings: Settings, table: str, release: int | None = None) -> list[dict[str, Any]]:
    """A row for each column of a table, or of a live view of the lake: name, type, place in the key, comment.

    UsageError names the nearest tables when there is none of that name.
    """
    name = ".".join(quoted(part) for part in table.replace('"', "").split("."))
    # Live views cost a fraction of a second: only for what the release does not hold.
    with query.connect(settings, release=release, live=False) as connection:
        if _is_there(connection, name):
            return _columns(connection, name, table)
    with query.connect(settings, release=release) as connection, translated(connection):
        return _columns(connection, name, table)


def _is_there(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    try:
        connection.execute(f"DESCRIBE {name}")
    except duckdb.CatalogException:
        return False
    return True


def _columns(connection: duckdb.DuckDBPyConnection, name: str, table: str) -> list[dict[str, Any]]:
    found = connection.execute(f"DESCRIBE {name}").fetchall()
    schema, _, bare = table.replace('"', "").rpartition(".")
    where = "lower(table_name) = lower(?) AND lower(schema_name) = lower(?) AND database_name = 'warehouse'"
    layers = [schema.rpartition(".")[2]] if schema else ["main", "gold", "silver", "meta"]
    comments: dict[str, str] = {}
    keys: dict[str, int] = {}
    for layer in layers:  # the first layer that has it is the one that DuckDB finds
        there = connection.execute(f"SELECT column_name, comment FROM duckdb_columns() WHERE {where}", [bare, layer]).fetchall()
        if there:
            comments = {column: comment for column, comment in there if comment}
            for name_in_lake, key in read_keys(connection).items():
                if Published(name_in_lake).sql_name.casefold() == Published(f"{layer}.{bare}").sql_name.casefold():
                    keys = {column: place for place, column in enumerate(key, 1)}
            break
    return [
        {"column": column, "type": plain(kind), "key": keys.get(column, ""), "about": comments.get(column, "")}
        for column, kind in (row[:2] for row in found)
    ]
