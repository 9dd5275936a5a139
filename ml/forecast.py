"""The sales forecast: train it, and write it to gold.forecast_sales. The Spark part runs in a child process (ml/spark_job.py)."""

import hashlib
import json
import logging
import time
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lake.config import Settings
from lake.crash import crash_point
from lake.errors import UsageError
from ml import child, panel
from ml.child import Progress
from ml.panel import SOURCE, Panel, TooLittleHistory
from ml.registry import MODEL

if TYPE_CHECKING:
    import pyarrow as pa

    from lake.delta import Lake

log = logging.getLogger(__name__)
# What decides which model comes out of given data; a change in any of them is a reason to train again.
_CODE = (
    "backtest.py",
    "features.py",
    "metrics.py",
    "panel.py",
    "recipes.py",
    "registry.py",
    "spark_job.py",
    "work.py",
    "output.py",
)
_PACKAGES = ("mlflow", "numpy", "pyspark", "xgboost-cpu")


@dataclass(frozen=True)
class TrainReport:
    """What came out of `train`. `metrics` and `naive` have the keys of ml.backtest.Scores; `metrics` also names the `model` kind
    and `coverage_80`. With `trained` False nothing had changed, and the rest describes the training that still holds."""

    model: str
    version: int
    run_id: str
    metrics: dict[str, Any]
    naive: dict[str, float]
    promoted: bool
    reason: str
    seconds: float
    trained: bool = True

    @property
    def errors(self) -> dict[str, str]:
        """None ever: a training succeeds as a whole or raises."""
        return {}

    def rows(self) -> list[dict[str, Any]]:
        """One row, for people to read."""
        scores = {"MASE": self.metrics.get("mase"), "MASE of the naive": self.naive.get("mase")}
        return [{"model": self.model, "version": self.version, **scores, "champion": self.promoted, "why": self.reason}]


def train(
    settings: Settings,
    run: str | None = None,
    on_progress: Progress | None = None,
    force: bool = False,
    now: datetime | None = None,
) -> TrainReport:
    """Train on gold.agg_sales_daily as it is now, register the model, and write the champion's forecast to gold.

    Does nothing when data and code are those of the last training, unless `force`. TooLittleHistory when the table is not there
    or too short, PermanentFailure when Java is missing; then nothing is registered.
    """
    from lake.delta import Lake
    from lake.lock import hold
    from ml import output

    began = time.monotonic()
    lake = Lake(settings.lake_root)
    with hold(settings.data, "train", wait=600):
        source_version, known = _read(lake, settings, now)
        fingerprint = _fingerprint(settings, known)
        last = output.last_training(lake, MODEL)
        if last and not force and last["fingerprint"] == fingerprint and _still_there(settings, lake):
            return _report(last, time.monotonic() - began)
        tags = {
            f"delta.{SOURCE}": source_version,
            "data_digest": known.digest()[:16],
            "fingerprint": fingerprint[:16],
            "cartlake.run": run or "",
            "warehouse.release": output.release(settings),
            "git.commit": output.commit(),
        }
        result, rows = _run(settings, "train", known, settings.ml.horizon, tags, on_progress)
        crash_point("ml.registered")
        output.write(lake, rows, result["used"], known.last, source_version)
        crash_point("ml.forecast_written")
        seconds = time.monotonic() - began
        fact = {key: result[key] for key in ("version", "run_id", "metrics", "naive", "promoted", "reason")}
        output.remember(lake, MODEL, fingerprint, source_version, fact | {"seconds": round(seconds, 3)})
    log.info("%s: version %s, %s, %.1f s", MODEL, result["version"], result["reason"], seconds)
    return TrainReport(MODEL, seconds=seconds, **fact)


def predict(
    settings: Settings, days: int | None = None, on_progress: Progress | None = None, now: datetime | None = None
) -> "pa.Table":
    """The champion's forecast of the next `days` (default: the horizon) from all that is known; nothing is written.

    Columns date, category, forecast, lower, upper, gross_forecast. UsageError when there is no champion, or it does not look
    that far ahead.
    """
    from lake.delta import Lake
    from lake.lock import hold

    days = settings.ml.horizon if days is None else days
    if days < 1:
        raise UsageError(f"days = {days}: expected at least 1")
    with hold(settings.data, "train", wait=600):
        _, known = _read(Lake(settings.lake_root), settings, now)
        return _run(settings, "predict", known, days, {}, on_progress)[1]


def _read(lake: "Lake", settings: Settings, now: datetime | None) -> tuple[int, Panel]:
    if not lake.exists(SOURCE):
        raise TooLittleHistory(f"{SOURCE} is not built yet, so there is nothing to forecast from: capture sales and build first")
    version = lake.version(SOURCE)
    return version, panel.read(lake, settings, version, now)


def _run(
    settings: Settings, mode: str, known: Panel, horizon: int, tags: dict[str, Any], on_progress: Progress | None
) -> "tuple[dict[str, Any], pa.Table]":
    import pyarrow.parquet as pq

    from ml.backtest import cuts
    from ml.recipes import CANDIDATES

    job = {
        "mode": mode,
        "horizon": horizon,
        "cores": settings.engine.cores,
        "tracking_uri": settings.ml.tracking_uri,
        "artifacts": str(settings.ml.artifacts),
        "tags": {key: value for key, value in tags.items() if value not in ("", None)},
        "requirements": [f"{name}=={installed(name)}" for name in _PACKAGES],
        "steps": len(CANDIDATES) * len(cuts(known.days, horizon)) + 4 if mode == "train" else 2,
    }
    with child.hand_over(settings.data) as folder:
        pq.write_table(panel.to_arrow(known), folder / "panel.parquet")
        result = child.run(folder, job, on_progress)
        return result, pq.read_table(folder / "forecast.parquet")


def _fingerprint(settings: Settings, known: Panel) -> str:
    """Equal when training again would give the same model. Delta versions are not in it: the content is."""
    here = Path(__file__).parent
    code = [hashlib.sha256((here / name).read_bytes()).hexdigest() for name in _CODE]
    packages = [f"{name}=={installed(name)}" for name in _PACKAGES]
    parts = [known.digest(), settings.ml.horizon, settings.ml.tracking_uri, str(settings.ml.artifacts), code, packages]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _still_there(settings: Settings, lake: "Lake") -> bool:
    from ml.tables import FORECAST

    database = settings.ml.tracking_uri.removeprefix("sqlite:///")
    kept = database == settings.ml.tracking_uri or Path(database).exists()  # a server's own loss is not ours to see
    return kept and settings.ml.artifacts.exists() and lake.exists(FORECAST)


def _report(last: dict[str, Any], seconds: float) -> TrainReport:
    return TrainReport(
        MODEL,
        last["version"],
        last["run_id"],
        last["metrics"],
        last["naive"],
        last["promoted"],
        f"nothing has changed since version {last['version']}: {last['reason']}",
        seconds,
        trained=False,
    )
