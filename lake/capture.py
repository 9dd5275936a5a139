"""Capture: bring bronze up to the present position of every source, once per call or for as long as it runs."""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from fnmatch import fnmatchcase

from lake import bronze, positions, present
from lake.capture_report import CaptureReport, Progress, TableReport, quiet
from lake.capture_run import Orders, Run
from lake.config import Settings
from lake.delta import Lake
from lake.errors import CartlakeError, PermanentFailure, TransientFailure, UsageError
from lake.lock import hold
from lake.sources.base import Reader

__all__ = ["CaptureReport", "TableReport", "capture", "open_reader", "pause", "resume"]

logger = logging.getLogger(__name__)

_FIRST_DELAY = 0.5  # seconds before a transient failure is tried again; doubled each time


def capture(
    settings: Settings,
    source: str | None = None,
    *,
    resnapshot: Sequence[str] = (),
    allow_shrink: bool = False,
    on_progress: Progress = quiet,
) -> CaptureReport:
    """Read each source, or one, to the position that is current at its start, and commit what is new.

    `resnapshot` are patterns such as "softcart.*" of tables to read anew in whole. A table whose new snapshot has fewer rows than
    `capture.shrink` percent of its last load is refused unless `allow_shrink`. A table that fails is in the report with its
    error, and the others go on; a source that cannot be read at all raises its failure once the other sources are done. What may
    pass by itself is tried again, `capture.retries` times.
    """
    names, started = chosen_sources(settings, source), time.monotonic()
    orders = Orders(resnapshot, 0 if allow_shrink else settings.capture.shrink)
    with ThreadPoolExecutor(max_workers=max(1, len(names)), thread_name_prefix="capture") as pool:
        running = [pool.submit(_capture_one, settings, name, orders, on_progress) for name in names]
    failures = [error for error in (run.exception() for run in running) if error is not None]
    if failures:
        # An error of ours has its way out in it; any other is a bug, and hides behind nothing.
        raise next((error for error in failures if not isinstance(error, CartlakeError)), failures[0])
    return CaptureReport(tuple(table for run in running for table in run.result()), time.monotonic() - started)


def pause(settings: Settings, patterns: Sequence[str], source: str | None = None) -> list[str]:
    """Leave captured tables that match ("softcart.orders", "softcart.*") as they are until `resume`; returns their names."""
    return _tell(settings, "paused", patterns, source)


def resume(settings: Settings, patterns: Sequence[str], source: str | None = None) -> list[str]:
    """Let paused tables go on from where they stopped; returns their names. What the source's log no longer has is told then."""
    return _tell(settings, "resumed", patterns, source)


def chosen_sources(settings: Settings, source: str | None) -> list[str]:
    """The source's name, or all. UsageError for a name that no source has, or a URL that is not set."""
    if source is not None and source not in settings.sources:
        raise UsageError(f"no source is named {source!r}; there are: {', '.join(settings.sources) or 'none'}")
    names = [source] if source is not None else list(settings.sources)
    for name in names:
        settings.url(name)
    return names


def open_reader(settings: Settings, name: str, url: str) -> Reader:
    """Connect to a source by its kind and mode."""
    source, limits = settings.sources[name], settings.capture
    if source.kind == "mysql" and source.mode == "cursor":
        from lake.sources.mysql.cursor import MySQLCursor

        return MySQLCursor(source, url, limits, present.difference(Lake(settings.lake_root), name))
    if source.kind == "mysql":
        from lake.sources.mysql.reader import MySQL

        return MySQL(source, url, limits)
    if source.kind == "files":
        raise UsageError(f"source {name}: a folder of files cannot be asked again; only databases are compared with the lake")
    from lake.sources.mongodb.reader import MongoDB

    return MongoDB(name, url, (limits.chunk_rows, limits.batch_rows, limits.batch_bytes))


def retried(work: Callable[[], list[TableReport]], retries: int) -> list[TableReport]:
    """What `work` gives; after a TransientFailure it is tried again, `retries` times, with growing delays."""
    for attempt in range(retries):
        try:
            return work()
        except TransientFailure as error:
            delay = _FIRST_DELAY * 2**attempt
            logger.warning("%s; trying again in %.1f s", error, delay)
            time.sleep(delay)
    return work()


def _capture_one(settings: Settings, name: str, orders: Orders, on_progress: Progress) -> list[TableReport]:
    lake, source = Lake(settings.lake_root), settings.sources[name]

    def once() -> list[TableReport]:
        if source.kind == "files":
            from lake.capture_files import capture_files

            return capture_files(lake, source, settings, on_progress)
        with closing(open_reader(settings, name, settings.url(name))) as reader:
            return Run(lake, source, reader, orders, on_progress).all()

    with hold(settings.data, f"source-{name}"):
        try:
            return retried(once, settings.capture.retries)
        except (PermanentFailure, TransientFailure) as error:
            _record_failure(lake, name, str(error))
            raise


def _record_failure(lake: Lake, name: str, error: str) -> None:
    """Keep why the whole source could not be read, for `cartlake status`; once, however often it is met."""
    known = positions.facts(lake, name)
    last = positions.failures(known).get("")
    if last is None or last.position.get("error") != error:
        positions.record(lake, name, "failed", {}, {"error": error}, number=positions.next_number(known))


def _tell(settings: Settings, kind: positions.Kind, patterns: Sequence[str], source: str | None) -> list[str]:
    lake = Lake(settings.lake_root)
    tables = [table for table in bronze.captured(lake) if source in (None, table.source)]
    chosen = []
    for pattern in patterns:
        matches = [table for table in tables if fnmatchcase(f"{table.database}.{table.table}", pattern)]
        if not matches:
            names = ", ".join(f"{table.database}.{table.table}" for table in tables[:20]) or "none"
            raise UsageError(f"no captured table matches {pattern!r}; there are: {names}")
        chosen += matches
    for name in sorted({table.source for table in chosen}):
        with hold(settings.data, f"source-{name}", wait=60):
            known = positions.facts(lake, name)
            named = {
                table.name: bronze.state(lake, table.name, known=known).generation for table in chosen if table.source == name
            }
            positions.record(lake, name, kind, named, {}, number=positions.next_number(known))
    return sorted({table.name for table in chosen})
