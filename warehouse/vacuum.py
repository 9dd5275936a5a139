"""Vacuum: what is removed from the lake is what no kept release, clone, build or model needs.

A clone's files are links of their own, so only its release matters, and that stays on the shelf. A kept release needs its Delta
versions; the newest one also what came after it, which the next publish applies; a build needs what came after the version of
each input that a table consumed last; and a model the versions that it was trained on, to be trained again.
"""

import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
from deltalake.exceptions import DeltaError

from lake import vacuum as files
from lake.config import Settings
from lake.delta import Lake, split
from lake.errors import PermanentFailure, TransientFailure
from lake.lock import hold
from warehouse.clones.shelf import purge
from warehouse.files import Shelf
from warehouse.make import Progress

log = logging.getLogger(__name__)
WAIT_SECONDS = 60.0
TRAININGS = "meta.model_trainings"  # what ml/ remembers of each training
_SOURCE_WAIT_SECONDS = 10.0
TrainedOn = Callable[[], Iterable[tuple[str, int]]]  # (table, Delta version)


@dataclass(frozen=True)
class Needed:
    """Of one table: versions that must stay readable, and the one after which everything must."""

    keep: frozenset[int]
    since: int


@dataclass
class VacuumReport:
    """What was removed from each table, the dropped clones that are gone for good, and sources that were being captured."""

    tables: dict[str, files.Removed] = field(default_factory=dict)
    clones: list[str] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def rows(self) -> list[dict[str, Any]]:
        """A row for each table that something was removed from, and for each clone."""
        found = [
            {"removed": name, "files": gone.files, "bytes": gone.bytes, "log_entries": gone.entries}
            for name, gone in self.tables.items()
        ]
        return found + [{"removed": f"clone {name}", "files": None, "bytes": None, "log_entries": None} for name in self.clones]


def vacuum(
    settings: Settings, *, trained_on: TrainedOn = tuple, dry_run: bool = False, on_progress: Progress = lambda *_: None
) -> VacuumReport:
    """Remove what has not been needed for `warehouse.retention_days`. `trained_on` tells what the models in use were trained on;
    it is asked once nobody can train.

    TransientFailure while a publish, a build or a training is at work. The bronze tables of a source that is being captured are
    left alone and named in `errors`, and so is a table that cannot be read; the others are done. A kill at any instant leaves
    everything that is needed.
    """
    started, report, lake = time.monotonic(), VacuumReport(), Lake(settings.lake_root)
    hours = settings.warehouse.retention_days * 24
    with ExitStack() as locks:
        for name in ("publish", "build", "train"):
            locks.enter_context(hold(settings.data, name, wait=WAIT_SECONDS))
        report.clones = purge(settings, dry_run=dry_run)
        needed = protected(settings, lake, trained_on())
        # What is below ref/ may come from anywhere, and is its owner's to look after.
        layers = sorted(folder.name for folder in Path(lake.root).glob("*/") if folder.name != "ref")
        names = [name for layer in layers for name in lake.names(layer)]
        with _captures_held(settings, report) as busy:
            for index, name in enumerate(names):
                on_progress("tables", index, len(names))
                if split(name)[:2] in busy:
                    continue
                try:
                    at = needed.get(name) or Needed(frozenset(), lake.version(name))
                    removed = files.vacuum(lake, name, keep=at.keep, since=at.since, hours=hours, dry_run=dry_run)
                except (PermanentFailure, DeltaError, OSError) as error:
                    report.errors[name] = " ".join(str(error).split())
                    continue
                if removed != files.Removed():
                    report.tables[name] = removed
        on_progress("tables", len(names), len(names))
    report.seconds = time.monotonic() - started
    return report


def protected(settings: Settings, lake: Lake, trained_on: Iterable[tuple[str, int]] = ()) -> Mapping[str, Needed]:
    """What is needed of each table that somebody stands on. The caller holds the locks of build and publish."""
    keep: dict[str, set[int]] = {}
    since: dict[str, int] = {}
    for name, version in (*_trained_on(settings, lake), *trained_on):
        keep.setdefault(name, set()).add(version)
    for name, version in _consumed(lake):
        since[name] = min(version, since.get(name, version))
    numbers = Shelf.of(settings).numbers()
    for name, number, version in _released(settings, numbers):
        keep.setdefault(name, set()).add(version)
        if number == numbers[-1]:
            since[name] = min(version, since.get(name, version))
    return {
        name: Needed(frozenset(keep.get(name, ())), since.get(name, lake.version(name)))
        for name in {*keep, *since}
        if lake.exists(name)
    }


def _consumed(lake: Lake) -> Iterator[tuple[str, int]]:
    """(Input, version) that each table consumed last, and the versions that the next build begins from."""
    from transforms import catalog, progress
    from transforms.declaration import silver_of

    seen = progress.load(lake)
    found = catalog.load(lake, {table for table, _ in seen})
    facts = [(name, at.version) for (table, name), at in seen.items() if table in found.tables]
    for name, version in [*facts, *((name, at.version) for name, at in found.at.items())]:
        typing = found.tables.get(silver_of(name))  # a change log is read from the bronze table behind it
        yield (typing.driving if typing else name), version


def _trained_on(settings: Settings, lake: Lake) -> Iterator[tuple[str, int]]:
    """(Table, version) that each model's last `ml.keep` trainings read, so that they can be done again."""
    if not lake.exists(TRAININGS):
        return
    by_model: dict[str, list[str]] = {}
    for row in sorted(lake.read(TRAININGS).to_pylist(), key=lambda row: row["trained_at"]):
        by_model.setdefault(row["model"], []).append(row["versions"])
    for trainings in by_model.values():
        for versions in trainings[-settings.ml.keep :]:
            yield from json.loads(versions).items()


def _released(settings: Settings, numbers: list[int]) -> list[tuple[str, int, int]]:
    """(Table, release, Delta version) of every release that is on the shelf."""
    if not numbers:
        return []
    with duckdb.connect(str(Shelf.of(settings).file(numbers[-1])), read_only=True) as connection:
        rows = connection.execute('SELECT "table", release, delta_version FROM meta.release_tables').fetchall()
    return [(row[0], row[1], row[2]) for row in rows if row[1] in numbers]


@contextmanager
def _captures_held(settings: Settings, report: VacuumReport) -> Iterator[list[list[str]]]:
    """Hold every source's lock; yields the first parts of the bronze tables whose source is at work."""
    busy = []
    with ExitStack() as locks:
        for name in settings.sources:
            try:
                locks.enter_context(hold(settings.data, f"source-{name}", wait=_SOURCE_WAIT_SECONDS))
            except TransientFailure as error:
                # A first snapshot may take longer than the retention, and what it has staged is in no commit yet.
                log.warning("the bronze tables of %s are left alone: %s", name, error)
                report.errors[f"bronze.{name}"] = str(error)
                busy.append(["bronze", name])
        yield busy
