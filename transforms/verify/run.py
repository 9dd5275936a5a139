"""Is a silver table what its source says now? Compared by checksums of chunks, and row by row only where those differ.

The source is read as a snapshot is, in bounded memory; the rows of a declared table then go through its own function. What has
changed in the source since silver was built is found in the source's log, and is no difference.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import polars as pl

from lake import bronze, positions
from lake.bronze import Captured
from lake.capture import open_reader
from lake.capture_report import Progress, quiet
from lake.config import Settings
from lake.delta import Lake
from lake.errors import PermanentFailure, UsageError
from lake.reached import reached
from lake.sources import base
from lake.sources.base import Batch, Failed, Reader, Reset
from transforms import catalog, progress
from transforms import engine as engines
from transforms.declaration import ByKey, Table
from transforms.verify.checksum import Sums, apart, differences, rows_in, together, within
from transforms.verify.report import Report
from transforms.verify.sides import Declared, Mirrored, Silver, columns_of_declared, columns_of_mirror, frame, without

if TYPE_CHECKING:
    from transforms.engine import Engine

# Rows of both sides that are compared one by one; where more differ, the rest is only counted by its chunks.
MOST_ROWS = 200_000
_AGAIN = "run: cartlake capture, cartlake build, and verify again"


def verify(
    settings: Settings,
    name: str,
    *,
    on_progress: Progress = quiet,
    engine: Engine | None = None,
    declared: Mapping[str, Table] | None = None,
    most: int = MOST_ROWS,
) -> Report:
    """Compare a silver table with its source; `name` is silver's, bronze's or the source's.

    `engine` and `declared` are as in `build`. UsageError for a name that cannot be compared, PermanentFailure where the source
    has changed in a way that only a new capture can follow.
    """
    began, lake = time.monotonic(), Lake(settings.lake_root)
    seen = progress.load(lake)
    known = catalog.load(lake, {table for table, _ in seen}, declared)
    table, captured = choose(name, known.tables, known.captured)
    consumed = seen.get((table.name, captured.name))
    if consumed is None or not lake.exists(table.name):
        raise UsageError(f"{table.name} has not been built yet; run: cartlake build")
    with ExitStack() as held:
        reader = held.enter_context(closing(open_reader(settings, captured.source, settings.url(captured.source))))
        source = source_table(reader, captured)
        log = _Log(lake, reader, source, captured, consumed.version)
        log.refuse_unseen_whole()
        silver = lake.schema(table.name)
        notes: tuple[str, ...] = ()
        if table.name == captured.mirror:
            columns, notes = columns_of_mirror(table.name, silver, source.schema)
            theirs = Mirrored(reader, source, columns, on_progress)
        else:
            from transforms.inputs import Inputs

            if engine is None:
                engine = engines.start(settings)
                held.callback(engine.stop)
            columns = columns_of_declared(silver)
            inputs = Inputs(engine, lake, known.captured, known.at)
            theirs = Declared(reader, source, columns, on_progress, table, inputs)
        ours = Silver(lake, table, lake.version(table.name), columns)
        report = _compare(ours, theirs, log, most)
    return replace(report, notes=notes, seconds=time.monotonic() - began)


def choose(name: str, tables: Mapping[str, Table], captured: Mapping[str, Captured]) -> tuple[Table, Captured]:
    """The silver table and the captured one that a name means. UsageError when that is none, or several."""
    pairs = [
        (table, captured[table.driving])
        for table in tables.values()
        if table.driving in captured and table.name.startswith("silver.")
    ]
    named = [(table, one) for table, one in pairs if name in (table.name, one.name, f"{one.database}.{one.table}")]
    if len(named) > 1:
        raise UsageError(f"{name} is more than one table; say which: {', '.join(table.name for table, _ in named)}")
    if not named:
        known = ", ".join(sorted(table.name for table, _ in pairs)) or "none yet; run: cartlake capture, cartlake build"
        raise UsageError(f"no silver table with a source of its own is named {name!r}; there are: {known}")
    table, one = named[0]
    keys = list(table.update.keys.values()) if isinstance(table.update, ByKey) else []
    if one.mode == "files":
        raise UsageError(f"{table.name} comes from files: each is taken once, so there is nothing to compare it with")
    if sorted(keys) != sorted(one.key) or (table.key and not keys):
        raise UsageError(f"{table.name} does not have one row for each row of its source, so it cannot be compared row by row")
    return table, one


def source_table(reader: Reader, captured: Captured) -> base.Table:
    """The source's table as it is now. PermanentFailure where it can no longer be compared."""
    for table in reader.tables():
        if table.id == (captured.database, captured.table):
            if table.error:
                raise PermanentFailure(f"{table.name}: {table.error}")
            if tuple(table.key) != captured.key:
                raise PermanentFailure(f"{table.name}: its key has changed in the source; {_AGAIN}")
            return table
    raise PermanentFailure(f"{captured.database}.{captured.table}: the source has no such table any more; silver keeps its rows")


