"""The backtest against a champion, without Spark: the fits are made up."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from ml.customers.features import NUMERIC
from ml.model import Job
from ml.repeat import recipes
from ml.repeat.model import MODEL
from ml.repeat.recipes import CANDIDATES, Recipe
from ml.repeat.served import Linear, RepeatPurchase

OLDER = replace(CANDIDATES[1], params={"maxIter": 3})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six snapshots of 200 customers; a recipe's fit says the same of all of them, OLDER's something unlikely."""
    random, parts = np.random.default_rng(1), []
    for number in range(6):
        known = pl.DataFrame({name: random.lognormal(1, 1, 200) for name in NUMERIC})
        parts.append(known.with_columns(snapshot=pl.lit(number), bought=(random.random(200) < 0.3).astype(float)))
    pl.concat(parts).write_parquet(tmp_path / "snapshots.parquet")

    def fit(recipe: Recipe, *_: object) -> tuple[None, RepeatPurchase]:
        return None, RepeatPurchase(Linear(np.zeros(len(NUMERIC)), 4.0 if recipe.params == OLDER.params else -1.0), 1.0, 0.0)

    monkeypatch.setattr(recipes, "fit", fit)
    return tmp_path


def test_no_two_threads_share_a_frame(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that do hang now and then: one training in sixty did."""
    seen: dict[int, set[str]] = {}

    def probabilities(_: RepeatPurchase, rows: pl.DataFrame) -> np.ndarray:
        kept.append(rows)
        seen.setdefault(id(rows), set()).add(threading.current_thread().name)
        barrier.wait(10)
        return np.full(rows.height, 0.3)

    kept: list[pl.DataFrame] = []  # or a number of one that is gone is another's
    barrier = threading.Barrier(len(CANDIDATES))
    monkeypatch.setattr(recipes, "probabilities", probabilities)
    spark: Any = None
    MODEL.train(Job(spark, folder, {}, None, lambda _: None))
    assert {len(threads) for threads in seen.values()} == {1}


def test_a_champion_s_older_recipe_of_the_same_name_is_judged_by_its_own_answers(folder: Path) -> None:
    spark: Any = None
    made = MODEL.train(Job(spark, folder, {}, OLDER.to_json(), lambda _: None))
    loss = {tried.recipe: tried.losses.mean() for tried in made.tried}
    assert list(loss) == [*(recipe.to_json() for recipe in CANDIDATES), OLDER.to_json()]
    assert loss[CANDIDATES[1].to_json()] == loss[CANDIDATES[0].to_json()] < 1 < loss[OLDER.to_json()]
    calibration = {tried.recipe: tried.metrics["bias"] for tried in made.tried}
    assert calibration[OLDER.to_json()] > 1 > calibration[CANDIDATES[1].to_json()]
