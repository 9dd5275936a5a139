"""SQL on a clone: a table is the release's until it is first written, and the clone's own from then on."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

import duckdb

from lake.config import Settings
from lake.delta import Lake
from lake.errors import PermanentFailure, TransientFailure, UsageError
from warehouse import changes, course, duck, enums, query
from warehouse.clones import shelf
from warehouse.clones.shelf import Clone
from warehouse.clones.written import written
from warehouse.describe import literal, quoted
from warehouse.errors import nearest, table_names
from warehouse.files import Shelf

OWN, BASE = "warehouse", "base"
_SCHEMAS = ("gold", "silver")
_WRITES = re.compile(r"INSERT|UPDATE|DELETE|MERGE|ALTER|DROP|TRUNCATE|COPY|CREATE|COMMENT", re.IGNORECASE)
_DROPPED = "was dropped in this clone; cartlake undrop brings it back"


class Session:
    """A DuckDB connection to a clone. `execute` runs statements one by one, and makes what they write the clone's own first."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, clone: Clone) -> None:
        self._connection, self._clone = connection, clone

    def execute(self, text: Any, *parameters: Any) -> duckdb.DuckDBPyConnection:
        if not isinstance(text, str) or not _WRITES.search(text):
            return self._connection.execute(text, *parameters)
        result = self._connection
        for statement in duckdb.extract_statements(text):
            verb, name = written(statement.query) or ("", "")
            undo = self._own(verb, name) if name else ""
            try:
                result = self._connection.execute(statement.query, *parameters)
            except duckdb.Error:
                if undo:
                    with suppress(duckdb.Error):  # within a transaction it is undone with that
                        self._connection.execute(undo)
                raise
            if verb in ("drop", "alter"):  # a table that got another name is gone, too
                self._bury(name)
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def restore(self, table: str) -> str:
        """Give a table the release's content again; returns its full name. UsageError when the release has none such."""
        found = self._found(table)
        if found is None or not self._has(BASE, *found):
            near = nearest(table, table_names(self._connection))
            raise UsageError(
                f"release {self._clone.release}, which clone {self._clone.name} stands on, has no table {table}; {near}"
            )
        place, shown = f"{OWN}.{quoted(found[0])}.{quoted(found[1])}", f"{found[0]}.{found[1]}"
        if self._is_buried(*found):
            self._connection.execute(f"DROP VIEW {place}")
        elif self._has(OWN, *found):
            self._connection.execute(f"DROP TABLE {place}")
        else:
            raise UsageError(f"{shown} is as release {self._clone.release} has it; there is nothing to bring back")
        return shown

    def _own(self, verb: str, name: str) -> str:
        """Copy the release's table `name` into the clone, unless it has one or another is meant; the SQL that undoes it."""
        found = self._found(name)
        if found is None:
            return ""
        place = f"{quoted(found[0])}.{quoted(found[1])}"
        if self._is_buried(*found):
            if verb not in ("create", "replace"):
                raise UsageError(f"{found[0]}.{found[1]} {_DROPPED}: cartlake undrop {self._clone.name} {found[0]}.{found[1]}")
            self._connection.execute(f"DROP VIEW {OWN}.{place}")
            return _burial(*found)
        if verb != "replace" and not self._has(OWN, *found) and self._has(BASE, *found):
            selection = enums.as_text(self._connection, f"{BASE}.{place}")
            limit = " LIMIT 0" * (verb == "drop")
            self._connection.execute(f"CREATE TABLE {OWN}.{place} AS SELECT {selection} FROM {BASE}.{place}{limit}")
            self._comment(*found)
            return f"DROP TABLE {OWN}.{place}"
        return ""

    def _bury(self, name: str) -> None:
        """After a DROP: the release's table of that name must not come to light again."""
        found = self._found(name)
        if found is not None and self._has(BASE, *found) and not self._has(OWN, *found):
            self._connection.execute(_burial(*found))

    def _found(self, name: str) -> tuple[str, str] | None:
        """Schema and table, as the release or the clone writes them, of a name in SQL; None of one that neither has."""
        parts = [part.strip('"').replace('""', '"') for part in re.findall(r'"(?:[^"]|"")*"|[^.]+', name)]
        if len(parts) > 3 or (len(parts) == 3 and parts[0].lower() != OWN):
            return None
        schemas = [parts[-2]] if len(parts) > 1 else ["main", *_SCHEMAS]
        there = {(schema.casefold(), table.casefold()): (schema, table) for _, schema, table, _ in self._there()}
        return next((there[place] for schema in schemas if (place := (schema.casefold(), parts[-1].casefold())) in there), None)

    def _has(self, database: str, schema: str, table: str) -> bool:
        return (database, schema, table, "") in self._there()

    def _is_buried(self, schema: str, table: str) -> bool:
        return any(one[:3] == (OWN, schema, table) and _DROPPED in one[3] for one in self._there())

    def _there(self) -> list[tuple[str, str, str, str]]:
        """(Database, schema, name, SQL of a view) of every table and view of the clone and its release."""
        rows = self._connection.execute(
            "SELECT database_name, schema_name, table_name, '' FROM duckdb_tables() UNION ALL "
            "SELECT database_name, schema_name, view_name, sql FROM duckdb_views() WHERE NOT internal"
        ).fetchall()
        return [(row[0], row[1], row[2], row[3]) for row in rows if row[0] in (OWN, BASE)]

    def _comment(self, schema: str, table: str) -> None:
        rows = self._connection.execute(
            "SELECT '', comment FROM duckdb_tables() WHERE database_name = ? AND schema_name = ? AND table_name = ? UNION ALL "
            "SELECT column_name, comment FROM duckdb_columns() WHERE database_name = ? AND schema_name = ? AND table_name = ?",
            [BASE, schema, table] * 2,
        ).fetchall()
        place = f"{OWN}.{quoted(schema)}.{quoted(table)}"
        for column, comment in rows:
            what = f"COLUMN {place}.{quoted(column)}" if column else f"TABLE {place}"
            if comment:
                self._connection.execute(f"COMMENT ON {what} IS {literal(comment)}")


