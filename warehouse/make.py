"""Writing the file of a release: in a copy of the last one to which only changed rows are applied, or afresh."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb

from lake.config import Settings
from lake.crash import crash_point
from lake.delta import Lake
from warehouse import course, duck, load, release
from warehouse.describe import Pinned, Published, literal
from warehouse.files import Shelf
from warehouse.plan import Held, Step

log = logging.getLogger(__name__)
Progress = Callable[[str, int, int], None]

# A file that outgrew what it would be if made afresh is made afresh. The must is 1.3; the size of a fresh file is estimated
# from the last one and the rows since, so stop short of it. Slack: blocks of a small file are mostly air.
BLOAT = 1.2
BLOAT_SLACK = 4 * 2**20


@dataclass(frozen=True)
class Last:
    """What the last release is: its number, its tables, and what its file tells about sizes."""

    number: int
    held: Mapping[str, Held]
    releases: Sequence[release.Release]

    def outgrown(self, size: int, rows: int) -> bool:
        """Whether a file of `size` bytes for `rows` rows is much more than the same made afresh."""
        fresh = next((made for made in reversed(self.releases) if made.whole), None)
        return fresh is None or size > BLOAT * fresh.file_bytes * rows / max(fresh.rows, 1) + BLOAT_SLACK


def read_last(shelf: Shelf) -> Last | None:
    kept = shelf.numbers()
    if not kept:
        return None
    with duckdb.connect(str(shelf.file(kept[-1])), read_only=True) as connection:
        return Last(kept[-1], release.read_held(connection), release.read_releases(connection))


@dataclass(frozen=True)
class Job:
    settings: Settings
    lake: Lake
    shelf: Shelf
    last: Last | None
    pins: Sequence[Pinned]
    steps: Sequence[Step]
    number: int
    run: str | None
    on_progress: Progress


def make(job: Job) -> tuple[dict[str, int], list[Step]]:
    """Write the building file; rows of each table, and the steps with how they went."""
    afresh = job.last is None or _will_outgrow(job.last, job.steps)
    rows, done, size = _write(job, afresh)
    if job.last is not None and not afresh and job.last.outgrown(size, sum(rows.values())):
        log.info("release %d: its file has outgrown its rows (%d MiB), making it afresh", job.number, size >> 20)
        job.shelf.discard()
        rows, done, _ = _write(job, afresh=True)
    return rows, done


def _will_outgrow(last: Last, steps: Sequence[Step]) -> bool:
    """A table that is replaced leaves its old blocks behind in a copied file."""
    newest = last.releases[-1]
    replaced = sum(last.held[step.name].rows for step in steps if step.how in ("whole", "drop") and step.name in last.held)
    return last.outgrown(newest.file_bytes + newest.file_bytes * replaced // max(newest.rows, 1), newest.rows)


def _write(job: Job, afresh: bool) -> tuple[dict[str, int], list[Step], int]:
    """One pass over the tables, in a copy of the last file or in a fresh one filled from it; also the file's size."""
    job.shelf.start(None if afresh or job.last is None else job.last.number)
    rows: dict[str, int] = {}
    done: list[Step] = []
    by_name = {pin.table.name: pin for pin in job.pins}
    engine = job.settings.engine
    with duck.open_database(job.shelf.building, memory=engine.memory, threads=engine.cores) as connection:
        release.prepare(connection, {pin.table.schema for pin in job.pins})
        if afresh and job.last is not None:
            connection.execute(f"ATTACH {literal(str(job.shelf.file(job.last.number)))} AS previous (READ_ONLY)")
            release.copy_history(connection)
        for index, step in enumerate(job.steps):
            job.on_progress("tables", index, len(job.steps))
            if step.how == "drop":
                if not afresh:
                    connection.execute(f"DROP TABLE {Published(step.name).sql_name}")
            else:
                pin = by_name[step.name]
                if afresh and step.how == "keep":
                    load.copy_table(connection, "previous", pin.table)
                if afresh and step.how == "changes":
                    # Deleting rows would leave holes in a file that is made to have none.
                    step = replace(step, how="whole", why="the file is made afresh, having outgrown its rows")
                rows[step.name], step = _bring(connection, job, pin, step)
            done.append(step)
            crash_point("publish.table")
        job.on_progress("tables", len(job.steps), len(job.steps))
        course.make_views(connection)
        release.record(connection, job.pins, rows, job.number, job.run, whole=afresh)
        crash_point("publish.applied")
        connection.execute("CHECKPOINT")
        size = job.shelf.building.stat().st_size
        release.record_size(connection, job.number, size)
        connection.execute("CHECKPOINT")
    crash_point("publish.checked")
    return rows, done, size


def _bring(connection: duckdb.DuckDBPyConnection, job: Job, pin: Pinned, step: Step) -> tuple[int, Step]:
    if step.how == "whole":
        return load.load_whole(connection, job.lake, pin), step
    if step.how == "changes":
        rows, how, why = load.apply_changes(connection, job.lake, pin, step.since)
        return rows, replace(step, how=how, why=why)
    return load.count(connection, pin.table.sql_name), step
