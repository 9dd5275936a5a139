"""`python -m ml.spark_job FOLDER`: the child process that holds the classic Spark session. See ml/child.py for the folder."""

import json
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lake.errors import CartlakeError, UsageError
from ml import backtest, features, panel, recipes, registry, session
from ml.backtest import Intervals, Scores
from ml.panel import MEASURES, Floats, Ints, Panel
from ml.recipes import CANDIDATES, Recipe

if TYPE_CHECKING:
    from pyspark.ml import PipelineModel
    from pyspark.sql import DataFrame, SparkSession

NET, GROSS = 0, 1  # positions in MEASURES
Step = Callable[[str], None]


def main(folder: Path) -> None:
    """Do the job in the folder; an expected failure is written to failure.json and ends with 1."""
    wire = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever Spark, MLflow or xgboost print must not get among the steps
    threading.Thread(target=_die_with_parent, daemon=True).start()
    job = json.loads((folder / "job.json").read_text())
    done = 0

    def step(label: str) -> None:
        nonlocal done
        done += 1
        print(json.dumps({"label": label, "done": done, "total": job["steps"]}), file=wire, flush=True)

    try:
        known = panel.from_arrow(_read_table(folder / "panel.parquet"))
        result = (train if job["mode"] == "train" else predict)(folder, job, known, step)
        (folder / "result.json").write_text(json.dumps(result))
    except CartlakeError as error:
        (folder / "failure.json").write_text(json.dumps({"type": type(error).__name__, "message": str(error)}))
        sys.exit(1)


def steps(count: int) -> int:
    """How many steps a training with `count` cuts reports."""
    return len(CANDIDATES) * count + 4


def train(folder: Path, job: dict[str, Any], known: Panel, step: Step) -> dict[str, Any]:
    """Backtest every candidate, refit the best on all days, log and register it, forecast with the champion."""
    from ml import tracking

    horizon, at = job["horizon"], backtest.cuts(known.days, job["horizon"])
    with ThreadPoolExecutor(1) as aside:
        # Importing MLflow and making its database takes as long as starting Spark.
        connecting = aside.submit(registry.connect, job["tracking_uri"], Path(job["artifacts"]))
        origins = np.union1d(features.training_origins(known, horizon), np.array([*at, known.days - 1]))
        work = Work(session.start(folder, job["cores"]), folder, known, origins, horizon)
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
        known, at, horizon, best, {r.name: scores[r] for r in CANDIDATES}, naive, backtest.score(known, at, tried[best][GROSS], "gross"),
        tried[best][NET], ahead[NET], spread, backtest.honest_coverage(known, at, tried[best][NET]),
    )  # fmt: skip
    import cProfile; pr=cProfile.Profile(); pr.enable()
    run_id, source = tracking.log(experiment, job, found, model, work.example(), folder)
    pr.disable(); pr.dump_stats("/tmp/mlw/prof")
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
    work.spark.stop()
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
        raise UsageError(f"{registry.MODEL} version {champion.version} looks {champion.horizon} days ahead, not {job['horizon']}: ask for fewer")
    work = Work(session.start(folder, job["cores"]), folder, known, np.array([known.days - 1]), job["horizon"])
    step("Spark started")
    _write_forecast(folder, known, work.forecast(_load(champion)), tracking.intervals(client, champion.run_id))
    step("forecast made")
    work.spark.stop()
    return {"used": champion.version}


