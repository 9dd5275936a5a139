"""From the binary log's events to batches of whole transactions, for all tables of a server at once."""

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from lake.errors import PermanentFailure
from lake.sources import mysql_stream as log
from lake.sources.base import OP, ORDER, SOURCE_TS, TIMESTAMP, Batch, Change, Failed, Mark, Position, Reset, TableId
from lake.sources.mysql_decode import Unreadable
from lake.sources.mysql_rows import Layout, layout, table_map, table_name
from lake.sources.mysql_types import Column, Mapped, convert
from lake.sources.mysql_values import UnknownCharset

_NAME = r"(?:`((?:[^`]|``)+)`|([\w$]+))"
_EMPTIES = re.compile(
    r"\s*(?:TRUNCATE(?:\s+TABLE)?|DROP\s+TABLE(?:\s+IF\s+EXISTS)?|RENAME\s+TABLE(?:\s+IF\s+EXISTS)?|CREATE\s+OR\s+REPLACE\s+TABLE)\s+(.*)",
    re.IGNORECASE | re.DOTALL,
)
_EMPTIES_PART = re.compile(
    rf"\s*ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?((?:{_NAME}\.)?{_NAME}).*\b(?:TRUNCATE|DROP|EXCHANGE|RENAME)\s+(?:PARTITION|TO|AS)\b",
    re.IGNORECASE | re.DOTALL,
)
_DROPS_DATABASE = re.compile(rf"\s*DROP\s+(?:DATABASE|SCHEMA)\s+(?:IF\s+EXISTS\s+)?{_NAME}", re.IGNORECASE)
_STATEMENT = re.compile(r"\s*(?:INSERT|UPDATE|DELETE|REPLACE|LOAD)\b", re.IGNORECASE)
_COMMENT = re.compile(r"/\*(?!M?!).*?\*/|^\s*--[^\n]*\n", re.DOTALL | re.MULTILINE)
_STANDALONE = 1  # flag of MariaDB's GTID event: one statement, no COMMIT follows


@dataclass(frozen=True)
class Captured:
    """A table as the log's reader needs it."""

    id: TableId
    columns: Mapping[str, Column]
    mapped: Mapping[str, Mapped]
    key: tuple[str, ...]
    schema: pa.Schema
    zone: str


@dataclass
class _Buffer:
    """Rows of one table that are waiting for their batch: runs of equal layout, since an ALTER may come between."""

    runs: list[tuple[Layout, list[tuple[Any, ...]]]] = field(default_factory=list)
    ops: list[str] = field(default_factory=list)
    orders: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)


def place(position: Position) -> tuple[int, int]:
    """What orders the positions of one server."""
    return log.file_number(position["file"]), int(position["pos"])


