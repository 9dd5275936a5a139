"""Scoring: every champion's answers on gold as it is now, written to gold, and what monitoring finds in them.

No Java is in the path: a champion is loaded as its `Served`, in this process.
"""

import logging
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from lake.config import Settings
from lake.crash import crash_point
from ml.child import Progress
from ml.errors import TooLittleData
from ml.life import facts
from ml.model import Model, Scored, models
from ml.reader import Gold
from ml.serving import fresh
from ml.train import today_of

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

    from lake.delta import Lake
    from ml.life.champion import Champion

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Written:
    """A table that a model filled: rows it has now, and how many of them differ from before."""

    table: str
    model: str
    version: int
    rows: int
    changed: int


@dataclass
class ScoreReport:
    """What was written, who had nothing to answer from, what monitoring found, and the models that it wants trained again."""

    written: list[Written] = field(default_factory=list)
    waiting: dict[str, str] = field(default_factory=dict)
    alerts: list[str] = field(default_factory=list)
    retrain: dict[str, str] = field(default_factory=dict)
    watched: date | None = None  # the last day that monitoring measured
    errors: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def rows(self) -> list[dict[str, Any]]:
        """A row for each table written and each model that waits, for people to read."""
        done = [
            {"table": w.table, "model": w.model, "version": w.version, "rows": w.rows, "changed": w.changed, "why": None}
            for w in self.written
        ]
        none = dict.fromkeys(("version", "rows", "changed"))
        waiting = [{"table": None, "model": name, **none, "why": reason} for name, reason in self.waiting.items()]
        alerts = [{"table": "gold.model_monitoring", "model": None, **none, "why": alert} for alert in self.alerts]
        again = [
            {"table": None, "model": name, **none, "why": f"cartlake ml train {name} is asked for by {because}"}
            for name, because in self.retrain.items()
        ]
        return done + waiting + alerts + again


def score(settings: Settings, on_progress: Progress | None = None, now: datetime | None = None) -> ScoreReport:
    """Write the answers of every champion as of the last complete day, and the day's monitoring.

    Doing it again on the same day with the same data commits nothing; with other data, it replaces the day's rows. A model that
    fails is named in `errors`, and the others are done.
    """
    from lake.delta import Lake
    from lake.lock import hold
    from ml.life.champion import champions

    began, today, report = time.monotonic(), today_of(settings, now), ScoreReport()
    lake, known = Lake(settings.lake_root), models()
    with hold(settings.data, "train", wait=600):
        holders: dict[str, Champion] = {}
        for done, (name, model) in enumerate(known.items()):
            if on_progress:
                on_progress("models", done, len(known))
            with _alone(name, report):
                holders |= champions(settings, (name,))
                _answer(lake, settings, model, holders.get(name), today, report)
        crash_point("ml.scored")
        with _alone("monitoring", report):
            _watch(lake, settings, today, holders, known, report)
        if on_progress:
            on_progress("models", len(known), len(known))
    report.seconds = time.monotonic() - began
    return report


@contextmanager
def _alone(name: str, report: ScoreReport) -> Iterator[None]:
    """One model's defect is no reason to go without the others, nor to publish nothing: it is noted in the report."""
    try:
        yield
    except TooLittleData as reason:
        report.waiting[name] = str(reason)
    except Exception as error:
        log.exception("%s", name)
        report.errors[name] = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _answer(
    lake: "Lake", settings: Settings, model: Model, champion: "Champion | None", today: date, report: ScoreReport
) -> None:
    import polars as pl

    reader = Gold(lake, (*model.reads, *getattr(model, "own", ())))
    made = model.answers(reader, settings, today, champion.served if champion else None)
    stamp = {
        "model": model.name if champion else getattr(model, "plain", "plain rule"),
        "model_version": pl.lit(champion.version if champion else 0, pl.Int64),
        "release": pl.lit(facts.release(settings), pl.Int64),
        "scored_on": today,
    }
    stamped = [
        pl.lit(value).alias(name) if not isinstance(value, pl.Expr) else value.alias(name) for name, value in stamp.items()
    ]
    kept: Mapping[str, str] = getattr(model, "appended", {})
    days = {day for frame in made.values() if "as_of_date" in frame.columns for day in frame["as_of_date"].unique().to_list()}
    described = {table.name: table for table in model.tables}
    for name, answer in made.items():  # in the model's order: a later table may say that the earlier ones are written
        frame = answer.with_columns(stamped)
        changed = write(lake, described[name], frame, kept.get(name), days)
        crash_point("ml.written")
        report.written.append(Written(name, model.name, champion.version if champion else 0, frame.height, changed))
    if champion and hasattr(model, "said"):
        fresh.leave(settings.data, model.name, champion.version, model.said(made))