class Work:
    """The feature rows in Spark, and what is done with them."""

    def __init__(self, spark: "SparkSession", folder: Path, known: Panel, origins: Ints, horizon: int) -> None:
        from pyspark.ml import Pipeline

        self.spark, self.known, self.horizon = spark, known, horizon
        file = folder / "rows.parquet"
        _write_rows(file, features.rows(known, origins, horizon), known)
        self.rows = spark.read.parquet(str(file))
        self.prepared = Pipeline(stages=recipes.prepare(known.categories)).fit(self.rows)
        self._vectors: dict[tuple[str, ...], DataFrame] = {}

    def vectors(self, recipe: Recipe) -> "DataFrame":
        """The rows with the feature vector of a recipe, cached: recipes with equal features share them."""
        if recipe.numeric not in self._vectors:
            kept = recipes.assembler(recipe).transform(self.prepared.transform(self.rows))
            kept = kept.select(*features.IDENTITY, "level", "truth", "features")
            self._vectors[recipe.numeric] = kept.repartition(self.spark.sparkContext.defaultParallelism).cache()
        return self._vectors[recipe.numeric]

    def backtest(self, tried: tuple[Recipe, ...], at: tuple[int, ...], step: Step) -> dict[Recipe, dict[int, Floats]]:
        """Forecasts of each recipe by measure, each of shape (cuts, categories, horizon)."""
        made = {recipe: {m: np.zeros((len(at), len(self.known.categories), self.horizon)) for m in (NET, GROSS)} for recipe in tried}
        for recipe in tried:
            self.vectors(recipe)

        def one(recipe: Recipe, place: int) -> None:
            rows, cut = self.vectors(recipe), at[place]
            fitted = recipes.regressor(recipe).fit(recipes.labelled(rows).where(f"measure = {NET} AND day <= {cut}"))
            out = fitted.transform(rows.where(f"origin = {cut}")).select(*features.IDENTITY, "level", "ratio").toPandas()
            _fill(made[recipe], place, out.assign(prediction=(out["ratio"].clip(lower=0) * out["level"])))
            step(f"backtest of {recipe.name} at {self.known.day(cut)}")

        # A thread per recipe: Python workers of xgboost start while the JVM fits the linear ones.
        with ThreadPoolExecutor(len(tried)) as pool:
            each: list[Future[None]] = [pool.submit(_in_turn, one, recipe, len(at)) for recipe in reversed(tried)]
            for future in each:
                future.result()
        return made

    def fit(self, recipe: Recipe) -> "PipelineModel":
        """The whole pipeline of a recipe, fitted on every known day."""
        rows = recipes.labelled(self.vectors(recipe)).where(f"measure = {NET}")
        return recipes.pipeline([*self.prepared.stages, recipes.assembler(recipe), recipes.regressor(recipe).fit(rows)])

    def forecast(self, model: "PipelineModel") -> dict[int, Floats]:
        """The days to come by measure, each of shape (categories, horizon)."""
        made = {m: np.zeros((1, len(self.known.categories), self.horizon)) for m in (NET, GROSS)}
        _fill(made, 0, model.transform(self.rows.where(f"origin = {self.known.days - 1}")).toPandas())
        return {m: values[0] for m, values in made.items()}

    def example(self) -> Any:
        """A few input rows of the model as a pandas frame: what a scoring request looks like."""
        columns = ["level", features.WEEKDAY, features.CATEGORY, *features.NUMERIC]
        return self.rows.where(f"origin = {self.known.days - 1} AND measure = {NET}").select(*columns).limit(5).toPandas()


def _in_turn(one: Callable[[Recipe, int], None], recipe: Recipe, count: int) -> None:
    for place in range(count):
        one(recipe, place)


def _fill(made: dict[int, Floats], place: int, out: Any) -> None:
    ahead = (out["day"] - out["origin"] - 1).to_numpy()
    for measure, values in made.items():
        mine = (out["measure"] == measure).to_numpy()
        values[place, out["series"].to_numpy()[mine], ahead[mine]] = np.nan_to_num(out["prediction"].to_numpy()[mine])


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


def _write_rows(file: Path, rows: features.Columns, known: Panel) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = np.array(known.categories, dtype=object)
    table = pa.table({name: values for name, values in rows.items() if name != features.WEEKDAY})
    truth = pa.array(rows["truth"], mask=np.isnan(rows["truth"]))
    table = table.set_column(table.schema.get_field_index("truth"), "truth", truth)
    table = table.append_column(features.CATEGORY, pa.array(names[rows["series"].astype(np.int64)], pa.string()))
    pq.write_table(table.append_column(features.WEEKDAY, pa.array(rows[features.WEEKDAY].astype(str), pa.string())), file)


def _write_forecast(folder: Path, known: Panel, ahead: dict[int, Floats], spread: Intervals) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    net, gross = (backtest.with_total(ahead[m]) for m in (NET, GROSS))
    levels, columns = backtest.level(known), {}
    bounds = [spread.around(name, net[i], float(levels[i])) for i, name in enumerate(backtest.series(known))]
    horizon = net.shape[1]
    columns["date"] = [known.day(known.days + h) for h in range(horizon)] * len(net)
    columns["category"] = [name for name in backtest.series(known) for _ in range(horizon)]
    columns |= {"forecast": net.ravel(), "lower": np.ravel([b[0] for b in bounds]), "upper": np.ravel([b[1] for b in bounds])}
    pq.write_table(pa.table(columns | {"gross_forecast": gross.ravel()}), folder / "forecast.parquet")


def _read_table(file: Path) -> Any:
    import pyarrow.parquet as pq

    return pq.read_table(file)


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