class Changes:
    """Folds events into batches. `since` says what each table has; `limits` are rows and bytes of log per batch."""

    def __init__(self, tables: Mapping[TableId, Captured], since: Mapping[TableId, Position], limits: tuple[int, int]) -> None:
        self._tables = dict(tables)
        self._since = {table: place(position) for table, position in since.items()}
        self._rows, self._bytes = limits
        self._maps: dict[int, tuple[Captured, Layout] | None] = {}
        self._layouts: dict[bytes, Layout] = {}
        self._buffers: dict[TableId, _Buffer] = {}
        self._pending: list[tuple[TableId, Layout, str, int, log.Event]] = []
        self._held = [0, 0]
        self._notices: list[Change] = []

    def read(self, events: Iterator[log.Event], start: Position, target: Position) -> Iterator[Change]:
        """Changes up to `target`, a batch of a table at a time; a `Mark` after each group that belongs together."""
        end, gtids = start, _domains(start.get("gtid"))
        goal, standalone, current = place(target), False, ""
        for event in events:
            commits = event.kind == log.XID
            if event.kind == log.GTID_MARIADB:
                sequence, domain, flags = (
                    int.from_bytes(event.body[:8], "little"),
                    int.from_bytes(event.body[8:12], "little"),
                    event.body[12],
                )
                gtids[domain] = f"{domain}-{event.server_id}-{sequence}"
                standalone = bool(flags & _STANDALONE)
                if (log.file_number(event.file), event.start) >= goal:
                    break
            elif event.kind == log.TABLE_MAP:
                self._map(event)
            elif event.kind in _ROWS:
                self._take(event)
            elif event.kind == log.QUERY:
                current = _statement(event)
                commits = self._query(event, current) or standalone
            elif event.kind in _REFUSED:
                raise PermanentFailure(f"{event.file}:{event.start}: {_REFUSED[event.kind]}")
            if not commits:
                continue
            standalone = False
            end = {**end, "file": event.file, "pos": event.end}
            if "gtid" in start:
                end["gtid"] = ",".join(gtids[domain] for domain in sorted(gtids))
            self._commit(event)
            full = self._held[0] >= self._rows or self._held[1] >= self._bytes
            done = place(end) >= goal
            if full or done or self._notices:
                yield from self._flush(end)
            if done:
                break
        yield from self._flush(target if place(target) > place(end) else end)

    def _map(self, event: log.Event) -> None:
        number, database, name = table_name(event.body)
        self._maps[number] = None
        captured = self._tables.get((database, name))
        if captured is None:
            return
        described = event.body[6:]  # all but the table's number
        try:
            if described not in self._layouts:
                self._layouts[described] = layout(table_map(event.body), captured.columns, captured.key)
            self._maps[number] = captured, self._layouts[described]
        except (Unreadable, UnknownCharset) as error:
            self._fail(captured.id, f"{error}")

    def _take(self, event: log.Event) -> None:
        found = self._maps.get(int.from_bytes(event.body[:6], "little"))
        # Only the commit tells whether the table has this transaction already, and rows are only decoded if it has not.
        if found is not None and found[0].id in self._tables:
            self._pending.append(
                (found[0].id, found[1], _ROWS[event.kind], log.file_number(event.file) << 32 | event.start, event)
            )

    def _commit(self, last: log.Event) -> None:
        end = log.file_number(last.file), last.end
        for table, columns, op, order, event in self._pending:
            if table not in self._tables or end <= self._since[table]:
                continue
            header = 8
            if event.kind in (log.WRITE_V2, log.UPDATE_V2, log.DELETE_V2):
                header += int.from_bytes(event.body[8:10], "little")
            try:
                rows = columns.rows(event.body, header, 2 if op == "u" else 1)
            except (Unreadable, ValueError, IndexError, struct.error) as error:
                self._fail(table, f"{event.file}:{event.start}: a row cannot be read: {error}")
                continue
            self._add(table, columns, op, rows, order, event)
        self._pending.clear()

    def _add(self, table: TableId, columns: Layout, op: str, rows: list[tuple[Any, ...]], order: int, event: log.Event) -> None:
        if not self._tables[table].key:
            return  # captured in whole snapshots; its changes in the log are of no use
        buffer = self._buffers.setdefault(table, _Buffer())
        ops = [op] * len(rows)
        if op == "u":
            ops, rows = _updates(rows, columns.key)
        if not buffer.runs or buffer.runs[-1][0] is not columns:
            buffer.runs.append((columns, []))
        buffer.runs[-1][1].extend(rows)
        buffer.ops.extend(ops)
        buffer.orders.extend(range(order, order + len(rows)))
        buffer.times.extend([event.timestamp] * len(rows))
        self._held[0] += len(rows)
        self._held[1] += len(event.body)

    def _query(self, event: log.Event, statement: str) -> bool:
        """Note what a statement does to our tables. True if it ends a transaction."""
        if statement.upper() == "COMMIT":
            return True
        if _STATEMENT.match(statement):
            raise PermanentFailure(
                f"{event.file}:{event.start}: a change was logged as a statement, not as rows; "
                "keep binlog_format=ROW, and capture again with --resnapshot"
            )
        for table in _emptied(statement, _schema(event), self._tables):
            if (log.file_number(event.file), event.end) > self._since[table]:
                self._notices.append(Reset(table, statement.split("\n")[0][:80]))
                self._buffers.pop(table, None)
                self._tables.pop(table)
        return False

    def _fail(self, table: TableId, why: str) -> None:
        self._notices.append(Failed(table, why))
        self._tables.pop(table, None)
        self._buffers.pop(table, None)

    def _flush(self, end: Position) -> Iterator[Change]:
        yield from self._notices
        self._notices = []
        for table, buffer in self._buffers.items():
            captured = self._tables[table]
            try:
                rows = _arrow(captured, buffer)
            except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
                self._tables.pop(table)
                yield Failed(
                    table, f"a value in the log does not fit its column as it is now ({error}); capture again with --resnapshot"
                )
                continue
            yield Batch(table, rows, end)
        self._buffers, self._held = {}, [0, 0]
        yield Mark(end)


