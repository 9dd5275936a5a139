"""`spark_side.py FOLDER`: what test_spark.py asks of a classic Spark session, in a process of its own."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq

from ml import session
from ml.forecast import answers, backtest, features, panel, regressors
from ml.forecast.model import MODEL
from ml.forecast.panel import Panel
from ml.forecast.recipes import CANDIDATES, Recipe
from ml.forecast.regressors import Regressor
from ml.forecast.served import SalesForecast, _load_pyfunc, priced
from ml.forecast.work import Work
from ml.model import Job

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def same(spark: "SparkSession", folder: Path) -> dict[str, dict[str, float]]:
    """Of each regressor as it is served, how far its answers are from the Spark pipeline's, in money, at most."""
    known = panel.from_arrow(pq.read_table(folder / "long.parquet"))
    # The rows of every third day, in place of the backtest's.
    days = tuple(range(20, known.days - 1, 3))
    work = Work(spark, folder, known, 28, backtest.Origins(days, days))
    rows = features.rows(known, np.array([*days, known.days - 1]), 28)
    found = {}
    for recipe in {recipe.estimator: recipe for recipe in CANDIDATES if recipe.estimator}.values():
        pipeline = work.fit(recipe.regressor)
        theirs = pipeline.transform(work.asked).select("prediction", *features.IDENTITY).toPandas()
        fitted = reopened(pipeline, recipe, known, folder)
        ours = priced(fitted.predict(features.matrix(rows, recipe.numeric, known, known.categories)), rows)
        key = list(zip(rows["series"], rows["origin"], rows["day"], strict=True))
        assert list(zip(theirs["series"], theirs["origin"], theirs["day"], strict=True)) == key
        found[recipe.estimator] = {
            "rows": len(ours),
            "apart": float(np.abs(ours - theirs["prediction"].to_numpy()).max()),
            "spread": float(np.ptp(ours)),
        }
    return found


def reopened(pipeline: Any, recipe: Recipe, known: Panel, folder: Path) -> Regressor:
    """The regressor's part of what answers, written into plain files and opened again."""
    silent = answers.naive_spread(known, 28)
    made = SalesForecast(regressors.of_spark(pipeline.stages[-2]), (), recipe.numeric, known.categories, 28, silent, {})
    place = folder / recipe.estimator
    place.mkdir()
    made.save(place)
    back = _load_pyfunc(str(place)).regressor
    assert back is not None
    return back


def trained(spark: "SparkSession", folder: Path) -> dict[str, Any]:
    """A whole training on a short history, against a champion of another recipe, and again."""
    older = replace(CANDIDATES[1], name="older", params={"regParam": 2.0, "elasticNetParam": 0.0})
    steps: list[str] = []
    first = MODEL.train(Job(spark, folder, {"horizon": 28}, older.to_json(), steps.append))
    best = min(first.tried, key=lambda tried: float(tried.losses.mean()))
    made = {tried.name: first.fit(tried) for tried in first.tried if tried.name in ("pool", "linear")}
    known: Panel = panel.from_arrow(pq.read_table(folder / "panel.parquet"))
    at = backtest.origins(known.days, 28)
    again = at.at_cuts(Work(spark, folder, known, 28, at).backtest(older))
    return {
        "losses": {tried.name: tried.losses.tolist() for tried in first.tried},
        "again": backtest.losses(known, at.cuts, again).tolist(),
        "naive": first.naive.losses.tolist(),
        "metrics": sorted(best.metrics),
        "recipes": [Recipe.from_json(tried.recipe).name for tried in first.tried],
        "spark": {name: fitted.spark is not None for name, fitted in made.items()},
        "figures": sorted(made["pool"].figures),
        "profile": sorted(made["pool"].profile),
        "answers": made["linear"].served.predict(made["linear"].example).to_numpy().tolist(),
        "ahead": made["linear"].served.forecast(known)[:, :3].tolist(),
        "steps": steps,
        "params": dict(first.params),
    }


def main(folder: Path) -> None:
    spark = session.start(folder, 2)
    found = {"same": same(spark, folder), "trained": trained(spark, folder)}
    session.stop(spark)
    (folder / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
