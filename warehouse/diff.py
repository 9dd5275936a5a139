"""What differs between two releases: how many rows of each table, and which."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from lake.config import Settings
from lake.errors import UsageError
from warehouse import duck
from warehouse.describe import Published, literal, quoted
from warehouse.errors import nearest, translated
from warehouse.files import Shelf
from warehouse.load import Columns
from warehouse.plan import Held
from warehouse.release import choose, read_held, read_keys

_OLD, _NEW = "old", "new"
# Columns of our own beside a table's; no table of the lake begins a column so.
_THERE, _COMPARED, _SIDE = "__there", "__compared", "__side"


@dataclass(frozen=True)
class Difference:
    """Rows of a table that only the later release has, that only the earlier has, and that have other values under the same key.

    A table without a key has no changed rows: one with another value is removed and added. `columns` names those that only one
    of the two has, as +name and -name; their values are not compared.
    """

    table: str
    added: int
    removed: int
    changed: int
    columns: tuple[str, ...] = ()


def diff(settings: Settings, old: int, new: int) -> list[Difference]:
    """Every table of either release that differs. UsageError for a release that is not kept, or for the same one twice."""
    with _opened(settings, old, new) as connection:
        before, after = _held(connection, _OLD), _held(connection, _NEW)
        found = [_difference(connection, name, before.get(name), after.get(name)) for name in sorted({*before, *after})]
    return [one for one in found if one.added or one.removed or one.changed or one.columns]


def diff_rows(settings: Settings, old: int, new: int, table: str, limit: int) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Columns and at most `limit` rows of what differs in one table, in order of its key.

    Column `change` says added, removed, or, for a changed row, before and after. Only columns that both releases have are shown.
    """
    with _opened(settings, old, new) as connection, translated(connection):
        before, after = _held(connection, _OLD), _held(connection, _NEW)
        there = sorted({*before, *after})
        name = next((one for one in there if table in _names(one)), None)
        if name is None:
            raise UsageError(f"neither release {old} nor {new} has a table {table}; {nearest(table, there)}")
        return _rows(connection, name, before.get(name), after.get(name), limit)


def _opened(settings: Settings, old: int, new: int) -> duckdb.DuckDBPyConnection:
    """Both releases, attached read-only."""
    if old == new:
        raise UsageError(f"release {old} is the same as itself; name two releases, such as those of: cartlake releases")
    files = {name: Shelf.of(settings).file(choose(settings, number).number) for name, number in ((_OLD, old), (_NEW, new))}
    connection = duck.open_database(None, memory=settings.engine.memory, threads=settings.engine.cores)
    for name, file in files.items():
        connection.execute(f"ATTACH {literal(str(file))} AS {name} (READ_ONLY)")
    return connection


def _held(connection: duckdb.DuckDBPyConnection, database: str) -> dict[str, Held]:
    connection.execute(f"USE {database}")
    return read_held(connection)


def _difference(connection: duckdb.DuckDBPyConnection, name: str, before: Held | None, after: Held | None) -> Difference:
    if before is None or after is None:
        return Difference(name, added=after.rows if after else 0, removed=before.rows if before else 0, changed=0)
    if (before.version, before.commit) == (after.version, after.commit):
        return Difference(name, 0, 0, 0)
    columns = tuple(_one_sided(before.columns, after.columns))
    shared, key = _shared(before.columns, after.columns), _key(connection, name, before, after)
    if not key:
        added, removed = (
            connection.execute(f"SELECT count(*) FROM ({_only(name, shared, one, other)})").fetchall()[0][0]
            for one, other in ((_NEW, _OLD), (_OLD, _NEW))
        )
        return Difference(name, added, removed, 0, columns)
    added, removed, changed = connection.execute(
        f"SELECT count(*) FILTER (o.{_THERE} IS NULL), count(*) FILTER (n.{_THERE} IS NULL), "
        f"count(*) FILTER (o.{_THERE} AND n.{_THERE} AND o.{_COMPARED} IS DISTINCT FROM n.{_COMPARED}) "
        f"FROM {_joined(name, key, shared)}"
    ).fetchall()[0]
    return Difference(name, added, removed, changed, columns)