def _compare(ours: Silver, theirs: Mirrored, log: _Log, most: int) -> Report:
    table, key, held = ours.table, ours.table.key, ours.held()
    here, there = _sums(ours.rows(), key), _sums(without(theirs.rows(), held, key), key)
    chunks = apart(there, here)
    looked = within(chunks, there, here, most)
    report = Report(table.name, theirs.source.name, there.rows, there.chunks)
    report = replace(report, quarantined=held.height, unlisted=len(chunks) - len(looked))
    if not looked:
        return report
    # Both are read again: a row that changed between the two readings of the source is settled by the log below.
    empty = frame(ours.schema.empty_table())
    source = _rows_in(without(theirs.rows(), held, key), empty, key, looked)
    silver = _rows_in(ours.rows(), empty, key, looked)
    found = differences(source, silver, key)
    if not found:
        return report
    log.refuse_unseen_whole()
    if not key:
        return replace(report, differences=tuple(found))
    places = [tuple(one.key[name] for name in key) for one in found]
    changed = log.changed(theirs, table, set(places))
    judged = [one for one, place in zip(found, places, strict=True) if place not in changed]
    return replace(report, differences=tuple(judged), behind=len(changed))


def _sums(rows: Iterable[pl.DataFrame], key: Sequence[str]) -> Sums:
    sums = Sums(key)
    for part in rows:
        sums.add(part)
    return sums


def _rows_in(rows: Iterable[pl.DataFrame], empty: pl.DataFrame, key: Sequence[str], chunks: Sequence[int]) -> pl.DataFrame:
    return together([rows_in(part, key, chunks) for part in (empty, *rows)], key)


@dataclass(frozen=True)
class _Log:
    """What the source has changed since silver was built, from bronze at `version`."""

    lake: Lake
    reader: Reader
    source: base.Table
    captured: Captured
    version: int

    def changed(self, theirs: Mirrored, table: Table, among: set[tuple[Any, ...]]) -> set[tuple[Any, ...]]:
        """Those of silver's keys whose rows changed. PermanentFailure where the log cannot tell."""
        if self.captured.mode == "snapshot":
            return set()
        facts = positions.facts(self.lake, self.captured.source)
        state = bronze.state(self.lake, self.captured.name, self.version, facts)
        since = reached(self.captured.name, state, facts, self.reader.later, self.version)
        if since is None or not state.complete:
            raise PermanentFailure(f"{self.source.name}: a new snapshot is under way; {_AGAIN}")
        keys: set[tuple[Any, ...]] = set()
        for change in self.reader.changes({self.source.id: since.position}):
            if isinstance(change, Reset | Failed):
                raise PermanentFailure(f"{self.source.name}: {change.why}; {_AGAIN}")
            if isinstance(change, Batch):
                for rows in (change.rows, *change.more):
                    keys |= theirs.keys(rows, table) & among
        return keys

    def refuse_unseen_whole(self) -> None:
        """A table that is read whole has no log that could tell what changed since."""
        if self.captured.mode != "snapshot":
            return
        facts = positions.facts(self.lake, self.captured.source)
        state = bronze.state(self.lake, self.captured.name, self.version, facts)
        if (state.position or {}).get("content") != self.reader.fingerprint(self.source):
            raise PermanentFailure(
                f"{self.source.name}: it has changed since silver was built, and has no log that tells which rows; {_AGAIN}"
            )
