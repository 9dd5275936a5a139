"""Bring silver and gold up to date with bronze: plan, do, record.

Every step is repeatable, and its progress is recorded after its commits, so a build that is killed only repeats work.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lake.config import Settings
from lake.crash import crash_point
from lake.delta import Lake
from lake.errors import CartlakeError, PermanentFailure, TransientFailure, UsageError, full_disk
from lake.lock import hold
from transforms import catalog, mirror, progress, quarantine, ref
from transforms import engine as engines
from transforms.declaration import Table, silver_of
from transforms.engine import Engine
from transforms.plan import PENDING, At, Days, Seen, Step, after, choose, decide, order, plan
from transforms.refusals import unknown_column
from transforms.report import BuildFailed, BuildReport, StepReport

if TYPE_CHECKING:
    from transforms.update import Done

__all__ = ["BuildFailed", "BuildReport", "Step", "build", "replay", "steps"]

logger = logging.getLogger(__name__)

OnStep = Callable[[Step, int, int], None]


def build(
    settings: Settings,
    select: Sequence[str] | None = None,
    full: bool = False,
    on_step: OnStep | None = None,
    *,
    between: Days | None = None,
    run: str | None = None,
    engine: Engine | None = None,
    declared: Mapping[str, Table] | None = None,
) -> BuildReport:
    """Bring the tables up to date: all, or those that `select` names (`T`, `+T`, `T+`), whole with `full`.

    With `between` the rows of these days, the last one included, are computed again in every table that has days (`dated`), and
    the other tables are left. `on_step(step, done, total)` is called before each step. An `engine` that is given is left running.
    `declared` stands in for the tables of this package. A table that fails stops only those that depend on it; BuildFailed is
    raised at the end. Raises TransientFailure while another build runs.
    """
    _refuse(full, between)
    with hold(settings.data, "build"):
        job = _Job(settings, declared, engine, run or uuid.uuid4().hex)
        try:
            return job.run(job.chosen(select), full, between, on_step)
        finally:
            job.close(engine)


def steps(
    settings: Settings,
    select: Sequence[str] | None = None,
    full: bool = False,
    *,
    between: Days | None = None,
    declared: Mapping[str, Table] | None = None,
) -> list[Step]:
    """What `build` would do now, and why."""
    _refuse(full, between)
    job = _Job(settings, declared, None, "")
    if ref.stale(job.lake, settings):
        job.at[ref.SHOP] = At(PENDING)
    return plan(job.tables, job.progress, job.at, chosen=job.chosen(select), full=full, between=between, unfit=job.unfit)


def replay(
    settings: Settings,
    select: Sequence[str] | None = None,
    on_step: OnStep | None = None,
    *,
    engine: Engine | None = None,
    declared: Mapping[str, Table] | None = None,
) -> BuildReport:
    """Judge the rows in quarantine again, of all tables or of those that `select` names: those that hold now go back.

    Each such table is computed as a whole, since what a row is today, its inputs say. Lines of files that are no records stay.
    """
    with hold(settings.data, "build"):
        job = _Job(settings, declared, engine, uuid.uuid4().hex)
        held = quarantine.tables(job.lake, job.tables)
        try:
            return job.run(job.chosen(select) & held.keys(), True, None, on_step)
        finally:
            job.close(engine)


def _refuse(full: bool, between: Days | None) -> None:
    if between and between[0] > between[1]:
        raise UsageError(f"the days from {between[0]} to {between[1]} are none: the first must not be after the last")
    if between and full:
        raise UsageError("a backfill of days computes these days alone, and --full all of them: choose one")


class _Job:
    """One build. The versions of what it reads are fixed when it begins."""

    def __init__(self, settings: Settings, declared: Mapping[str, Table] | None, engine: Engine | None, run: str) -> None:
        self.settings, self.engine = settings, engine
        self.lake = Lake(settings.lake_root)
        self.progress: dict[tuple[str, str], Seen] = progress.load(self.lake)
        found = catalog.load(self.lake, {table for table, _ in self.progress}, declared)
        self.tables, self.unfit, self.at, self.captured = found.tables, found.unfit, found.at, found.captured
        self.report = BuildReport(run)

    def chosen(self, select: Sequence[str] | None) -> set[str]:
        """Names of the tables that a selection means; without one all of them."""
        return choose(self.tables, select) if select else set(self.tables)

    def close(self, given: Engine | None) -> None:
        """Stop the engine, unless it was given."""
        if given is None and self.engine is not None:
            self.engine.stop()

    def run(self, chosen: Collection[str], full: bool, between: Days | None, on_step: OnStep | None) -> BuildReport:
        began = time.monotonic()
        if any(ref.SHOP in table.inputs for table in self.tables.values()):
            self.at[ref.SHOP] = At(ref.refresh(self.lake, self.settings))
        names = [name for name in order(self.tables) if name in chosen]
        stopped: set[str] = set()
        for done, name in enumerate(names):
            table = self.tables[name]
            step = after(table, stopped, self.unfit) or decide(table, self.progress, self.at, full=full, between=between)
            if on_step:
                on_step(step, done, len(names))
            report = self._do(table, step)
            self.report.steps.append(report)
            if report.error or any(read in stopped for read in table.depends):
                stopped.add(name)
        return self._finish(began)

    def _do(self, table: Table, step: Step) -> StepReport:
        began = time.monotonic()
        if step.how == "skip":
            return StepReport(table.name, "skip", step.why, rows=self._rows(table.name))
        if step.how == "refused":
            return StepReport(table.name, step.how, step.why, rows=self._rows(table.name), error=f"{table.name}: {step.why}")
        try:
            report = self._mirrored(table, step) or self._act(table, step)
        except TransientFailure:
            raise
        except CartlakeError as error:
            self._record_broken(table, error)
            report = StepReport(table.name, step.how, step.why, error=str(error))
        except Exception as error:
            failure = full_disk(error) or (self.engine.explain(error) if self.engine is not None else error)
            if isinstance(failure, TransientFailure):
                raise failure from error
            logger.debug("%s failed", table.name, exc_info=True)
            report = StepReport(table.name, step.how, step.why, error=f"{table.name} ({table.file}): {failure}")
        seconds = time.monotonic() - began
        logger.info("%s: %s, %d of %d rows changed, %.2f s", table.name, report.how, report.changed, report.rows, seconds)
        return report.timed(seconds)

    def _mirrored(self, table: Table, step: Step) -> StepReport | None:
        """A mirror kept by its changes alone needs no engine; None where the engine must do it."""
        if step.how != "by_key" or table.file != mirror.FILE:
            return None
        from transforms.inputs import TooMuch
        from transforms.mirror_update import update
        from transforms.quarantine import Scope
        from transforms.update import Done

        try:
            written = update(self.lake, table, step, self.at[table.driving])
        except TooMuch as reason:
            return self._act(table, replace(step, how="rebuild", why=str(reason)))
        return self._done(table, Done(step.how, step.why, written, Scope(table.key)))

    def _act(self, table: Table, step: Step) -> StepReport:
        # Imported here: a build with nothing new needs neither polars nor Spark's client.
        from transforms.inputs import Inputs
        from transforms.update import Update

        if self.engine is None:
            self.engine = engines.start(self.settings)
        inputs = Inputs(self.engine, self.lake, self.captured, self.at)
        wrong = unknown_column(table, self._columns(table))
        if wrong:
            raise PermanentFailure(wrong)
        done = Update(table, inputs, self.tables).run(step)
        crash_point("transforms.committed")
        quarantine.settle(table, inputs, done.written, done.scope)
        return self._done(table, done)

    def _done(self, table: Table, done: Done) -> StepReport:
        """Record what a step that is committed has consumed."""
        quarantine.record(self.lake, table, done.written, self.report.run)
        crash_point("transforms.settled")
        consumed = {name: self.at[name] for name in table.inputs}
        progress.record(self.lake, table.name, consumed, table.fingerprint, self.report.run)
        self.progress |= {(table.name, name): Seen(at.version, at.generation, table.fingerprint) for name, at in consumed.items()}
        self.at[table.name] = At(self.lake.version(table.name))
        warned = {rule.name: done.written.broken.get(rule.name, 0) for rule in table.rules if rule.level == "warn"}
        return StepReport(
            table.name,
            done.how,
            done.why,
            self._rows(table.name),
            done.written.changed,
            warned={name: n for name, n in warned.items() if n},
        )

    def _columns(self, table: Table) -> dict[str, list[str]]:
        """The columns of inputs that are tables themselves; of a change log those of its silver table."""
        found = {name: silver_of(name) or name for name in table.inputs if not name.startswith("bronze.")}
        return {name: self.lake.schema(there).names for name, there in found.items() if there in self.at}

    def _record_broken(self, table: Table, error: CartlakeError) -> None:
        """A rule of level fail leaves its counts, though nothing was written: they keep a publish from going on."""
        from transforms.write import RuleBroken

        if isinstance(error, RuleBroken):
            quarantine.record(self.lake, table, error.written, self.report.run)

    def _rows(self, name: str) -> int:
        return self.lake.count(name) if name in self.at else 0

    def _finish(self, began: float) -> BuildReport:
        if any(step.how != "skip" for step in self.report.steps):
            progress.compact(self.lake)
        self.report.quarantined = quarantine.counts(self.lake)
        self.report.engine = self.engine.name if self.engine else ""
        self.report.seconds = time.monotonic() - began
        if self.report.errors:
            raise BuildFailed(self.report)
        return self.report