def _rows(
    connection: duckdb.DuckDBPyConnection, name: str, before: Held | None, after: Held | None, limit: int
) -> tuple[list[str], list[tuple[Any, ...]]]:
    one = before or after
    assert one is not None
    if before is None or after is None:
        database, change = (_NEW, "added") if before is None else (_OLD, "removed")
        sql = f"SELECT '{change}' AS change, * FROM {_source(database, name)} ORDER BY ALL LIMIT {limit}"
    else:
        shared, key = _shared(before.columns, after.columns), _key(connection, name, before, after)
        names = ", ".join(quoted(column) for column, _ in shared)
        if key:
            order = ", ".join(quoted(column) for column in key)
            joined, differ = _joined(name, key, shared), f"o.{_COMPARED} IS DISTINCT FROM n.{_COMPARED}"
            sql = f"""
                SELECT change, {names} FROM (
                    SELECT CASE WHEN n.{_THERE} THEN 'before' ELSE 'removed' END AS change, 0 AS {_SIDE}, o.*
                    FROM {joined} WHERE o.{_THERE} AND (n.{_THERE} IS NULL OR {differ})
                    UNION ALL
                    SELECT CASE WHEN o.{_THERE} THEN 'after' ELSE 'added' END, 1, n.*
                    FROM {joined} WHERE n.{_THERE} AND (o.{_THERE} IS NULL OR {differ})
                ) ORDER BY {order}, {_SIDE} LIMIT {limit}"""
        else:
            gone, new = _only(name, shared, _OLD, _NEW), _only(name, shared, _NEW, _OLD)
            sql = (
                f"SELECT 'removed' AS change, * FROM ({gone}) UNION ALL SELECT 'added', * FROM ({new}) "
                f"ORDER BY {names} LIMIT {limit}"
            )
    cursor = connection.execute(sql)
    return [column[0] for column in cursor.description or []], cursor.fetchall()


def _names(name: str) -> tuple[str, ...]:
    """What a table may be called: its name in the lake or in SQL, with its layer or without."""
    table = Published(name)
    return name, name.partition(".")[2], f"{table.schema}.{table.table}", table.table


def _joined(name: str, key: Sequence[str], shared: Columns) -> str:
    """Both sides row by row under the same key; _THERE is null where a side has no row, _COMPARED the values as one."""
    names = ", ".join(quoted(column) for column, _ in shared)
    values = ", ".join(_value(column, kind) for column, kind in shared)
    sides = (
        f"(SELECT {names}, row({values}) AS {_COMPARED}, true AS {_THERE} FROM {_source(side, name)})" for side in (_OLD, _NEW)
    )
    same = " AND ".join(f"o.{quoted(column)} IS NOT DISTINCT FROM n.{quoted(column)}" for column in key)
    return "{} o FULL JOIN {} n ON {}".format(*sides, same)


def _only(name: str, shared: Columns, one: str, other: str) -> str:
    """Rows that one side has more often than the other."""
    values = ", ".join(f"{_value(column, kind)} AS {quoted(column)}" for column, kind in shared)
    return f"SELECT {values} FROM {_source(one, name)} EXCEPT ALL SELECT {values} FROM {_source(other, name)}"


def _source(database: str, name: str) -> str:
    return f"{database}.{Published(name).sql_name}"


def _value(column: str, kind: str) -> str:
    return quoted(column) if kind else f"{quoted(column)}::VARCHAR"


def _shared(before: Columns, after: Columns) -> Columns:
    """The columns of both; those whose type changed have no type, and are compared as text."""
    then = dict(before)
    return tuple((name, kind if then[name] == kind else "") for name, kind in after if name in then)


def _one_sided(before: Columns, after: Columns) -> list[str]:
    then, now = dict(before), dict(after)
    return [f"+{name}" for name in now if name not in then] + [f"-{name}" for name in then if name not in now]


def _key(connection: duckdb.DuckDBPyConnection, name: str, before: Held, after: Held) -> list[str]:
    """The later release's key, where the earlier one's table has the same; else nothing."""
    keys = []
    for database in (_OLD, _NEW):
        connection.execute(f"USE {database}")
        keys.append(read_keys(connection).get(name, []))
    return keys[1] if keys[0] == keys[1] and set(keys[1]) <= dict(before.columns).keys() & dict(after.columns).keys() else []
