"""From the binary log's events to batches of whole transactions, for all tables of a server at once.

Rows are only decoded when a batch is given, many events together (see images and decode).

A position holds `server`, `file` and `pos`: what has been committed up to there is in bronze; `made`, when the server began that
file, tells a log that was reset and has grown past the place since. And where needed: `gtid`, the same by global ids; `order`,
the least order that is free, where compressed events hold more rows than bytes; `xa`, see below.

XA. The rows of a prepared transaction stand in the log where it was prepared, but count only from its XA COMMIT on, which may
come days later. They are held until then, and take their order from the commit, so that `_order` grows. A capture may end in
between. Its position then says two things: `file` and `pos`, up to where commits are in bronze, and `xa`, the place before the
oldest transaction that is still prepared, where the next capture begins to read. What it reads again before `file` and `pos` it
skips by the place of the *commit*, which is before them exactly if the rows are in bronze: so nothing is doubled, and since
reading begins before every open transaction, nothing is skipped. One that was prepared before the first snapshot's position
cannot be known: when it is committed, its rows are in neither the snapshot nor the log that was read, and the tables stop with
that reason.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any
from uuid import UUID

import pyarrow as pa

from lake.errors import PermanentFailure
from lake.sources.base import Batch, Change, Failed, Mark, Position, Reset, TableId
from lake.sources.mysql import statements as sql
from lake.sources.mysql import stream as log
from lake.sources.mysql.batch import Captured, decoded, free_after, pieces
from lake.sources.mysql.cascades import Cascades
from lake.sources.mysql.cells import Unreadable
from lake.sources.mysql.gtid import Gtids
from lake.sources.mysql.images import Shape
from lake.sources.mysql.layouts import OPS, Known, Layouts
from lake.sources.mysql.transaction import Entry, Transaction

__all__ = ["Captured", "Changes", "origin", "place"]

_STANDALONE = 1  # flag of MariaDB's GTID event: one statement, no COMMIT follows
_UNREADABLE = (Unreadable, ValueError, IndexError, OverflowError, struct.error, zlib.error, pa.ArrowException)
_NO_ID: tuple[str, int] = "", 0
_AGAIN = "capture again with --resnapshot"


def place(position: Position) -> tuple[int, int]:
    """What orders the positions of one server."""
    return log.file_number(position["file"]), int(position["pos"])


def origin(position: Position) -> Position:
    """Where reading must begin, so that nothing after the position is missed."""
    return {**position, **position["xa"]} if "xa" in position else position


class Changes:
    """Folds events into batches. `since` says what each table has; `limits` are rows and bytes of log per batch.

    Tables in `elsewhere` were captured from another server: what they have is told by GTID, not by place. `cascades` knows of
    changes that are in no log.
    """

    def __init__(
        self,
        tables: Mapping[TableId, Captured],
        since: Mapping[TableId, Position],
        limits: tuple[int, int],
        elsewhere: frozenset[TableId] = frozenset(),
        cascades: Cascades | None = None,
    ) -> None:
        self._tables = {table: captured for table, captured in tables.items() if captured.key}
        self._since = {table: place(position) for table, position in since.items() if table not in elsewhere}
        self._seen = {table: Gtids(since[table]["gtid"]) for table in elsewhere}
        self._caught_up = max(self._since.values(), default=(0, 0))
        self._free = {table: int(position.get("order", 0)) for table, position in since.items() if table not in elsewhere}
        self._rows, self._bytes = limits
        self._layouts, self._cascades = Layouts(self._tables), cascades
        self._buffers: dict[TableId, list[Entry]] = {}
        self._held_bytes, self._held_rows = 0, 0.0
        self._row_bytes: dict[Shape, float] = {}
        self._running = Transaction(self._bytes)
        self._target: Position = {}
        self._prepared: dict[sql.Xid, tuple[Transaction, Position]] = {}
        self._ending: sql.Xid | None = None  # which of them the running statement commits
        self._notices: list[Change] = []
        self._made = {position["file"]: position["made"] for position in since.values() if "made" in position}
        self._opened = "", 0
        self._gtids: Gtids | None = None
        self._gtid: tuple[int | str, int] = _NO_ID  # the running transaction's
        self._previous: tuple[int, int] | None = None  # what its domain had before

    def read(self, events: Iterator[log.Event], start: Position, target: Position) -> Iterator[Change]:
        """Changes up to `target`, a batch of a table at a time; a `Mark` after each group that belongs together."""
        self._target = target
        self._gtids = Gtids(start["gtid"]) if "gtid" in start else None
        try:
            yield from self._read(events, start, target)
        finally:
            for transaction in (self._running, *(prepared for prepared, _ in self._prepared.values())):
                transaction.clear()

    def _read(self, events: Iterator[log.Event], start: Position, target: Position) -> Iterator[Change]:
        goal, at, alone = place(target), (str(start["file"]), *place(start)), True
        began: log.Event | None = None
        layouts, cascades = self._layouts, self._cascades
        for event in events:
            kind, body = event.kind, event.body
            commits = kind == log.XID
            if commits:
                pass
            elif kind == log.TABLE_MAP:
                layouts.announce(body)
                if cascades:
                    cascades.announce(body)
            elif kind in OPS:
                if cascades:
                    self._running.followed |= cascades.followers(event)
                found = layouts.announced.get(body[:6])
                if found is not None and self._take(found, event):
                    yield from self._flush(self._position(*at, within=True))  # what is spilled now must not add to what is held
            elif kind in _BEGINS:
                if (event.number, event.start) >= goal:
                    break
                began, alone = event, kind != log.GTID_MARIADB or bool(body[12] & _STANDALONE)
                self._begin(event)
            elif kind == log.QUERY:
                if body.endswith(b"\0BEGIN"):
                    alone = False
                elif body.endswith(b"\0COMMIT"):
                    commits = True
                else:
                    text = sql.statement(body)
                    alone = alone and not text.startswith("XA START")
                    commits = self._query(event, text) or alone
            elif kind == log.XA_PREPARE:
                one_phase, xid = sql.xa_prepared(body)
                if not one_phase and began is not None:
                    self._prepare(xid, began)
                commits = True
            elif kind == log.FORMAT_DESCRIPTION:
                self._open(event)
            elif kind in _REFUSED:
                raise PermanentFailure(f"{event.file}:{event.start}: {_REFUSED[kind]}")
            if not commits:
                continue
            alone = True
            if self._running.spilled and self._buffers:
                yield from self._flush(self._position(*at, within=True))
            at = event.file, event.number, event.end
            if self._ending is not None:  # only now: positions given before this commit must still reach back to its rows
                del self._prepared[self._ending]
                self._ending = None
            if self._running.unreadable:
                self._give_up(event)
            for table in self._running.followed:
                if not self._has(table, event):
                    self._drop(table, Reset(table, "rows may have followed a foreign key"))
            if self._running.spilled:
                yield from self._large(event, self._position(*at))
            elif self._running.entries:
                self._commit(event)
            self._running.followed = set()
            done = at[1:] >= goal
            if done or self._notices or self._held_rows >= self._rows or self._held_bytes >= self._bytes:
                yield from self._flush(self._position(*at))
            if done:
                return
        if at[1:] < goal:
            at = target["file"], *goal
        yield from self._flush(self._position(*at))

    def _position(self, file: str, number: int, pos: int, within: bool = False) -> dict[str, Any]:
        """The position of a place; `within` a transaction, what it was before that began."""
        position: dict[str, Any] = {"server": self._target["server"], "file": file, "pos": pos}
        if file == self._opened[0]:
            position["made"] = self._opened[1]
        if self._gtids is not None:
            position["gtid"] = (self._before() if within else self._gtids).text()
        elif "gtid" in self._target and (number, pos) == place(self._target):
            position["gtid"] = self._target["gtid"]
        if self._prepared:  # in the order of the log, so the first is the oldest
            position["xa"] = next(iter(self._prepared.values()))[1]
        return position

    def _open(self, event: log.Event) -> None:
        """A file of the log begins, or is opened. PermanentFailure when it is not the one that a table stopped in."""
        self._opened = event.file, event.timestamp
        if not self._seen and self._made.get(event.file, event.timestamp) != event.timestamp:
            raise PermanentFailure(f"the server's log was reset: {event.file} is another file than the one captured; {_AGAIN}")

    def _begin(self, event: log.Event) -> None:
        """Note the id of the transaction that begins."""
        body = event.body
        if event.kind == log.GTID_TAGGED:
            self._gtids = None  # ids with a tag are not read here, so no other server can be followed from here on
        if event.kind == log.GTID_MARIADB:
            source: int | str = int.from_bytes(body[8:12], "little")
            number = int.from_bytes(body[:8], "little")
        elif event.kind == log.GTID_MYSQL:
            source, number = str(UUID(bytes=body[1:17])), int.from_bytes(body[17:25], "little")
        else:
            self._gtid = _NO_ID
            return
        self._gtid = source, number
        if self._gtids is not None:
            self._previous = self._gtids.add(source, event.server_id, number)

    def _before(self) -> Gtids:
        assert self._gtids is not None
        return self._gtids.without(*self._gtid, self._previous)

    def _prepare(self, xid: sql.Xid, began: log.Event) -> None:
        before: dict[str, Any] = {"file": began.file, "pos": began.start}
        if self._gtids is not None:
            before["gtid"] = self._before().text()
        self._prepared[xid] = self._running, before
        self._running = Transaction(self._bytes)

    def _take(self, known: Known, event: log.Event) -> bool:
        """Hold an event of rows. True when a transaction has just grown too large for memory."""
        if known.layout is None:
            self._running.unreadable.setdefault(known.table, known.why)
            return False
        try:
            found = known.shape(event.kind, event.body)
        except _UNREADABLE as error:
            self._running.unreadable.setdefault(known.table, f"{event.file}:{event.start}: {error}")
            return False
        running = self._running
        before = bool(running.spilled)
        running.add(Entry(known.table, found, event.number << 32 | event.start, event.timestamp, event.body))
        return bool(running.spilled) and not before and bool(self._buffers)

    def _has(self, table: TableId, last: log.Event) -> bool:
        """Whether the table has what was committed by this event, or is no longer followed."""
        if table not in self._tables:
            return True
        seen = self._seen.get(table)
        return seen.has(*self._gtid) if seen is not None else (last.number, last.end) <= self._since[table]

    def _commit(self, last: log.Event) -> None:
        running = self._running
        checked = bool(self._seen) or (last.number, last.end) <= self._caught_up or len(self._tables) != len(self._since)
        for entry in running.entries:
            if checked and self._has(entry.table, last):
                continue
            if entry.order < running.least:
                entry = entry._replace(order=running.least)
            held = self._buffers.get(entry.table)
            if held is None:
                held = self._buffers[entry.table] = []
            held.append(entry)
            size = len(entry.body)
            self._held_bytes += size
            self._held_rows += max(1.0, size / self._row_bytes.get(entry.shape, entry.shape.row_bytes))
        running.clear()

    def _give_up(self, last: log.Event) -> None:
        for table, why in self._running.unreadable.items():
            if not self._has(table, last):
                self._fail(table, why)

    def _query(self, event: log.Event, text: str) -> bool:
        """Note what a statement does to our tables. True if it ends a transaction."""
        if text.upper() == "COMMIT":
            return True
        if sql.changes_rows(text):
            raise PermanentFailure(
                f"{event.file}:{event.start}: a change was logged as a statement, not as rows; "
                f"keep binlog_format=ROW, and {_AGAIN}"
            )
        if sql.takes_back(text):
            for table in self._running.tables:  # the log of an engine that has transactions holds none that was taken back
                self._running.unreadable[table] = (
                    f"{event.file}:{event.start}: rows that were taken back are in the log; {_AGAIN}"
                )
            return " TO " not in text.upper()
        ended = sql.xa_end(text)
        if ended:
            self._end_prepared(event, *ended)
            return True
        for table in sql.emptied(text, sql.schema(event.body), self._tables):
            if not self._has(table, event):
                self._drop(table, Reset(table, text.split("\n")[0][:80]))
        return False

    def _end_prepared(self, event: log.Event, commits: bool, xid: sql.Xid) -> None:
        transaction, _ = self._prepared.get(xid, (None, None))
        if transaction is not None and commits:
            self._running, self._ending, transaction.least = transaction, xid, event.number << 32 | event.start
        elif transaction is not None:
            transaction.clear()
            del self._prepared[xid]
        elif commits:
            for table in list(self._tables):
                if not self._has(table, event):
                    self._fail(
                        table, f"{event.file}:{event.start}: an XA transaction was prepared before the first capture; {_AGAIN}"
                    )

    def _fail(self, table: TableId, why: str) -> None:
        self._drop(table, Failed(table, why))

    def _drop(self, table: TableId, notice: Change) -> None:
        self._notices.append(notice)
        self._tables.pop(table, None)
        self._buffers.pop(table, None)

    def _flush(self, end: dict[str, Any]) -> Iterator[Change]:
        yield from self._notices
        buffers, self._buffers, self._notices, self._held_bytes, self._held_rows = self._buffers, {}, [], 0, 0.0
        for table in list(buffers):
            entries = buffers.pop(table)
            free = free_after(entries, self._free.get(table, 0))
            yield from self._given(table, pieces(entries, self._row_bytes), free, end)
        yield Mark(_ordered(end, max(self._free.values(), default=0)))

    def _large(self, last: log.Event, end: dict[str, Any]) -> Iterator[Change]:
        """A transaction that lies in files: one batch of each table, read while it is written."""
        running = self._running
        running.spill()
        for table, spill in running.spilled.items():
            if not self._has(table, last):
                free = spill.free(max(self._free.get(table, 0), running.least))
                yield from self._given(table, pieces(spill.entries(running.least), self._row_bytes), free, end)
        running.clear()
        yield Mark(_ordered(end, max(self._free.values(), default=0)))

    def _given(self, table: TableId, parts: Iterator[list[Entry]], free: int, end: dict[str, Any]) -> Iterator[Change]:
        """One batch: its first piece decoded now, the others while it is written. `free` is the least order free after all."""
        captured, least, first = self._tables[table], self._free.get(table, 0), next(parts)
        second = next(parts, None)
        try:
            rows, least = decoded(captured, first, least, noted=second is not None)
        except _UNREADABLE as error:
            self._tables.pop(table)
            yield Failed(table, _misfit(error))
            return
        each = sum(len(entry.body) for entry in first) / max(1, rows.num_rows)
        self._row_bytes.update(dict.fromkeys({entry.shape for entry in first}, each))
        self._free[table] = least if second is None else free
        more = _rest(captured, chain([second], parts), least) if second is not None else ()
        yield Batch(table, rows, _ordered(end, self._free[table]), more=more)


def _rest(table: Captured, parts: Iterable[list[Entry]], least: int) -> Iterator[pa.Table]:
    for piece in parts:
        try:
            rows, least = decoded(table, piece, least, noted=True)
        except _UNREADABLE as error:
            raise PermanentFailure(f"{'.'.join(table.id)}: {_misfit(error)}") from error
        yield rows


def _misfit(error: Exception) -> str:
    return f"{error}" if isinstance(error, Unreadable) else (
        f"a value in the log does not fit its column as it is now ({error}); {_AGAIN}"
    )  # fmt: skip


def _ordered(end: Position, free: int) -> Position:
    """The position with the least order that is free, where that is not simply its place."""
    number, pos = place(end)
    return {**end, "order": free} if free > number << 32 | pos else end


_BEGINS = {log.GTID_MARIADB, log.GTID_MYSQL, log.GTID_ANONYMOUS, log.GTID_TAGGED}
_REFUSED = {
    log.INCIDENT: f"the server lost events of its log; {_AGAIN}",
    log.PARTIAL_UPDATE: f"JSON columns are logged in parts; set binlog_row_value_options='', and {_AGAIN}",
}
