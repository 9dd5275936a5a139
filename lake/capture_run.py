"""One capture of one source: snapshots that are due, then changes, then the position that all tables have reached."""

import json
import logging
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from functools import reduce
from typing import Any

from lake import bronze, maintenance, positions
from lake.capture_report import Progress, TableReport
from lake.capture_table import Counted, Entry, operations
from lake.config import Source
from lake.crash import crash_point
from lake.delta import Lake
from lake.errors import PermanentFailure, UsageError
from lake.reached import reached
from lake.sources.base import Anew, Batch, Failed, Position, Reader, Reset, Table, TableId

logger = logging.getLogger(__name__)

_IDLE = timedelta(minutes=1)  # an idle source's position is written at most this often


@dataclass(frozen=True)
class Orders:
    """What the caller wants beyond going on.

    `resnapshot` are patterns of tables to read anew in whole, `shrink` the percentage of the last load below which a snapshot is
    refused.
    """

    resnapshot: Sequence[str] = ()
    shrink: int = 80


class Run:
    """Holds what one capture of a source knows. The caller holds the source's lock."""

    def __init__(self, lake: Lake, source: Source, reader: Reader, orders: Orders, on_progress: Progress) -> None:
        self._lake, self._source, self._reader, self._on_progress = lake, source, reader, on_progress
        self._facts = positions.facts(lake, source.name)
        self._orders = orders
        self._entries: dict[TableId, Entry] = {}
        self._committed: set[str] = set()

    def all(self) -> list[TableReport]:
        self._discover()
        try:
            self._snapshots()
            self._changes()
        finally:
            self._record_failures()
        positions.prune(self._lake, self._source.name, self._facts)
        return [entry.report for entry in self._entries.values()]

    def _discover(self) -> None:
        tables = chosen(self._reader.tables(), self._source.tables, self._source.name)
        described = {table.id: bronze.describe(self._source.name, table) for table in tables}
        bronze.register(self._lake, [described[table.id] for table in tables if not table.error])
        paused = positions.paused(self._facts)
        for table in tables:
            known = described[table.id]
            state = bronze.state(self._lake, known.name, known=self._facts)
            error = table.error and f"{table.name}: {table.error}"
            report = TableReport(self._source.name, table.name, known.name, known.mode, error=error, paused=known.name in paused)
            entry = self._entries[table.id] = Entry(table, known, state, report, state.epoch)
            entry.wanted = any(f.kind == "wanted" and f.tables.get(known.name, 0) >= state.generation > 0 for f in self._facts)
            entry.wanted |= any(fnmatchcase(table.name, pattern) for pattern in self._orders.resnapshot)
            if entry.outdated:
                logger.info("%s: %s: a new snapshot is due", known.name, entry.outdated)
                entry.wanted = True

    def _snapshots(self) -> None:
        able = [e for e in self._entries.values() if not e.report.error and not e.report.paused]
        due = [e for e in able if e.table.mode != "snapshot" and (e.wanted or not e.state.complete)]
        start: Position = {}
        if due:
            # Taken before the first row is read: what changes meanwhile is seen again in the log.
            start = self._reader.position()
            self._reader.probe(start)
        for entry in due:
            self._guarded(entry, lambda entry=entry: self._snapshot(entry, start))  # type: ignore[misc]
        for entry in [e for e in able if e.table.mode == "snapshot"]:
            self._guarded(entry, lambda entry=entry: self._whole(entry))  # type: ignore[misc]

    def _guarded(self, entry: Entry, work: Any) -> None:
        """A table that fails for good stops alone; a failure that may pass stops the source, and is tried again as a whole."""
        began = time.monotonic()
        try:
            work()
        except PermanentFailure as error:
            self._failed(entry, str(error))
        entry.report.seconds += time.monotonic() - began

    def _snapshot(self, entry: Entry, start: Position) -> None:
        state, after = entry.state, None
        if entry.wanted or not state.generation or state.position is None or state.complete:
            self._begin(entry, {"at": start})
        else:
            after = state.position["chunk"]
        self._read(entry, after)

    def _whole(self, entry: Entry) -> None:
        # Taken first: what changes while the rows are read makes the next fingerprint differ.
        content = self._reader.fingerprint(entry.table)
        if not entry.wanted and entry.state.complete and entry.position.get("content") == content:
            return
        refused = positions.failures(self._facts).get(entry.captured.name)
        if refused is not None and refused.position.get("content") == content and self._orders.shrink and not entry.wanted:
            entry.refused = True
            raise PermanentFailure(refused.position["error"])
        self._begin(entry, {"at": {}, "content": content})
        self._read(entry, None)

    def _begin(self, entry: Entry, position: Mapping[str, Any]) -> None:
        name = entry.captured.name
        entry.begin(position, [max(fact.tables.get(name, 0), fact.epochs.get(name, 0)) for fact in self._facts])

    def _read(self, entry: Entry, after: Position | None) -> None:
        done = 0
        for batch in self._reader.snapshot(entry.table, after):
            position = entry.after_chunk(batch)
            if batch.last:
                entry.refuse_shrinking({**entry.position, **position}, self._orders.shrink)
            self._commit(entry, batch, position)
            done += batch.rows.num_rows
            self._on_progress(entry.table.name, done, max(entry.table.rows, done))
            crash_point("capture.snapshot.chunk_done")
        if not entry.state.complete:
            raise PermanentFailure(f"{entry.table.name}: its snapshot ended without a last chunk")

    def _commit(self, entry: Entry, batch: Batch, position: Mapping[str, Any]) -> None:
        began, name = time.monotonic(), entry.captured.name
        more = Counted(batch.more)
        version = bronze.write(self._lake, name, batch.rows, entry.epoch, position, more if batch.more else ())
        self._committed.add(name)
        if batch.last and not batch.rows.num_rows:
            # No row can carry the position, so a fact does; the empty commit gives it a version that readers notice.
            self._record("ended", {name: int(position["generation"])}, position, versions={name: version})
        counts = operations(batch.rows) + more.counts
        entry.done(position, counts)
        logger.info("%s: %d rows, version %d, %.2f s", name, counts.total(), version, time.monotonic() - began)

    def _changes(self) -> None:
        since = {id: self._resume(entry) for id, entry in self._entries.items() if entry.follows}
        owed = self._owed(since)
        resets: list[Entry] = []
        end: Position | None = None
        for change in self._reader.changes(since):
            if isinstance(change, Batch):
                self._guarded(self._entries[change.table], lambda batch=change: self._apply(batch))  # type: ignore[misc]
            elif isinstance(change, Failed):
                self._failed(self._entries[change.table], f"{'.'.join(change.table)}: {change.why}")
            elif isinstance(change, Anew):
                entry = self._entries[change.table]
                entry.epoch += 1
                logger.warning("%s: %s: its changes are in epoch %d from here on", entry.captured.name, change.why, entry.epoch)
            elif isinstance(change, Reset):
                entry = self._entries[change.table]
                logger.info("%s: %s in the source: a new snapshot is due", entry.captured.name, change.why)
                self._record("wanted", {entry.captured.name: entry.state.generation}, {})
                entry.wanted = True
                resets.append(entry)
            else:
                end = change.end
                self._reached(end)
                crash_point("capture.changes.group_done")
        for name in sorted(self._committed):
            maintenance.tidy(self._lake, name)
        if end is not None or self._committed or owed:
            self._reached(end or self._least(since.values()), final=bool(self._committed) or owed)
        if resets:
            self._after_resets(resets)

    def _apply(self, batch: Batch) -> None:
        entry = self._entries[batch.table]
        if entry.report.error:
            return
        self._commit(entry, batch, entry.after_changes(batch))
        self._on_progress(entry.table.name, entry.report.rows.total(), 0)

    def _after_resets(self, resets: Sequence[Entry]) -> None:
        # A table that is gone keeps its last rows: a drop by mistake must not empty the warehouse. If it
        # comes back, it is read anew.
        present = {table.id for table in self._reader.tables()}
        start = self._reader.position()
        for entry in resets:
            if entry.table.id in present:
                self._guarded(entry, lambda entry=entry: self._snapshot(entry, start))  # type: ignore[misc]

    def _resume(self, entry: Entry) -> Position:
        found = reached(entry.captured.name, entry.state, self._facts, self._reader.later)
        assert found is not None  # it has a complete snapshot
        entry.epoch = found.epoch
        return found.position

    def _owed(self, since: Mapping[TableId, Position]) -> bool:
        """Whether a table is beyond the last fact: a capture was killed between its commit and that."""
        last = next((fact for fact in reversed(self._facts) if fact.kind == "reached"), None)
        if last is None:
            return False
        # Positions of another generation may be of another mode, which this reader cannot compare.
        same = [id for id in since if last.tables.get(self._entries[id].captured.name) == self._entries[id].state.generation]
        at = last.position
        return any(not at or self._reader.later(at, since[id]) != at for id in same)

    def _least(self, since: Collection[Position]) -> Position:
        """Where all tables are, at least."""
        return reduce(lambda one, other: other if self._reader.later(one, other) == one else one, since) if since else {}

    def _reached(self, end: Position, final: bool = False) -> None:
        """Record that all good tables are at `end`: after commits, and otherwise now and then."""
        last = next((fact for fact in reversed(self._facts) if fact.kind == "reached"), None)
        covered = {entry.captured.name: entry for entry in self._entries.values() if entry.good}
        generations = {name: entry.state.generation for name, entry in covered.items()}
        epochs = {name: entry.epoch for name, entry in covered.items() if entry.epoch != entry.state.generation}
        if not covered or (
            last is not None
            and json.dumps(last.position) == json.dumps(dict(end))
            and (dict(last.tables), dict(last.epochs)) == (generations, epochs)
        ):
            return
        recent = last is not None and datetime.now(UTC) - last.recorded_at < _IDLE
        if final or not recent:
            versions = {name: self._lake.version(name) for name in covered}
            self._record("reached", generations, end, versions=versions, epochs=epochs)

    def _record(self, kind: positions.Kind, tables: Mapping[str, int], position: Position, **more: Mapping[str, int]) -> None:
        number = positions.next_number(self._facts)
        self._facts.append(positions.record(self._lake, self._source.name, kind, tables, position, number=number, **more))

    def _failed(self, entry: Entry, why: str) -> None:
        logger.warning("%s", why)
        entry.report.error = entry.report.error or why

    def _record_failures(self) -> None:
        """Keep what stopped a table, for `cartlake status`; once, however often it is met."""
        known = positions.failures(self._facts)
        for entry in self._entries.values():
            name, error = entry.captured.name, entry.report.error
            if error and (name not in known or known[name].position.get("error") != error):
                content = {"content": entry.position.get("content")} if entry.refused else {}
                self._record("failed", {name: entry.state.generation}, {"error": error, **content})


def chosen(tables: Sequence[Table], patterns: Sequence[str], source: str) -> list[Table]:
    """The tables that match one of the patterns, all without patterns. UsageError for a pattern that matches none."""
    if not patterns:
        return list(tables)
    for pattern in patterns:
        if not any(fnmatchcase(table.name, pattern) for table in tables):
            names = ", ".join(table.name for table in tables[:20]) or "no tables that the account may read"
            raise UsageError(f"source {source}: no table matches {pattern!r}; it has {names}")
    return [table for table in tables if any(fnmatchcase(table.name, pattern) for pattern in patterns)]
