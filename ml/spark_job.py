"""`python -m ml.spark_job FOLDER`: the child process that holds the classic Spark session. See ml/child.py for the folder."""

import json
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lake.errors import CartlakeError, UsageError
from ml import backtest, panel, registry, session
from ml.backtest import Intervals
from ml.panel import MEASURES, Floats, Panel
from ml.recipes import CANDIDATES, Recipe
from ml.work import GROSS, NET, Step, Work

if TYPE_CHECKING:
    from pyspark.ml import PipelineModel


def main(folder: Path) -> None:
    """Do the job in the folder; an expected failure is written to failure.json and ends with 1."""
    wire = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever Spark, MLflow or xgboost print must not get among the steps
    threading.Thread(target=_die_with_parent, daemon=True).start()
    import pyarrow.parquet as pq

    job = json.loads((folder / "job.json").read_text())
    done = 0

    def step(label: str) -> None:
        nonlocal done
        done += 1
        print(json.dumps({"label": label, "done": done, "total": max(done, job["steps"])}), file=wire, flush=True)

    try:
        known = panel.from_arrow(pq.read_table(folder / "panel.parquet"))
        result = (train if job["mode"] == "train" else predict)(folder, job, known, step)
        (folder / "result.json").write_text(json.dumps(result))
    except CartlakeError as error:
        (folder / "failure.json").write_text(json.dumps({"type": type(error).__name__, "message": str(error)}))
        sys.exit(1)


def train(folder: Path, job: dict[str, Any], known: Panel, step: Step) -> dict[str, Any]:
    """Backtest every candidate, refit the best on all days, log and register it, forecast with the champion."""
    from ml import tracking

    horizon, at = job["horizon"], backtest.cuts(known.days, job["horizon"])
    with ThreadPoolExecutor(1) as aside:
        # Importing MLflow and making its database takes as long as starting Spark.
        connecting = aside.submit(registry.connect, job["tracking_uri"], Path(job["artifacts"]))
        work = Work(session.start(folder, job["cores"]), folder, known, horizon, at)
        step("Spark started")
        client, experiment = connecting.result()
    champion = registry.champion(client)
    tried = work.backtest(_with_champion(champion), at, step)
    scores = {recipe: backtest.score(known, at, forecast[NET]) for recipe, forecast in tried.items()}
    best = min(CANDIDATES, key=lambda recipe: _or_infinite(scores[recipe].mase))
    naive = backtest.score(known, at, backtest.naive(known, at, horizon))
    rival = next((scores[r].mase for r in tried if champion and r.to_json() == champion.recipe), None)
    verdict = registry.decide(scores[best].mase, naive.mase, rival, champion.version if champion else 0)
    model = work.fit(best)
    step(f"{best.name} fitted on all days")
    spread = backtest.intervals(known, at, tried[best][NET])
    ahead = work.forecast(model)
    found = tracking.Finding(
        known=known,
        at=at,
        horizon=horizon,
        best=best,
        candidates={recipe.name: scores[recipe] for recipe in CANDIDATES},
        naive=naive,
        gross=backtest.score(known, at, tried[best][GROSS], "gross"),
        tested=tried[best][NET],
        ahead=ahead[NET],
        spread=spread,
        coverage=backtest.honest_coverage(known, at, tried[best][NET]),
    )
    run_id, source = tracking.log(experiment, job, found, model, work.example())
    step("logged in MLflow")
    version = registry.register(client, run_id, source, job["tags"], verdict)
    used = version if verdict.promoted else 0
    if not verdict.promoted and rival is not None and champion:
        ahead, spread, used = work.forecast(_load(champion)), tracking.intervals(client, champion.run_id), champion.version
    elif not verdict.promoted:
        ahead = {m: backtest.naive(known, (known.days - 1,), horizon, name)[0] for m, name in enumerate(MEASURES)}
        spread = backtest.intervals(known, at, backtest.naive(known, at, horizon))
    _write_forecast(folder, known, ahead, spread)
    step("forecast made")
    session.stop(work.spark)
    return {
        "version": version,
        "used": used,
        "run_id": run_id,
        "metrics": {"model": best.name} | _finite(scores[best].values | {"coverage_80": found.coverage}),
        "naive": _finite(naive.values),
        "promoted": verdict.promoted,
        "reason": f"{best.name} {verdict.reason}",
    }


def predict(folder: Path, job: dict[str, Any], known: Panel, step: Step) -> dict[str, Any]:
    """Forecast with the registered champion as it stands."""
    from ml import tracking

    client, _ = registry.connect(job["tracking_uri"], Path(job["artifacts"]))
    champion = registry.champion(client)
    if champion is None:
        raise UsageError(f"{registry.MODEL} has no champion yet: train it first (cartlake run train)")
    if job["horizon"] > champion.horizon:
        told = f"{registry.MODEL} version {champion.version} looks {champion.horizon} days ahead"
        raise UsageError(f"{told}, not {job['horizon']}: ask for fewer")
    work = Work(session.start(folder, job["cores"]), folder, known, job["horizon"])
    step("Spark started")
    _write_forecast(folder, known, work.forecast(_load(champion)), tracking.intervals(client, champion.run_id))
    step("forecast made")
    session.stop(work.spark)
    return {"used": champion.version}


def _with_champion(champion: registry.Champion | None) -> tuple[Recipe, ...]:
    """The candidates, and the champion's recipe if it is none of them and can still be followed."""
    if champion is None or champion.recipe in [recipe.to_json() for recipe in CANDIDATES]:
        return CANDIDATES
    try:
        return (*CANDIDATES, Recipe.from_json(champion.recipe))
    except ValueError as gone:
        print(f"the recipe of champion version {champion.version} cannot be followed: {gone}", file=sys.stderr)
        return CANDIDATES


def _load(champion: registry.Champion) -> "PipelineModel":
    import mlflow

    return mlflow.spark.load_model(f"models:/{registry.MODEL}/{champion.version}")


def _write_forecast(folder: Path, known: Panel, ahead: dict[int, Floats], spread: Intervals) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    net, gross = (backtest.with_total(ahead[m]) for m in (NET, GROSS))
    levels = backtest.level(known)
    bounds = [spread.around(name, net[i], float(levels[i])) for i, name in enumerate(backtest.series(known))]
    horizon = net.shape[1]
    columns = {
        "date": [known.day(known.days + h) for h in range(horizon)] * len(net),
        "category": [name for name in backtest.series(known) for _ in range(horizon)],
        "forecast": net.ravel(),
        "lower": np.ravel([low for low, _ in bounds]),
        "upper": np.ravel([high for _, high in bounds]),
        "gross_forecast": gross.ravel(),
    }
    pq.write_table(pa.table(columns), folder / "forecast.parquet")


def _or_infinite(error: float) -> float:
    return error if np.isfinite(error) else float("inf")


def _finite(values: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if np.isfinite(value)}


def _die_with_parent() -> None:
    while os.read(0, 1):  # unbuffered: a thread inside sys.stdin at the interpreter's end aborts it
        pass
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
