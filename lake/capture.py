"""Capture: bring bronze up to the present position of every source, once per call."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from lake.capture_report import CaptureReport, Progress, TableReport, quiet
from lake.capture_run import Run
from lake.config import Settings
from lake.delta import Lake
from lake.errors import CartlakeError, UsageError
from lake.lock import hold
from lake.sources.base import Reader

__all__ = ["CaptureReport", "TableReport", "capture"]


def capture(
    settings: Settings, source: str | None = None, *, resnapshot: Sequence[str] = (), on_progress: Progress = quiet
) -> CaptureReport:
    """Read each source, or one, to the position that is current at its start, and commit what is new.

    `resnapshot` are patterns such as "softcart.*" of tables to read anew in whole. A table that fails is in the report with its
    error, and the others go on; a source that cannot be read at all raises its failure once the other sources are done.
    """
    if source is not None and source not in settings.sources:
        raise UsageError(f"no source is named {source!r}; there are: {', '.join(settings.sources) or 'none'}")
    names = [source] if source is not None else list(settings.sources)
    urls = {name: settings.url(name) for name in names}
    started = time.monotonic()
    with ThreadPoolExecutor(max_workers=max(1, len(names)), thread_name_prefix="capture") as pool:
        running = [pool.submit(_capture_one, settings, name, urls[name], resnapshot, on_progress) for name in names]
    failures = [error for error in (run.exception() for run in running) if error is not None]
    if failures:
        # An error of ours has its way out in it; any other is a bug, and hides behind nothing.
        raise next((error for error in failures if not isinstance(error, CartlakeError)), failures[0])
    return CaptureReport(tuple(table for run in running for table in run.result()), time.monotonic() - started)


def _capture_one(settings: Settings, name: str, url: str, resnapshot: Sequence[str], on_progress: Progress) -> list[TableReport]:
    with hold(settings.data, f"source-{name}"):
        reader = open_reader(settings, name, url)
        try:
            return Run(Lake(settings.lake_root), settings.sources[name], reader, resnapshot, on_progress).all()
        finally:
            reader.close()


def open_reader(settings: Settings, name: str, url: str) -> Reader:
    """Connect to a source by its kind."""
    source, limits = settings.sources[name], settings.capture
    numbers = (limits.chunk_rows, limits.batch_rows, limits.batch_bytes)
    if source.kind == "mysql":
        from lake.sources.mysql import MySQL

        return MySQL(name, url, source.time_zone, numbers)
    from lake.sources.mongodb import MongoDB

    return MongoDB(name, url, numbers)
