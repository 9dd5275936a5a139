"""Writes one training into an MLflow run: parameters, errors, plots, intervals and the Spark model itself."""

import json
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ml import backtest
from ml.backtest import Intervals, Scores
from ml.panel import TOTAL, Floats, Panel
from ml.recipes import Recipe

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from pyspark.ml import PipelineModel

_INTERVALS = "intervals.json"


@dataclass(frozen=True)
class Finding:
    """What a training found out. `tested` has shape (cuts, categories, horizon), `ahead` (categories, horizon)."""

    known: Panel
    at: tuple[int, ...]
    horizon: int
    best: Recipe
    candidates: dict[str, Scores]
    naive: Scores
    gross: Scores
    tested: Floats
    ahead: Floats
    spread: Intervals
    coverage: float


def log(experiment: str, job: dict[str, Any], found: Finding, model: "PipelineModel", example: Any) -> tuple[str, str]:
    """A finished run with everything in it; returns its id and the model's URI."""
    import mlflow
    import mlflow.spark
    from mlflow.models import infer_signature

    tags = {key: str(value) for key, value in job["tags"].items()} | {"recipe": found.best.to_json()}
    with mlflow.start_run(experiment_id=experiment, run_name=f"{found.best.name} {found.known.last}", tags=tags) as run:
        mlflow.log_params(_params(found))
        mlflow.log_metrics(_metrics(found))
        mlflow.log_dict({name: list(share) for name, share in found.spread.shares.items()}, _INTERVALS)
        _log_plots(found)
        made = mlflow.spark.log_model(
            model,
            artifact_path="model",
            dfs_tmpdir=os.environ["MLFLOW_DFS_TMP"],
            signature=infer_signature(example, np.array([1.0])),
            input_example=example,
            pip_requirements=job["requirements"],  # given, or MLflow runs pip to find them out
        )
    return str(run.info.run_id), str(made.model_uri)


def intervals(client: "MlflowClient", run_id: str) -> Intervals:
    """The intervals that a run logged."""
    import mlflow

    told = json.loads(mlflow.artifacts.load_text(f"runs:/{run_id}/{_INTERVALS}"))
    return Intervals({name: (low, high) for name, (low, high) in told.items()})


def _params(found: Finding) -> dict[str, Any]:
    known = found.known
    return {
        "model": found.best.name,
        "estimator": found.best.estimator,
        "horizon": found.horizon,
        "first_day": known.first.isoformat(),
        "last_day": known.last.isoformat(),
        "categories": len(known.categories),
        "features": len(found.best.numeric) + 2,
        "cuts": ", ".join(known.day(cut).isoformat() for cut in found.at),
    } | {f"estimator.{name}": value for name, value in found.best.params.items()}


def _metrics(found: Finding) -> dict[str, float]:
    """Ours without a prefix, `naive/…`, `gross/…`, and the headline ones of every candidate."""
    values = dict(found.candidates[found.best.name].values) | {"coverage_80": found.coverage}
    for prefix, scores in (("naive", found.naive), ("gross", found.gross)):
        values |= {f"{prefix}/{name}": value for name, value in scores.values.items()}
    for name, scores in found.candidates.items():
        values |= {f"candidate/{name}/{metric}": scores.values[metric] for metric in ("mase", "smape", "bias", "rmse")}
    # MLflow refuses other characters, and a category may hold any.
    return {re.sub(r"[^\w\-. :/]", "_", name, flags=re.ASCII): value for name, value in values.items() if np.isfinite(value)}


def _log_plots(found: Finding) -> None:
    import mlflow
    from matplotlib.figure import Figure

    known: Panel = found.known
    sold, ahead = backtest.with_total(known.values["net"])[0], backtest.with_total(found.ahead)[0]
    low, high = found.spread.around(TOTAL, ahead, float(backtest.level(known)[0]))
    past = range(max(0, known.days - max(120, 2 * found.horizon)), known.days)
    to_come: Any = [known.day(known.days + h) for h in range(found.horizon)]
    shown: Any = [known.day(day) for day in past]
    figure = Figure(figsize=(11, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(shown, sold[past.start :], label="sold", color="#333333", linewidth=1)
    axes.plot(to_come, ahead, label=f"forecast ({found.best.name})", color="#c2410c")
    axes.fill_between(to_come, low, high, color="#c2410c", alpha=0.2, label="80 %")
    axes.set(title="Net revenue a day", ylim=(0, None))
    axes.legend()
    mlflow.log_figure(figure, "forecast.png")

    missed = backtest.with_total(backtest.truth(known, found.at, found.horizon))[:, 0] - backtest.with_total(found.tested)[:, 0]
    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.hist(missed.ravel(), bins=30, color="#0f766e")
    left.set(title="Residuals of the total in the backtest", xlabel="sold − forecast")
    right.boxplot([missed[:, h] for h in range(found.horizon)], widths=0.6)
    right.axhline(0, color="#333333", linewidth=0.8)
    right.set(title="by days ahead", xticks=range(7, found.horizon + 1, 7), xticklabels=range(7, found.horizon + 1, 7))
    mlflow.log_figure(figure, "residuals.png")