_ROWS = {log.WRITE_V1: "c", log.WRITE_V2: "c", log.UPDATE_V1: "u", log.UPDATE_V2: "u", log.DELETE_V1: "d", log.DELETE_V2: "d"}
_COMPRESSED = (
    "the log is compressed; set log_bin_compress=OFF (MySQL: binlog_transaction_compression=OFF), "
    "and capture again with --resnapshot"
)
_REFUSED = {
    log.INCIDENT: "the server lost events of its log; capture again with --resnapshot",
    log.COMPRESSED_TRANSACTION: _COMPRESSED,
    log.PARTIAL_UPDATE: "JSON columns are logged in parts; set binlog_row_value_options='', and capture again with --resnapshot",
    **dict.fromkeys(range(log.COMPRESSED_FIRST, log.COMPRESSED_LAST + 1), _COMPRESSED),
}


def _updates(images: list[tuple[Any, ...]], key: tuple[int, ...]) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Before and after images in turn -> rows; a key that changes is a delete of the old one and a new row."""
    ops, rows = [], []
    for before, after in zip(images[::2], images[1::2], strict=True):
        if any(before[i] != after[i] for i in key):
            ops.append("d")
            rows.append(before)
            ops.append("c")
        else:
            ops.append("u")
        rows.append(after)
    return ops, rows


def _arrow(table: Captured, buffer: _Buffer) -> pa.Table:
    parts = []
    for columns, rows in buffer.runs:
        values = dict(zip(columns.names, zip(*rows, strict=True), strict=True))
        arrays = []
        for target in table.schema:
            if target.name in values:
                mapped = table.mapped[target.name]
                arrays.append(convert(pa.array(values[target.name], mapped.wire), mapped, table.zone))
            else:
                arrays.append(pa.nulls(len(rows), target.type))
        parts.append(pa.table(arrays, schema=table.schema))
    times = pa.array([second * 1_000_000 for second in buffer.times], pa.int64()).cast(TIMESTAMP)
    return (
        pa.concat_tables(parts)
        .append_column(OP, pa.array(buffer.ops, pa.string()))
        .append_column(ORDER, pa.array(buffer.orders, pa.int64()))
        .append_column(SOURCE_TS, times)
    )


def _schema(event: log.Event) -> str:
    size, status = event.body[8], int.from_bytes(event.body[11:13], "little")
    return event.body[13 + status : 13 + status + size].decode("utf-8", "replace")


def _statement(event: log.Event) -> str:
    size, status = event.body[8], int.from_bytes(event.body[11:13], "little")
    text = event.body[13 + status + size + 1 :].decode("utf-8", "replace")
    return _COMMENT.sub(" ", text).strip()


def _emptied(statement: str, database: str, tables: Mapping[TableId, Captured]) -> list[TableId]:
    """Which of our tables a statement empties, drops or replaces, wholly or in part."""
    dropped = _DROPS_DATABASE.match(statement)
    if dropped:
        return [table for table in tables if table[0] == _unquoted(dropped[1], dropped[2])]
    found = _EMPTIES.match(statement) or _EMPTIES_PART.match(statement)
    if not found:
        return []
    named = set()
    for names in re.findall(rf"(?:{_NAME}\s*\.\s*)?{_NAME}", found[1]):
        named.add((_unquoted(names[0], names[1]) or database, _unquoted(names[2], names[3])))
    return [table for table in tables if table in named]


def _unquoted(quoted: str | None, plain: str | None) -> str:
    return quoted.replace("``", "`") if quoted else plain or ""


def _domains(gtid: str | None) -> dict[int, str]:
    """MariaDB's GTID state "0-1-24,1-1-7" -> {0: "0-1-24", 1: "1-1-7"}."""
    return {int(one.split("-")[0]): one for one in gtid.split(",")} if gtid else {}
