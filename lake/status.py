"""How each captured table stands: how many rows, how far behind its source, and what keeps it from going on.

What the lake knows is told even while a source cannot be reached; its rows then say so.
"""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from lake import bronze, positions
from lake.bronze import Captured, State
from lake.capture import open_reader
from lake.config import Settings
from lake.delta import Lake
from lake.errors import CartlakeError, PermanentFailure, UsageError
from lake.positions import Fact
from lake.reached import reached
from lake.sources.base import SOURCE_TS, Mode, Position, Reader

_ORDERS = (1 << bronze.EPOCH_BITS) - 1
Standing = Literal["ok", "paused", "failed", "unfinished", "unreachable", "not configured"]


@dataclass(frozen=True)
class TableStatus:
    """One captured table.

    `rows`: of the last snapshot, and what was created and deleted since. `bronze_rows`: rows that bronze holds, each change one.
    `last_change`: the source's clock at the last change. `last_capture`: when bronze last went on. `lag_seconds`: since the first
    change that is not captured yet; `lag_bytes`: of log since then; `files_waiting`: new files, and those that have changed. None
    stands for what is not known.
    """

    source: str
    table: str
    mode: Mode
    state: Standing
    rows: int | None
    bronze_rows: int
    last_change: datetime | None
    last_capture: datetime | None
    lag_seconds: float | None = None
    lag_bytes: int | None = None
    files_waiting: int | None = None
    error: str = ""

    def row(self) -> dict[str, Any]:
        """For people to read: times in UTC, to the second."""
        times = {
            name: t and t.astimezone(UTC).replace(microsecond=0, tzinfo=None)
            for name, t in (("last_change", self.last_change), ("last_capture", self.last_capture))
        }
        seconds = None if self.lag_seconds is None else round(self.lag_seconds, 1)
        return {**asdict(self), **times, "lag_seconds": seconds}


@dataclass(frozen=True)
class _Known:
    """One table as the lake knows it."""

    captured: Captured
    state: State
    facts: Sequence[Fact]
    status: TableStatus

    def resume(self, later: Callable[[Position, Position], Position]) -> Position | None:
        """Where its changes would go on; None for a table whose changes are not followed."""
        found = reached(self.captured.name, self.state, self.facts, later) if self.captured.mode == "cdc" else None
        return found.position if found else None


def status(settings: Settings, source: str | None = None, *, beside_source: bool = True) -> list[TableStatus]:
    """Every captured table, of one source or of all. Nothing is written, and no lock is taken.

    Without `beside_source` no source is asked how far behind the lake is: what is said is the lake's own knowledge.
    """
    if source is not None and source not in settings.sources:
        raise UsageError(f"no source is named {source!r}; there are: {', '.join(settings.sources) or 'none'}")
    lake = Lake(settings.lake_root)
    by_source: dict[str, list[Captured]] = {}
    for table in bronze.captured(lake):
        if source in (None, table.source):
            by_source.setdefault(table.source, []).append(table)
    with ThreadPoolExecutor(max(1, len(by_source)), thread_name_prefix="status") as pool:
        found = pool.map(lambda name: _of_source(settings, lake, name, by_source[name], beside_source), by_source)
        return [table for tables in found for table in tables]


def _of_source(settings: Settings, lake: Lake, name: str, tables: Sequence[Captured], beside_source: bool) -> list[TableStatus]:
    facts = positions.facts(lake, name)
    known = [_known(lake, table, facts) for table in tables]
    if not beside_source:
        return [one.status for one in known]
    if name not in settings.sources:
        return [replace(one.status, state="not configured") for one in known]
    try:
        if settings.sources[name].kind == "files":
            return _files(settings, lake, name, known)
        return _beside_the_source(settings, name, known)
    except CartlakeError as error:
        state: Standing = "failed" if isinstance(error, PermanentFailure) else "unreachable"
        return [replace(one.status, state=state, error=str(error)) for one in known]


