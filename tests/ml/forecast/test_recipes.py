import json
from dataclasses import replace

import pytest

from ml.forecast.model import _with_champion
from ml.forecast.recipes import CANDIDATES, Recipe


@pytest.mark.parametrize("recipe", CANDIDATES, ids=lambda recipe: recipe.name)
def test_a_recipe_survives_its_text(recipe: Recipe) -> None:
    assert Recipe.from_json(recipe.to_json()) == recipe


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"estimator": "RandomForestRegressor"}, "needs RandomForestRegressor"),
        ({"numeric": ["horizon", "weather"]}, "needs weather"),
        ({"pool": ["Prophet"]}, "needs Prophet"),
    ],
)
def test_a_recipe_that_cannot_be_followed_says_what_is_gone(change: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Recipe.from_json(json.dumps(json.loads(CANDIDATES[1].to_json()) | change))


def test_a_recipe_of_older_code_is_refused() -> None:
    with pytest.raises(ValueError, match="says no 'pool'"):
        Recipe.from_json(json.dumps({"name": "linear", "estimator": "LinearRegression", "params": {}, "numeric": []}))


def test_names_are_unique_and_recipes_that_differ_in_the_pool_share_a_fit() -> None:
    assert len({recipe.name for recipe in CANDIDATES}) == len(CANDIDATES)
    named = {recipe.name: recipe for recipe in CANDIDATES}
    assert named["xgboost"].regressor == named["xgboost and pool"].regressor
    assert named["xgboost"].regressor != named["linear"].regressor


def test_the_champion_takes_part_where_it_is_no_candidate_and_can_be_followed(capsys: pytest.CaptureFixture[str]) -> None:
    assert _with_champion(None) == _with_champion(CANDIDATES[2].to_json()) == CANDIDATES
    older = replace(CANDIDATES[3], name="older", params={"n_estimators": 5})
    assert _with_champion(older.to_json()) == (*CANDIDATES, older)
    assert _with_champion(older.to_json().replace("SparkXGBRegressor", "RandomForestRegressor")) == CANDIDATES
    assert "needs RandomForestRegressor" in capsys.readouterr().err