def _watch(
    lake: "Lake",
    settings: Settings,
    today: date,
    holders: "Mapping[str, Champion]",
    known: Mapping[str, Model],
    report: ScoreReport,
) -> None:
    import polars as pl

    from ml.monitoring import requests
    from ml.monitoring.table import ALERT, MONITORING
    from ml.monitoring.watch import measured, watch

    rows, failed = watch(lake, settings, today, holders, known)
    report.errors |= {f"monitoring of {name}": error for name, error in failed.items()}
    if not rows.is_empty():
        report.alerts = rows.filter(pl.col("status") == ALERT)["detail"].to_list()
        write(lake, MONITORING, rows, "date")
    report.watched = max(measured(lake).values(), default=None)
    if report.watched is not None:
        report.retrain = requests.standing(lake, report.watched)


def write(lake: "Lake", table: Scored, frame: "pl.DataFrame", within: str | None = None, days: Collection[date] = ()) -> int:
    """Make a table hold these rows; returns how many differ from before, and commits nothing if none does.

    With `within`, only the rows whose `within` is among the new ones, or among `days`, are replaced, and all others stay: a
    history, whose rows have null in a column that came later, or that came no more. A row whose answer is as it was keeps the
    release and the day that it was made with.
    """
    import polars as pl

    made = _plain(frame)
    lake.create(table.name, made.schema, comment=table.doc, comments=table.comments)
    if not within and set(lake.schema(table.name).names) != set(made.schema.names):
        lake.overwrite(table.name, made, schema_change=True)
        return frame.height
    frame = _as_kept(lake, table, frame)
    made = _plain(frame)
    same: Any = [(within, "in", [*{*frame[within].unique().to_list(), *days}])] if within else None
    before = pl.DataFrame(pl.from_arrow(lake.read(table.name, filters=same)))
    key, late = list(table.key), ("release", "scored_on")
    said = [name for name in frame.columns if name not in late]
    new = pl.DataFrame(pl.from_arrow(made)).join(before.select(said), on=said, how="anti", nulls_equal=True)
    gone = before.join(frame.select(key), on=key, how="anti", nulls_equal=True)
    if new.is_empty() and gone.is_empty():
        return 0
    both = pl.concat([new.with_columns(_gone=pl.lit(False)), gone.with_columns(_gone=pl.lit(True))], how="vertical_relaxed")
    return lake.merge(table.name, _plain(both), key, delete="_gone")


def _as_kept(lake: "Lake", table: Scored, frame: "pl.DataFrame") -> "pl.DataFrame":
    """The rows with the columns of the table, in its order; columns that are new to it join it."""
    import polars as pl
    import pyarrow as pa

    there, made = lake.schema(table.name), _plain(frame).schema
    if not set(made.names) <= set(there.names):
        described = pa.schema([f.with_metadata({"comment": table.comments.get(f.name, "")}) for f in made])
        lake.append(table.name, described.empty_table(), merge_schema=True)
        there = lake.schema(table.name)
    kinds = pl.DataFrame(pl.from_arrow(there.empty_table())).schema
    return frame.select(pl.col(name) if name in made.names else pl.lit(None, kind).alias(name) for name, kind in kinds.items())


def _plain(frame: "pl.DataFrame") -> "pa.Table":
    from lake.parquet import plain

    rows = frame.to_arrow()
    return rows.cast(plain(rows.schema))
