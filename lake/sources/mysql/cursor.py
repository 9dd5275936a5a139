"""MySQL and MariaDB without a binary log: a table is followed by a column that grows with every insert and update, its cursor.

Each time the rows are read whose cursor is at least the highest one seen less `look_back` (a number has no such window: only
equal values are read again). So late commits within the window are seen; its rows that have not changed since are known by their
hashes and not given again. Every `compare_keys` all keys are compared with those in the lake: that finds deletes, and rows
that came later than the window. An update that leaves the cursor alone is not seen.

A position is `{"tables": {name: {order, seen, compared, window}}}`: the last `_order` given, the highest cursor as text, when
keys were compared, and the hashes of the window's rows.
"""

import base64
import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lake import config
from lake.sources.base import OP, ORDER, SOURCE_TS, TIMESTAMP, Batch, Change, Difference, Mark, Position, Table, TableId
from lake.sources.mysql.reader import MySQL
from lake.sources.mysql.snapshot import Ranges
from lake.sources.mysql.types import quote

logger = logging.getLogger(__name__)

_FIRST_ORDER = 1 << 32  # a snapshot's chunks come before
_TEMPORAL = frozenset({"date", "datetime", "timestamp"})
_GROWING = _TEMPORAL | {"tinyint", "smallint", "mediumint", "int", "bigint", "decimal"}
# 16 bytes each, in one fact of meta.positions. A busier window is read and given again as a whole.
_WINDOW_ROWS = 10_000
_HASH = 8
_PART = "_part"


class MySQLCursor(MySQL):
    """One server, followed by cursors."""

    def __init__(self, source: config.Source, url: str, limits: config.Capture, difference: Difference | None) -> None:
        super().__init__(source, url, limits)
        self._difference = difference

    def _table(self, table: TableId, key: tuple[str, ...], count: int) -> Table:
        found = replace(super()._table(table, key, count), follow="cursor")
        return found if found.error or not key else replace(found, error=self._unfit(table))

    def _unfit(self, table: TableId) -> str:
        """Why the table cannot be followed, empty if it can."""
        names = ", ".join(self._source.cursor) or "none"
        column = self._cursor(table)
        if not column:
            return f"it has no cursor column ({names}); name one under cursor of the source, or leave the table out by `tables`"
        kind = next(c.data_type for c in self._columns[table] if c.name == column)
        return "" if kind in _GROWING else f"its cursor {column} is of the type {kind}; expected a number or a time"

    def _cursor(self, table: TableId) -> str:
        """The first of the source's cursor columns that the table has."""
        named = {column.name.lower(): column.name for column in self._columns[table]}
        return next((named[name.lower()] for name in self._source.cursor if name.lower() in named), "")

    def position(self) -> Position:
        now = datetime.now(UTC).isoformat()
        followed = [table for table in self._tables.values() if table.mode == "cursor" and not table.error]
        states = {t.name: {"order": _FIRST_ORDER, "seen": self._highest(t), "compared": now, "window": ""} for t in followed}
        return {"tables": states}

    def probe(self, position: Position) -> None:
        """There is no log that could be missing."""

    def later(self, one: Position, other: Position) -> Position:
        tables = dict(one["tables"])
        for name, state in other["tables"].items():
            if name not in tables or state["order"] >= tables[name]["order"]:
                tables[name] = state
        return {"tables": tables}

    def changes(self, since: Mapping[TableId, Position]) -> Iterator[Change]:
        ends: dict[str, Any] = {}
        for id, position in since.items():
            table = self._tables[id]
            follow = _Follow(self, table, position["tables"][table.name], ends)
            yield from follow.window()
            yield from follow.comparison()
        if ends:
            yield Mark({"tables": dict(sorted(ends.items()))})

    def _highest(self, table: Table) -> str | None:
        found = self._rows(f"SELECT CAST(MAX({quote(self._cursor(table.id))}) AS CHAR) FROM {'.'.join(map(quote, table.id))}")
        return found[0][0]  # type: ignore[no-any-return]

    def _chunks(self, table: Table, key: tuple[str, ...], where: str = "", columns: tuple[str, ...] = ()) -> Iterator[Batch]:
        """Rows of the table by ranges of these columns, perhaps only some columns of them."""
        wanted = [
            (c, m)
            for c, m in zip(self._columns[table.id], self._mapped(table.id), strict=True)
            if not columns or c.name in columns
        ]
        schema = pa.schema([table.schema.field(column.name) for column, _ in wanted])
        view = replace(table, key=key, schema=schema)
        ranges = Ranges(self._server, self._connection, view, [c for c, _ in wanted], [m for _, m in wanted], self._zone, where)
        return ranges.chunks(None, self._batch_rows)


