"""One capture of one source: snapshots that are due, then changes, then the position that all tables have reached."""

import json
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

import pyarrow.compute as pc

from lake import bronze, positions
from lake.bronze import Captured, State
from lake.capture_report import Progress, TableReport
from lake.config import Source
from lake.crash import crash_point
from lake.delta import Lake
from lake.errors import PermanentFailure, UsageError
from lake.sources.base import OP, Batch, Failed, Position, Reader, Reset, Table, TableId

logger = logging.getLogger(__name__)

_IDLE = timedelta(minutes=1)  # an idle source's position is written at most this often


@dataclass
class _Entry:
    """One table within the run."""

    table: Table
    captured: Captured
    state: State
    report: TableReport
    wanted: bool = False  # the generation in bronze is to be replaced


class Run:
    """Holds what one capture of a source knows. The caller holds the source's lock."""

    def __init__(self, lake: Lake, source: Source, reader: Reader, resnapshot: Sequence[str], on_progress: Progress) -> None:
        self._lake, self._source, self._reader, self._on_progress = lake, source, reader, on_progress
        self._facts = positions.facts(lake, source.name)
        self._resnapshot = resnapshot
        self._entries: dict[TableId, _Entry] = {}
        self._committed = False

    def all(self) -> list[TableReport]:
        self._discover()
        self._snapshots()
        self._changes()
        return [entry.report for entry in self._entries.values()]

    def _discover(self) -> None:
        tables = chosen(self._reader.tables(), self._source.tables, self._source.name)
        described = {table.id: bronze.describe(self._source.name, table) for table in tables}
        bronze.register(self._lake, [described[table.id] for table in tables if not table.error])
        for table in tables:
            known = described[table.id]
            state = bronze.state(self._lake, known.name, known=self._facts)
            report = TableReport(
                self._source.name, table.name, known.name, known.mode, error=table.error and f"{table.name}: {table.error}"
            )
            entry = self._entries[table.id] = _Entry(table, known, state, report)
            entry.wanted = any(f.kind == "wanted" and f.tables.get(known.name, 0) >= state.generation > 0 for f in self._facts)
            entry.wanted |= any(fnmatchcase(table.name, pattern) for pattern in self._resnapshot)
            changed = state.position is not None and state.position.get("key", list(table.key)) != list(table.key)
            # Rows are folded by key: under another key the old ones mean something else.
            entry.wanted |= changed

    def _snapshots(self) -> None:
        due = [e for e in self._entries.values() if not e.report.error and e.table.key and (e.wanted or not e.state.complete)]
        start: Position = {}
        if due:
            # Taken before the first row is read: what changes meanwhile is seen again in the log.
            start = self._reader.position()
            self._reader.probe(start)
        for entry in due:
            self._guarded(entry, lambda entry=entry: self._snapshot(entry, start))  # type: ignore[misc]
        for entry in [e for e in self._entries.values() if not e.report.error and not e.table.key]:
            self._guarded(entry, lambda entry=entry: self._whole(entry))  # type: ignore[misc]

    def _guarded(self, entry: _Entry, work: Any) -> None:
        """A table that fails for good stops alone; a failure that may pass stops the source, and is tried again as a whole."""
        began = time.monotonic()
        try:
            work()
        except PermanentFailure as error:
            self._failed(entry, str(error))
        entry.report.seconds += time.monotonic() - began

    def _snapshot(self, entry: _Entry, start: Position) -> None:
        state, after = entry.state, None
        if entry.wanted or not state.generation or state.position is None or state.complete:
            self._begin(entry, {"at": start})
        else:
            after = state.position["chunk"]
        self._read(entry, after)

    def _whole(self, entry: _Entry) -> None:
        # Taken first: what changes while the rows are read makes the next fingerprint differ.
        content = self._reader.fingerprint(entry.table)
        state = entry.state
        if not entry.wanted and state.complete and state.position is not None and state.position.get("content") == content:
            return
        self._begin(entry, {"at": {}, "content": content})
        self._read(entry, None)

    def _begin(self, entry: _Entry, position: Mapping[str, Any]) -> None:
        """Open a new generation, beyond every one that bronze or a fact has named."""
        named = [fact.tables.get(entry.captured.name, 0) for fact in self._facts]
        generation = max([entry.state.generation, *named]) + 1
        base = entry.state.last_complete
        position = {"generation": generation, "complete": False, "base": base, "key": list(entry.table.key), **position}
        entry.state = State(generation, False, entry.state.sequence, base, position)
        entry.wanted = False

    def _read(self, entry: _Entry, after: Position | None) -> None:
        done = 0
        for batch in self._reader.snapshot(entry.table, after):
            position = {**(entry.state.position or {}), "chunk": dict(batch.end), "complete": batch.last}
            if batch.last:
                position.pop("chunk")
            self._commit(entry, batch, position)
            done += batch.rows.num_rows
            self._on_progress(entry.table.name, done, max(entry.table.rows, done))
            crash_point("capture.snapshot.chunk_done")
        if not entry.state.complete:
            raise PermanentFailure(f"{entry.table.name}: its snapshot ended without a last chunk")

    def _commit(self, entry: _Entry, batch: Batch, position: Mapping[str, Any]) -> None:
        began, name = time.monotonic(), entry.captured.name
        generation = int(position["generation"])
        version = bronze.write(self._lake, name, batch.rows, generation, position)
        self._committed = True
        if batch.last and not batch.rows.num_rows:
            # No row can carry the position, so a fact does; the empty commit gives it a version that readers notice.
            self._record("ended", {name: generation}, position, version)
        complete = bool(position["complete"])
        base = generation if complete else entry.state.last_complete
        entry.state = State(generation, complete, entry.state.sequence, base, position)
        counts = pc.value_counts(batch.rows.column(OP)).to_pylist()
        entry.report.rows += Counter({count["values"]: count["counts"] for count in counts})
        logger.info("%s: %d rows, version %d, %.2f s", name, batch.rows.num_rows, version, time.monotonic() - began)

    def _changes(self) -> None:
        since = {
            id: self._resume(entry)
            for id, entry in self._entries.items()
            if entry.table.key and entry.state.complete and not entry.report.error
        }
        resets: list[_Entry] = []
        end: Position | None = None
        for change in self._reader.changes(since):
            if isinstance(change, Batch):
                self._guarded(self._entries[change.table], lambda batch=change: self._apply(batch))  # type: ignore[misc]
            elif isinstance(change, Failed):
                self._failed(self._entries[change.table], f"{'.'.join(change.table)}: {change.why}")
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
        if end is not None:
            self._reached(end, final=True)
        if resets:
            self._after_resets(resets)

    def _apply(self, batch: Batch) -> None:
        entry = self._entries[batch.table]
        if entry.report.error:
            return
        position = {k: v for k, v in (entry.state.position or {}).items() if k != "chunk"}
        self._commit(entry, batch, {**position, "complete": True, "at": dict(batch.end)})
        self._on_progress(entry.table.name, entry.report.rows.total(), 0)

    def _after_resets(self, resets: Sequence[_Entry]) -> None:
        # A table that is gone keeps its last rows: a drop by mistake must not empty the warehouse. If it
        # comes back, it is read anew.
        present = {table.id for table in self._reader.tables()}
        start = self._reader.position()
        for entry in resets:
            if entry.table.id in present:
                self._guarded(entry, lambda entry=entry: self._snapshot(entry, start))  # type: ignore[misc]

    def _resume(self, entry: _Entry) -> Position:
        at: Position = (entry.state.position or {})["at"]
        for fact in self._facts:
            if fact.kind == "reached" and fact.tables.get(entry.captured.name) == entry.state.generation:
                at = self._reader.later(at, fact.position)
        return at

    def _reached(self, end: Position, final: bool = False) -> None:
        """Record that all good tables are at `end`: after commits, and otherwise now and then."""
        last = next((fact for fact in reversed(self._facts) if fact.kind == "reached"), None)
        covered = {
            entry.captured.name: entry.state.generation
            for entry in self._entries.values()
            if entry.table.key and entry.state.complete and not entry.report.error and not entry.wanted
        }
        if not covered or (
            last is not None and json.dumps(last.position) == json.dumps(dict(end)) and dict(last.tables) == covered
        ):
            return
        recent = last is not None and datetime.now(UTC) - last.recorded_at < _IDLE
        if (final and self._committed) or not recent:
            self._record("reached", covered, end)

    def _record(self, kind: positions.Kind, tables: Mapping[str, int], position: Position, version: int = -1) -> None:
        number = self._facts[-1].number + 1 if self._facts else 1
        self._facts.append(
            positions.record(self._lake, self._source.name, kind, tables, position, number=number, version=version)
        )

    def _failed(self, entry: _Entry, why: str) -> None:
        logger.warning("%s", why)
        entry.report.error = entry.report.error or why


def chosen(tables: Sequence[Table], patterns: Sequence[str], source: str) -> list[Table]:
    """The tables that match one of the patterns, all without patterns. UsageError for a pattern that matches none."""
    if not patterns:
        return list(tables)
    for pattern in patterns:
        if not any(fnmatchcase(table.name, pattern) for table in tables):
            names = ", ".join(table.name for table in tables[:20]) or "no tables that the account may read"
            raise UsageError(f"source {source}: no table matches {pattern!r}; it has {names}")
    return [table for table in tables if any(fnmatchcase(table.name, pattern) for pattern in patterns)]