def _burial(schema: str, table: str) -> str:
    """A view in the place of a table that was dropped, which says so."""
    told = literal(f"{schema}.{table} {_DROPPED}")
    return f"CREATE VIEW {OWN}.{quoted(schema)}.{quoted(table)} AS SELECT error({told}) AS dropped"


@contextmanager
def connect(settings: Settings, name: str, *, live: bool = True) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to clone `name`, for writing; with `live` the views on the lake too, as in `query.connect`.

    UsageError when there is no such clone; TransientFailure while another process has it open.
    """
    clone = shelf.choose(settings, name)
    engine = settings.engine
    with duck.open_database(None, memory=engine.memory, threads=engine.cores) as connection:
        base = Shelf.of(settings).file(clone.release)
        if not base.exists():
            raise PermanentFailure(f"clone {name} stands on release {clone.release}, and {base} is gone; drop the clone")
        try:
            connection.execute(f"ATTACH {literal(str(clone.database))} AS {OWN}")
        except duckdb.IOException as error:
            if "lock" not in str(error).lower():
                raise PermanentFailure(f"clone {name} cannot be opened: {' '.join(str(error).split())}") from error
            holder = re.search(r"PID (\d+)", str(error))
            by = f"process {holder[1]}" if holder else "another process"
            raise TransientFailure(f"clone {name} is open in {by}; one at a time can have it") from error
        connection.execute(f"ATTACH {literal(str(base))} AS {BASE} (READ_ONLY)")
        for schema in _SCHEMAS:  # somebody may have dropped one
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {OWN}.{schema}")
        mine = [f"{OWN}.main", *(f"{OWN}.{schema}" for schema in _SCHEMAS)]
        theirs = [f"{BASE}.{schema}" for schema in ("main", *_SCHEMAS, "meta")]
        beside = query.live_views(connection, Lake(settings.lake_root), BASE) if live else []
        beside.append(changes.add(connection, settings, clone.release, database=BASE))
        # The course's views of the release read the release's tables: here they are made anew, to read the clone's.
        connection.execute(f"SET search_path = {literal(','.join(['memory.main', *mine, *theirs]))}")
        course.make_views(connection, "memory.main")
        # What is created without a schema goes to the first.
        connection.execute(f"SET search_path = {literal(','.join([*mine, 'memory.main', *theirs, *beside]))}")
        yield cast(duckdb.DuckDBPyConnection, Session(connection, clone))


def listed(clone: Clone) -> dict[str, Any]:
    """A clone as a row for people: the tables that are its own, and the bytes that it takes for them."""
    try:
        with duckdb.connect(str(clone.database), read_only=True) as connection:
            rows = connection.execute("SELECT schema_name || '.' || table_name FROM duckdb_tables() ORDER BY 1").fetchall()
        own = ", ".join(row[0].removeprefix("main.") for row in rows)
    except duckdb.IOException:  # somebody is writing to it
        own = "(in use)"
    size = sum(file.stat().st_size for file in clone.folder.glob("warehouse.duckdb*") if file.is_file())
    return {"clone": clone.name, "release": clone.release, "made": clone.made_at, "own_tables": own, "own_bytes": size}


def restore(settings: Settings, name: str, table: str) -> str:
    """`Session.restore` on clone `name`."""
    with connect(settings, name, live=False) as session:
        return cast(Session, session).restore(table)
