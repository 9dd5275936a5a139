"""Rows that follow their parent's by a foreign key, ON DELETE CASCADE and its like.

The storage engine changes them below the log: it holds the parent's row and not theirs (MariaDB, and MySQL before 9.6). What
happened to them cannot be known from the log, only that something may have; then they are read anew.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import pyarrow as pa

from lake.sources.base import OP, TableId
from lake.sources.mysql import stream as log
from lake.sources.mysql.batch import Captured, decoded
from lake.sources.mysql.cells import Unreadable
from lake.sources.mysql.images import DELETED, UPDATED
from lake.sources.mysql.layouts import OPS, Known, Layouts
from lake.sources.mysql.transaction import Entry

_NAME = r"`((?:[^`]|``)+)`"
_RULE = r"(CASCADE|SET NULL|SET DEFAULT|RESTRICT|NO ACTION)"
_FOREIGN = re.compile(
    rf"FOREIGN KEY \([^)]*\) REFERENCES (?:{_NAME}\.)?{_NAME} \(([^)]*)\)(?: ON DELETE {_RULE})?(?: ON UPDATE {_RULE})?"
)
_FOLLOWS = {"CASCADE", "SET NULL", "SET DEFAULT"}


@dataclass(frozen=True)
class Foreign:
    """A foreign key by which rows of `child` follow: the columns of `parent` that it refers to, and upon what they follow."""

    child: TableId
    parent: TableId
    columns: tuple[str, ...]
    on_delete: bool
    on_update: bool


def foreign_keys(child: TableId, definition: str) -> list[Foreign]:
    """Those of a table, from SHOW CREATE TABLE, that change rows."""
    found = []
    for database, parent, columns, delete, update in _FOREIGN.findall(definition):
        names = tuple(name.replace("``", "`") for name in re.findall(_NAME, columns))
        id = (database or child[0]).replace("``", "`"), parent.replace("``", "`")
        found.append(Foreign(child, id, names, delete in _FOLLOWS, update in _FOLLOWS))
    return [key for key in found if key.on_delete or key.on_update]


class Cascades:
    """Tells which tables may have rows that followed an event. `parents` describes the tables that `keys` refer to."""

    def __init__(self, keys: Iterable[Foreign], parents: Mapping[TableId, Captured]) -> None:
        self._children: dict[TableId, set[TableId]] = defaultdict(set)
        referred: dict[tuple[TableId, tuple[str, ...]], list[Foreign]] = defaultdict(list)
        for key in keys:
            self._children[key.parent].add(key.child)
            referred[key.parent, key.columns].append(key)
        self._watched = [_Watched(parents[of], columns, keys) for (of, columns), keys in referred.items() if of in parents]

    def __bool__(self) -> bool:
        return bool(self._watched)

    def announce(self, body: bytes) -> None:
        """Take in a table map event."""
        for watched in self._watched:
            watched.layouts.announce(body)

    def followers(self, event: log.Event) -> set[TableId]:
        """Tables whose rows may have followed those of a rows event, their own followers, and so on."""
        found = {table for watched in self._watched for table in watched.followers(event)}
        todo = list(found)
        while todo:
            more = self._children.get(todo.pop(), set()) - found
            found |= more
            todo += more
        return found


class _Watched:
    """Columns of a parent that foreign keys refer to."""

    def __init__(self, parent: Captured, columns: tuple[str, ...], keys: list[Foreign]) -> None:
        # Decoded for nothing but these columns, as if they were the key: then an update that changes one is a delete, too.
        named = {column.lower() for column in columns}
        schema = pa.schema([field for field in parent.schema if field.name.lower() in named])
        self._parent = replace(parent, key=tuple(schema.names), schema=schema)
        self._upon = {
            DELETED: {key.child for key in keys if key.on_delete},
            UPDATED: {key.child for key in keys if key.on_update},
        }
        self.layouts = Layouts({parent.id: self._parent})

    def followers(self, event: log.Event) -> set[TableId]:
        known, op = self.layouts.announced.get(event.body[:6]), OPS[event.kind]
        tables = self._upon.get(op)
        if known is None or not tables:
            return set()
        return set() if op == UPDATED and known.layout is not None and not self._changes(known, event) else tables

    def _changes(self, known: Known, event: log.Event) -> bool:
        """Whether an update changes one of the columns, or it cannot be told."""
        if not self._parent.key:
            return True
        try:
            entry = Entry(known.table, known.shape(event.kind, event.body), 0, event.timestamp, event.body)
            rows, _ = decoded(self._parent, [entry], 0)
        except (Unreadable, ValueError, IndexError, pa.ArrowException):
            return True
        return "d" in rows.column(OP).to_pylist()
