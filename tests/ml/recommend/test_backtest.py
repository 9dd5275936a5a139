"""The backtest against a champion, without Spark: the fits are made up."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from ml.model import Job
from ml.recommend import recipes
from ml.recommend.model import MODEL
from ml.recommend.recipes import CANDIDATES, NEAR, Recipe
from ml.recommend.served import Neighbours

LAST = date(2026, 3, 1)
OLDER = replace(CANDIDATES[1], params={"rank": 2})
PRODUCTS = np.arange(40)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A basket of two neighbours (0 and 1, 2 and 3 …) a day; every fit knows them, only OLDER's knows nothing."""
    days = [LAST - timedelta(days=ago) for ago in range(500)]
    lines = [(day, place, int(2 * (place % 20) + side)) for place, day in enumerate(days) for side in (0, 1)]
    pl.DataFrame(lines, schema=["date", "basket", "product_id"], orient="row").write_parquet(tmp_path / "lines.parquet")
    pl.DataFrame({"product_id": PRODUCTS}).write_parquet(tmp_path / "sold.parquet")

    def fit(recipe: Recipe, *_: object) -> tuple[Neighbours, None]:
        near = np.full((len(PRODUCTS), NEAR), -1)
        near[:, 0] = -1 if recipe.params == OLDER.params else PRODUCTS ^ 1
        return Neighbours(PRODUCTS, near, np.ones(near.shape), PRODUCTS[:0]), None

    monkeypatch.setattr(recipes, "fit", fit)
    return tmp_path


def test_a_champion_s_older_recipe_of_the_same_name_is_judged_by_its_own_answers(folder: Path) -> None:
    spark: Any = None
    made = MODEL.train(Job(spark, folder, {"last_day": LAST.isoformat()}, OLDER.to_json(), lambda _: None))
    hits = {tried.recipe: tried.metrics["hit_rate_10"] for tried in made.tried}
    assert hits == {**{recipe.to_json(): 1.0 for recipe in CANDIDATES}, OLDER.to_json(): 0.0}
    assert {len(tried.losses) for tried in made.tried} == {4}