def _known(lake: Lake, table: Captured, facts: Sequence[Fact]) -> _Known:
    state = bronze.state(lake, table.name, known=facts)
    failures, latest = positions.failures(facts), positions.reached_last(facts).get(table.name)
    failure = failures.get(table.name, failures.get(""))
    error = str(failure.position.get("error", "")) if failure else ""
    standing: Standing = "ok" if state.complete else "unfinished"
    if error:
        standing = "failed"
    if table.name in positions.paused(facts):
        standing = "paused"
    count, changed, written = _bounds(lake, table.name)
    captures = [moment for moment in (written, latest and latest.recorded_at) if moment]
    return _Known(
        table,
        state,
        facts,
        TableStatus(
            table.source,
            f"{table.database}.{table.table}",
            table.mode,
            standing,
            (state.position or {}).get("rows"),
            count,
            changed,
            max(captures, default=None),
            error=error,
        ),
    )


def _bounds(lake: Lake, name: str) -> tuple[int, datetime | None, datetime | None]:
    """Rows of a bronze table, the latest change and the latest capture among them, from the statistics in its log."""
    if not lake.exists(name):
        return 0, None, None
    actions = pa.table(lake.open(name).get_add_actions(flatten=True))
    if not actions.num_rows:
        return 0, None, None
    latest = [
        pc.max(actions.column(f"max.{column}")).as_py() if f"max.{column}" in actions.column_names else None
        for column in (SOURCE_TS, "_ingested_at")
    ]
    return sum(actions.column("num_records").to_pylist()), latest[0], latest[1]


def _files(settings: Settings, lake: Lake, name: str, known: Sequence[_Known]) -> list[TableStatus]:
    """The tables with the number of files that are new or have changed since they were read."""
    from lake import capture_files, files_seen
    from lake.sources.files import folder as files

    folder = capture_files.folder_of(settings, settings.sources[name])
    try:
        present = files.tables(folder)
    except OSError as error:
        raise PermanentFailure(f"source {name}: {folder}: {error.strerror}; make it, or correct the source's url") from error
    facts = files_seen.load(lake, name)
    found = []
    for one in known:
        mine = [fact for fact in facts if fact.seen.table == one.captured.name]
        last = {seen.file: seen for seen in files_seen.holding(mine, one.state.sequence & _ORDERS)}
        here = present.get((one.captured.database, one.captured.table), [])
        waiting = sum(not files_seen.unchanged(file, last.get(file.name), settled=False) for file in here)
        # Each row of a file is one row for good.
        found.append(replace(one.status, rows=one.status.bronze_rows, files_waiting=waiting))
    return found


def _beside_the_source(settings: Settings, name: str, known: Sequence[_Known]) -> list[TableStatus]:
    """The tables with their lags; a source that cannot be read at all raises its failure."""
    url = settings.url(name)
    # The first change tells how far behind it all is, so nothing beyond it is read.
    few = settings.model_copy(update={"capture": settings.capture.model_copy(update={"batch_rows": 1})})
    reader = open_reader(few, name, url)
    try:
        found = []
        lags: dict[str, tuple[float | None, int | None]] = {}
        for one in known:
            position = one.resume(reader.later)
            if position is None:
                found.append(one.status)
                continue
            place = json.dumps(position, sort_keys=True)
            try:
                if place not in lags:
                    lags[place] = _lag(settings, name, url, reader, known, position)
            except PermanentFailure as error:  # of this position, not of the source: the other tables may go on
                found.append(replace(one.status, state="failed", error=str(error)))
                continue
            seconds, size = lags[place]
            found.append(replace(one.status, lag_seconds=seconds, lag_bytes=size))
        return found
    finally:
        reader.close()


def _lag(
    settings: Settings, name: str, url: str, reader: Reader, known: Sequence[_Known], position: Position
) -> tuple[float | None, int | None]:
    if settings.sources[name].kind == "mysql":
        from lake.sources.mysql import lag as mysql_lag
        from lake.sources.mysql.connect import server_of

        return mysql_lag.lag(server_of(settings.sources[name], url), position, reader.position())
    from lake.sources.mongodb import lag as mongodb_lag

    here = [(one.captured.database, one.captured.table) for one in known if one.resume(reader.later) == position]
    return mongodb_lag.lag(reader, here, position), None
