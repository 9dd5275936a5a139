"""Publish: gold and the automatic mirrors, at one set of versions, become the next release of the warehouse.

A release is made in a copy of the last one, to which only changed rows are applied, and renamed into place when it is whole
(`warehouse/files.py` says how a kill at any instant ends). It stops, and the last release stays, when the last build recorded
a failed `fail` check, when a key is not unique, or when the disk is full.
"""

import errno
import logging
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa
from deltalake.exceptions import DeltaError

from lake.config import Settings
from lake.delta import Lake
from lake.errors import PermanentFailure
from lake.lock import hold
from warehouse import load
from warehouse.clones.shelf import releases_in_use
from warehouse.describe import Described, Pinned, pin, published
from warehouse.files import Shelf
from warehouse.gate import refuse_unfit
from warehouse.make import Job, Last, Progress, make, read_last
from warehouse.plan import Step, plan

log = logging.getLogger(__name__)

WAIT_SECONDS = 60.0
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class PublishReport:
    """`release` is None when there was nothing new (`reason` says so). `tables`: rows of each table of the release."""

    release: int | None
    tables: dict[str, int]
    seconds: float
    reason: str
    steps: tuple[Step, ...] = field(default=(), repr=False)

    @property
    def errors(self) -> dict[str, str]:
        """None ever: a release is whole, or it is not made."""
        return {}

    def rows(self) -> list[dict[str, Any]]:
        """A row for each table that was written; one row with the reason when none was."""
        written = [
            {"release": self.release, "table": step.name, "rows": self.tables.get(step.name), "how": step.how, "why": step.why}
            for step in self.steps
            if step.how != "keep" and self.release is not None
        ]
        return written or [{"release": self.release, "table": None, "rows": None, "how": "keep", "why": self.reason}]


def _silent(_what: str, _done: int, _total: int) -> None:
    """Nobody watches."""


def publish(
    settings: Settings, run: str | None = None, on_progress: Progress = _silent, *, scored: Mapping[str, Described] | None = None
) -> PublishReport:
    """Make the next release if anything changed. `scored` describes the gold tables that models write (ml.tables).

    TransientFailure while another publish or a build holds its lock; PermanentFailure when the release would be unfit.
    """
    from transforms import catalog, progress

    lake = Lake(settings.lake_root)
    with hold(settings.data, "publish", wait=WAIT_SECONDS):
        # A build moves the tables one after the other: wait for its end, then take them all.
        with hold(settings.data, "build", wait=WAIT_SECONDS):
            consumed = progress.load(lake)
            built = {table for table, _ in consumed}
            found = catalog.load(lake, built)
            mirrors = {captured.mirror for captured in found.captured.values()}
            pins = pin(lake, published(lake, {**(scored or {}), **found.tables}, mirrors, built))
            refuse_unfit(lake, pins, found.tables, consumed)
        return make_release(settings, lake, pins, run, on_progress)


def make_release(
    settings: Settings, lake: Lake, pins: Sequence[Pinned], run: str | None = None, on_progress: Progress = _silent
) -> PublishReport:
    """The release of these tables at these versions. The caller holds the lock `publish`."""
    started = time.monotonic()
    shelf = Shelf.of(settings)
    kept = shelf.numbers()
    with translated_for(shelf, kept[-1] if kept else None, "publish"):
        shelf.clean()
        last = read_last(shelf)
        steps = _decide(lake, last, pins)
        if all(step.how == "keep" for step in steps):
            shelf.keep(settings.warehouse.keep, releases_in_use(settings))
            reason = f"nothing new since release {last.number}" if last else "the lake has no gold tables yet; build first"
            return PublishReport(None, {}, time.monotonic() - started, reason, tuple(steps))
        number = last.releases[-1].number + 1 if last else 1
        try:
            rows, done = make(Job(settings, lake, shelf, last, pins, steps, number, run, on_progress))
            shelf.finish(number)
        except BaseException:
            shelf.give_up()
            raise
        shelf.keep(settings.warehouse.keep, releases_in_use(settings))
    changed = sum(step.how != "keep" for step in done)
    report = PublishReport(number, rows, time.monotonic() - started, f"{changed} tables changed", tuple(done))
    log.info("release %d: %d tables, %d rows, %s, %.2f s", number, len(rows), sum(rows.values()), report.reason, report.seconds)
    return report


def _decide(lake: Lake, last: Last | None, pins: Sequence[Pinned]) -> list[Step]:
    held = last.held if last else {}
    moved = [pin for pin in pins if pin.table.name in held and held[pin.table.name].commit != pin.commit]
    found = {}
    if moved:
        with duckdb.connect() as connection:
            found = {pin.table.name: load.find(connection, lake, pin, held[pin.table.name].version) for pin in moved}
    return plan(pins, held, found)


@contextmanager
def translated_for(shelf: Shelf, last: int | None, command: str) -> Iterator[None]:
    """Failures of the disk, DuckDB and delta-rs as one line that begins with the command.

    DuckDB has no error type for a full disk: it quotes the system.
    """
    stays = f"release {last} still serves" if last is not None else "there is no release yet"
    try:
        yield
    except (OSError, duckdb.Error, DeltaError, pa.ArrowException) as error:
        if getattr(error, "errno", None) in _FULL or any(os.strerror(code) in str(error) for code in _FULL):
            free = shutil.disk_usage(shelf.folder).free >> 20
            way_out = "free some space, or lower warehouse.keep"
            raise PermanentFailure(
                f"{command}: no room to write in {shelf.folder} ({free} MiB free); {way_out}; {stays}"
            ) from error
        if isinstance(error, duckdb.OutOfMemoryException):
            raise PermanentFailure(f"{command}: engine.memory is too small for it; raise it; {stays}") from error
        raise PermanentFailure(f"{command}: {' '.join(str(error).split())}; {stays}") from error
