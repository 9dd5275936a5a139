"""The `meta` schema of a release file: which releases there were, what each table came from, keys, comments."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from lake.config import Settings
from lake.errors import UsageError
from warehouse.describe import Pinned, Published, literal, quoted
from warehouse.files import Shelf
from warehouse.load import columns_of
from warehouse.plan import Held

_META = {
    "releases": (
        "Every release, oldest first; `cartlake releases` lists those that can still be read.",
        {
            "release": ("INTEGER", "number of the release"),
            "published_at": ("TIMESTAMPTZ", "when it was made"),
            "run": ("VARCHAR", "the run that made it; null when it was made by hand"),
            "tables": ("INTEGER", "tables in it"),
            "rows": ("BIGINT", "rows of all its tables"),
            "whole": ("BOOLEAN", "whether every table was loaded anew"),
            "file_bytes": ("BIGINT", "size of the file when it was made"),
        },
    ),
    "release_tables": (
        "The Delta version of every table in every release.",
        {
            "release": ("INTEGER", "number of the release"),
            "table": ("VARCHAR", "name of the table, here and in the lake"),
            "delta_version": ("BIGINT", "version of the Delta table"),
            "delta_commit": ("VARCHAR", "hash of the commit that made the version"),
            "rows": ("BIGINT", "rows of the table"),
        },
    ),
    "tables": (
        "What each table of this release is.",
        {
            "table": ("VARCHAR", "name of the table"),
            "grain": ("VARCHAR", "what one row stands for"),
            "doc": ("VARCHAR", "what the table is"),
        },
    ),
    "keys": (
        "The columns whose values are unique together; checked before each release.",
        {
            "table": ("VARCHAR", "name of the table"),
            "position": ("INTEGER", "place in the key, from 1"),
            "column": ("VARCHAR", "name of the column"),
        },
    ),
}


@dataclass(frozen=True)
class Release:
    number: int
    at: datetime
    run: str | None
    tables: int
    rows: int
    whole: bool
    file_bytes: int


def releases(settings: Settings) -> list[Release]:
    """The releases that are kept, oldest first."""
    shelf = Shelf.of(settings)
    kept = shelf.numbers()
    return [release for release in recorded(shelf.file(kept[-1])) if release.number in kept] if kept else []


def choose(settings: Settings, number: int | None = None, as_of: datetime | None = None) -> Release:
    """A kept release: by number, by the time at which it was the newest, or the newest. UsageError names what there is.

    A time without a zone is UTC.
    """
    kept = releases(settings)
    if not kept:
        raise UsageError("the warehouse has no release yet; make one: cartlake run publish")
    if number is not None and as_of is not None:
        raise UsageError("say one of a release and a time, not both")
    found = kept[-1:]
    asked = "the newest release"
    if number is not None:
        found, asked = [release for release in kept if release.number == number], f"release {number}"
    elif as_of is not None:
        as_of = as_of.replace(tzinfo=UTC) if as_of.tzinfo is None else as_of
        found, asked = [release for release in kept if release.at <= as_of], f"a release of {as_of:%Y-%m-%d %H:%M:%S %Z}"
    if not found:
        there = ", ".join(f"{release.number} ({release.at:%Y-%m-%d %H:%M:%S} UTC)" for release in kept)
        raise UsageError(f"{asked} is not kept; there are: {there}")
    return found[-1]


def recorded(file: Path) -> list[Release]:
    """All releases that a file knows of, oldest first, whether kept or not."""
    with duckdb.connect(str(file), read_only=True) as connection:
        return read_releases(connection)


def read_releases(connection: duckdb.DuckDBPyConnection) -> list[Release]:
    columns = ", ".join(quoted(column) for column in _META["releases"][1])
    rows = connection.execute(
        f"SELECT * REPLACE (epoch_us(published_at) AS published_at) FROM (SELECT {columns} FROM meta.releases) ORDER BY release"
    ).fetchall()
    return [Release(row[0], datetime.fromtimestamp(row[1] / 1e6, UTC), *row[2:]) for row in rows]


def read_held(connection: duckdb.DuckDBPyConnection) -> dict[str, Held]:
    """The tables of the file's last release."""
    rows = connection.execute(
        'SELECT "table", delta_version, delta_commit, rows FROM meta.release_tables '
        "WHERE release = (SELECT max(release) FROM meta.releases)"
    ).fetchall()
    return {row[0]: Held(row[1], row[2], row[3], columns_of(connection, Published(row[0]).sql_name)) for row in rows}


