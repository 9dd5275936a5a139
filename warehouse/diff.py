"""What differs between two releases: how many rows of each table, and which."""

from dataclasses import dataclass
from typing import Any

import duckdb

from lake.config import Settings
from lake.errors import UsageError
from warehouse import compare, duck
from warehouse.compare import State, Words
from warehouse.describe import Published, literal
from warehouse.errors import nearest, translated
from warehouse.files import Shelf
from warehouse.plan import Held
from warehouse.release import choose, read_held, read_keys

_OLD, _NEW = "old", "new"
_WORDS = Words("change", "added", "removed", "before", "after")


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


@dataclass(frozen=True)
class _Side:
    """What one release holds."""

    database: str
    held: dict[str, Held]
    keys: dict[str, list[str]]

    def state(self, name: str) -> State | None:
        if name not in self.held:
            return None
        source = f"{self.database}.{Published(name).sql_name}"
        return State(source, self.held[name].columns, tuple(self.keys.get(name, ())))


def diff(settings: Settings, old: int, new: int) -> list[Difference]:
    """Every table of either release that differs. UsageError for a release that is not kept, or for the same one twice."""
    with _opened(settings, old, new) as connection:
        before, after = _side(connection, _OLD), _side(connection, _NEW)
        found = [_difference(connection, name, before, after) for name in sorted({*before.held, *after.held})]
    return [one for one in found if one.added or one.removed or one.changed or one.columns]


def diff_rows(settings: Settings, old: int, new: int, table: str, limit: int) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Columns and at most `limit` rows of what differs in one table, in order of its key.

    Column `change` says added, removed, or, for a changed row, before and after. Only columns that both releases have are shown.
    """
    with _opened(settings, old, new) as connection, translated(connection):
        before, after = _side(connection, _OLD), _side(connection, _NEW)
        there = sorted({*before.held, *after.held})
        name = compare.find(table, there)
        if name is None:
            raise UsageError(f"neither release {old} nor {new} has a table {table}; {nearest(table, there)}")
        one, other = before.state(name), after.state(name)
        columns = compare.shared(one, other) if one and other else []
        cursor = connection.execute(compare.rows(one, other, columns, _WORDS, limit))
        return [column[0] for column in cursor.description or []], cursor.fetchall()


def _opened(settings: Settings, old: int, new: int) -> duckdb.DuckDBPyConnection:
    """Both releases, attached read-only."""
    if old == new:
        raise UsageError(f"release {old} is the same as itself; name two releases, such as those of: cartlake releases")
    files = {name: Shelf.of(settings).file(choose(settings, number).number) for name, number in ((_OLD, old), (_NEW, new))}
    connection = duck.open_database(None, memory=settings.engine.memory, threads=settings.engine.cores)
    for name, file in files.items():
        connection.execute(f"ATTACH {literal(str(file))} AS {name} (READ_ONLY)")
    return connection


def _side(connection: duckdb.DuckDBPyConnection, database: str) -> _Side:
    connection.execute(f"USE {database}")
    return _Side(database, read_held(connection), read_keys(connection))


def _difference(connection: duckdb.DuckDBPyConnection, name: str, before: _Side, after: _Side) -> Difference:
    old, new = before.state(name), after.state(name)
    if old is None or new is None:
        return Difference(name, after.held[name].rows if new else 0, before.held[name].rows if old else 0, 0)
    then, now = before.held[name], after.held[name]
    if (then.version, then.commit) == (now.version, now.commit):
        return Difference(name, 0, 0, 0)
    added, removed, changed = connection.execute(compare.counts(old, new, compare.shared(old, new))).fetchall()[0]
    return Difference(name, added, removed, changed, tuple(_one_sided(old, new)))


def _one_sided(old: State, new: State) -> list[str]:
    then, now = dict(old.columns), dict(new.columns)
    return [f"+{name}" for name in now if name not in then] + [f"-{name}" for name in then if name not in now]