class _Follow:
    """One table in one capture: first what its cursor shows, then, when it is due, what the comparison of keys does."""

    def __init__(self, reader: MySQLCursor, table: Table, state: Mapping[str, Any], ends: dict[str, Any]) -> None:
        self._reader, self._table, self._state, self._ends = reader, table, dict(state), ends
        self._column = reader._cursor(table.id)
        self._kind = next(c.data_type for c in reader._columns[table.id] if c.name == self._column)
        ends[table.name] = self._state

    def window(self) -> Iterator[Batch]:
        highest = self._reader._highest(self._table)
        if highest is None:
            return
        name, seen = quote(self._column), self._state["seen"]
        where = f"{name} <= {self._literal(highest)}"
        if seen is not None:
            where += f" AND {name} >= {self._from(seen)}"
        known, hashes = _unpacked(self._state["window"]), _Window(self._look_back)
        key = (self._column, *(column for column in self._table.key if column != self._column))
        for chunk in self._reader._chunks(self._table, key, where):
            rows = chunk.rows
            digests = _digests(rows, self._table.key)
            fresh = [known.get(one) != other for one, other in digests]
            hashes.add(rows.column(self._column), digests)
            if any(fresh):
                # Without hashes of the window: those of one batch are not all, and a later one brings them.
                yield self._batch(rows.filter(pa.array(fresh)), "u", {"window": ""})
        self._state.update(seen=highest, window=hashes.packed(self._table.name))

    def comparison(self) -> Iterator[Batch]:
        now = datetime.now(UTC)
        due = datetime.fromisoformat(self._state["compared"]) + self._reader._source.compare_keys
        if self._reader._difference is None or now < due:
            return
        gone, lacking = self._reader._difference(self._table, self._keys())
        logger.info("%s: keys compared: %d deleted, %d missed", self._table.name, gone.num_rows, lacking.num_rows)
        for part in _slices(gone, self._reader._batch_rows):
            columns = [
                part.column(f.name) if f.name in part.column_names else pa.nulls(part.num_rows, f.type)
                for f in self._table.schema
            ]
            yield self._batch(_with_own(pa.table(columns, schema=self._table.schema)), "d", {"window": ""})
        if lacking.num_rows:
            yield from self._missed(lacking)
        self._state.update(compared=now.isoformat())

    def _missed(self, lacking: pa.Table) -> Iterator[Batch]:
        parts = set(lacking.column(_PART).to_pylist())
        missed = {tuple(row.values()) for row in lacking.drop_columns([_PART]).to_pylist()}
        for number, chunk in enumerate(self._reader._chunks(self._table, self._table.key)):
            if number in parts:
                rows = chunk.rows.select(list(self._table.key)).to_pylist()
                found = [tuple(row.values()) in missed for row in rows]
                if any(found):
                    yield self._batch(chunk.rows.filter(pa.array(found)), "c", {"window": ""})

    def _keys(self) -> Iterator[pa.Table]:
        key = self._table.key
        for number, chunk in enumerate(self._reader._chunks(self._table, key, columns=key)):
            rows = chunk.rows.select(list(key))
            yield rows.append_column(_PART, pa.repeat(pa.scalar(number, pa.int64()), rows.num_rows))

    def _batch(self, rows: pa.Table, op: str, state: Mapping[str, Any]) -> Batch:
        first = self._state["order"] + 1
        self._state["order"] += rows.num_rows
        orders = pa.array(range(first, first + rows.num_rows), pa.int64())
        rows = rows.set_column(rows.column_names.index(OP), OP, pa.repeat(pa.scalar(op), rows.num_rows))
        rows = rows.set_column(rows.column_names.index(ORDER), ORDER, orders)
        return Batch(self._table.id, rows, {"tables": {self._table.name: {**self._state, **state}}})

    @property
    def _look_back(self) -> timedelta | None:
        return self._reader._source.look_back if self._kind in _TEMPORAL else None

    def _literal(self, text: str) -> str:
        return f"CAST('{text}' AS DATETIME(6))" if self._kind in _TEMPORAL else text

    def _from(self, seen: str) -> str:
        back = self._look_back
        return self._literal(seen) + (f" - INTERVAL {back // timedelta(microseconds=1)} MICROSECOND" if back else "")


class _Window:
    """Hashes of the rows that the next capture reads again."""

    def __init__(self, look_back: timedelta | None) -> None:
        self._look_back = look_back
        self._rows: list[tuple[Any, bytes, bytes]] = []

    def add(self, cursors: pa.ChunkedArray, digests: Iterable[tuple[bytes, bytes]]) -> None:
        if not len(cursors):
            return
        # In the order of the cursor from chunk to chunk, so what falls out of the window now never comes back into it.
        self._rows += [(cursor, *pair) for cursor, pair in zip(cursors.to_pylist(), digests, strict=True)]
        self._rows = [row for row in self._rows if row[0] >= self._first(pc.max(cursors).as_py())]

    def _first(self, highest: Any) -> Any:
        if self._look_back is None:
            return highest
        # A day more for a DATE, whose window begins within a day.
        try:
            return highest - self._look_back - timedelta(days=type(highest) is date)
        except OverflowError:
            return highest

    def packed(self, name: str) -> str:
        if len(self._rows) > _WINDOW_ROWS:
            logger.info("%s: %d rows in its look-back window: they are given again next time", name, len(self._rows))
            return ""
        return base64.b64encode(b"".join(one + other for _, one, other in sorted(self._rows, key=lambda row: row[1]))).decode()


def _unpacked(window: str) -> dict[bytes, bytes]:
    data = base64.b64decode(window)
    return {data[at : at + _HASH]: data[at + _HASH : at + 2 * _HASH] for at in range(0, len(data), 2 * _HASH)}


def _digests(rows: pa.Table, key: tuple[str, ...]) -> list[tuple[bytes, bytes]]:
    """(hash of the key, hash of the row without what a reader adds) of each row."""
    plain = rows.drop_columns([name for name in rows.column_names if name in (OP, ORDER)]).to_pylist()
    return [(_hash([row[column] for column in key]), _hash(list(row.values()))) for row in plain]


def _hash(values: list[Any]) -> bytes:
    return hashlib.blake2b(repr(values).encode(), digest_size=_HASH).digest()


def _slices(rows: pa.Table, size: int) -> Iterator[pa.Table]:
    for at in range(0, rows.num_rows, size):
        yield rows.slice(at, size)


def _with_own(rows: pa.Table) -> pa.Table:
    """With the columns that a reader adds, to be filled by `_batch`."""
    count = rows.num_rows
    return (
        rows.append_column(OP, pa.nulls(count, pa.string()))
        .append_column(ORDER, pa.nulls(count, pa.int64()))
        .append_column(SOURCE_TS, pa.nulls(count, TIMESTAMP))
    )