def read_keys(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """Table -> the columns of its key, in order."""
    rows = connection.execute('SELECT "table", list("column" ORDER BY position) FROM meta.keys GROUP BY 1').fetchall()
    return dict(rows)


def prepare(connection: duckdb.DuckDBPyConnection, schemas: Iterable[str]) -> None:
    """Make the schemas and the empty meta tables where they are not there."""
    for schema in sorted({"gold", "silver", "meta", *schemas}):
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
    for name, (_, columns) in _META.items():
        definition = ", ".join(f"{quoted(column)} {kind}" for column, (kind, _) in columns.items())
        connection.execute(f"CREATE TABLE IF NOT EXISTS meta.{name} ({definition})")


def copy_history(connection: duckdb.DuckDBPyConnection) -> None:
    """Take over what the attached file `previous` knows of earlier releases."""
    for name in ("releases", "release_tables"):
        connection.execute(f"INSERT INTO meta.{name} BY NAME FROM previous.meta.{name}")


def record(
    connection: duckdb.DuckDBPyConnection,
    pins: Sequence[Pinned],
    rows: Mapping[str, int],
    number: int,
    run: str | None,
    whole: bool,
) -> None:
    """Write the release and what its tables are. `file_bytes` is set by `record_size`."""
    connection.execute(
        "INSERT INTO meta.releases "
        "SELECT ?, greatest(now(), (SELECT max(published_at) + INTERVAL 1 microsecond FROM meta.releases)), ?, ?, ?, ?, 0",
        [number, run, len(pins), sum(rows.values()), whole],
    )
    connection.execute("DELETE FROM meta.tables; DELETE FROM meta.keys")
    for pin in pins:
        table = pin.table
        connection.execute(
            "INSERT INTO meta.release_tables VALUES (?, ?, ?, ?, ?)",
            [number, table.name, pin.version, pin.commit, rows[table.name]],
        )
        connection.execute("INSERT INTO meta.tables VALUES (?, ?, ?)", [table.name, table.grain, table.doc])
        for position, column in enumerate(table.key, 1):
            connection.execute("INSERT INTO meta.keys VALUES (?, ?, ?)", [table.name, position, column])
    _comment(connection, [pin.table for pin in pins])


def record_rollback(connection: duckdb.DuckDBPyConnection, chosen: Release, number: int, run: str | None) -> None:
    """Note in a copy of release `chosen` that it is now `number`; the attached file `previous` knows of those between."""
    held = connection.execute(
        'SELECT "table", delta_version, delta_commit, rows FROM meta.release_tables WHERE release = ?', [chosen.number]
    ).fetchall()
    connection.execute("DELETE FROM meta.releases; DELETE FROM meta.release_tables")
    copy_history(connection)
    connection.execute(
        "INSERT INTO meta.releases "
        "SELECT ?, greatest(now(), (SELECT max(published_at) + INTERVAL 1 microsecond FROM meta.releases)), ?, ?, ?, false, ?",
        [number, run, chosen.tables, chosen.rows, chosen.file_bytes],
    )
    connection.executemany("INSERT INTO meta.release_tables VALUES (?, ?, ?, ?, ?)", [[number, *row] for row in held])


def record_size(connection: duckdb.DuckDBPyConnection, number: int, size: int) -> None:
    connection.execute("UPDATE meta.releases SET file_bytes = ? WHERE release = ?", [size, number])


def _comment(connection: duckdb.DuckDBPyConnection, tables: Iterable[Published]) -> None:
    """Comments from docstrings and column docs; only those that differ are written."""
    wanted: dict[tuple[str, str, str], str] = {}
    for table in tables:
        wanted[table.schema, table.table, ""] = "\n".join(
            part for part in (table.doc.strip(), f"Grain: {table.grain}." * bool(table.grain)) if part
        )
        wanted.update({(table.schema, table.table, column): text for column, text in table.comments.items()})
    for name, (text, columns) in _META.items():
        wanted["meta", name, ""] = text
        wanted.update({("meta", name, column): about for column, (_, about) in columns.items()})
    here = "WHERE database_name = current_database() AND NOT internal"
    there = connection.execute(
        f"SELECT schema_name, table_name, '', comment FROM duckdb_tables() {here} UNION ALL "
        f"SELECT schema_name, table_name, column_name, comment FROM duckdb_columns() {here}"
    ).fetchall()
    for schema, name, column, comment in there:
        text = wanted.get((schema, name, column), "")
        if text != (comment or ""):
            target = (
                f"COLUMN {quoted(schema)}.{quoted(name)}.{quoted(column)}" if column else f"TABLE {quoted(schema)}.{quoted(name)}"
            )
            connection.execute(f"COMMENT ON {target} IS {literal(text) if text else 'NULL'}")
