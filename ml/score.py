"""Scoring: every champion's answers on gold as it is now, written to gold, and what monitoring finds in them.

No Java is in the path: a champion is loaded as its `Served`, in this process.
"""

import logging
import time
from collections.abc import Collection, Mapping
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
        return done + waiting + alerts


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
        holders = champions(settings, known)
        for done, (name, model) in enumerate(known.items()):
            if on_progress:
                on_progress("models", done, len(known))
            try:
                _answer(lake, settings, model, holders.get(name), today, report)
            except TooLittleData as reason:
                report.waiting[name] = str(reason)
            except Exception as error:  # one model's defect is no reason to go without the others
                log.exception("%s", name)
                report.errors[name] = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        crash_point("ml.scored")
        _watch(lake, settings, today, holders, known, report)
        if on_progress:
            on_progress("models", len(known), len(known))
    report.seconds = time.monotonic() - began
    return report


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
    for table in model.tables:
        if table.name in made:
            frame = made[table.name].with_columns(stamped)
            changed = write(lake, table, frame, kept.get(table.name), days)
            version = champion.version if champion else 0
            report.written.append(Written(table.name, model.name, version, frame.height, changed))


def _watch(
    lake: "Lake",
    settings: Settings,
    today: date,
    holders: "Mapping[str, Champion]",
    known: Mapping[str, Model],
    report: ScoreReport,
) -> None:
    import polars as pl

    from ml.monitoring.table import ALERT, MONITORING
    from ml.monitoring.watch import retrain, watch

    rows = watch(lake, settings, today, holders, known)
    if rows.is_empty():
        return
    before = pl.DataFrame(pl.from_arrow(lake.read(MONITORING.name))) if lake.exists(MONITORING.name) else rows.clear()
    report.alerts = rows.filter(pl.col("status") == ALERT)["detail"].to_list()
    report.retrain = retrain(rows, before)
    write(lake, MONITORING, rows, "date")


def write(lake: "Lake", table: Scored, frame: "pl.DataFrame", within: str | None = None, days: Collection[date] = ()) -> int:
    """Make a table hold these rows; returns how many differ from before, and commits nothing if none does.

    With `within`, only the rows whose `within` is among the new ones, or among `days`, are replaced, and all others stay: a
    history. A row whose answer is as it was keeps the release and the day that it was made with.
    """
    import polars as pl

    made = _plain(frame)
    lake.create(table.name, made.schema, comment=table.doc, comments=table.comments)
    if lake.schema(table.name).names != made.schema.names:
        lake.overwrite(table.name, made, schema_change=True)
        return frame.height
    before = pl.DataFrame(pl.from_arrow(lake.read(table.name)))
    if within:
        before = before.filter(pl.col(within).is_in([*frame[within].unique().to_list(), *days]))
    key, late = list(table.key), ("release", "scored_on")
    said = [name for name in frame.columns if name not in late]
    new = pl.DataFrame(pl.from_arrow(made)).join(before.select(said), on=said, how="anti", nulls_equal=True)
    gone = before.join(frame.select(key), on=key, how="anti", nulls_equal=True)
    if new.is_empty() and gone.is_empty():
        return 0
    both = pl.concat([new.with_columns(_gone=pl.lit(False)), gone.with_columns(_gone=pl.lit(True))], how="vertical_relaxed")
    return lake.merge(table.name, _plain(both), key, delete="_gone")


def _plain(frame: "pl.DataFrame") -> "pa.Table":
    from lake.parquet import plain

    rows = frame.to_arrow()
    return rows.cast(plain(rows.schema))
