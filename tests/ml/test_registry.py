"""Which version is the champion. The tracking store is real; the models are empty folders."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lake.errors import UsageError
from ml import registry, spark_job
from ml.recipes import CANDIDATES, Recipe
from ml.registry import Champion, Verdict, decide


@pytest.mark.parametrize(
    ("error", "naive", "champion", "promoted", "reason"),
    [
        (0.8, 1.0, None, True, "beats the naive forecast"),
        (1.0, 1.0, None, False, "does not beat the naive forecast"),
        (1.2, 1.0, None, False, "MASE 1.200, seasonal naive 1.000"),
        (0.8, 1.0, 0.9, True, "not worse"),
        (0.8, 1.0, 0.8, True, "not worse"),
        (0.8, 1.0, 0.8 - 1e-12, True, "not worse"),
        (0.8, 1.0, 0.79, False, "worse: backtest MASE 0.800, champion version 3 0.790"),
        (float("nan"), float("nan"), None, False, "cannot be told"),
        (float("inf"), 1.0, 0.5, False, "cannot be told"),
    ],
)
def test_decide(error: float, naive: float, champion: float | None, promoted: bool, reason: str) -> None:
    verdict = decide(error, naive, champion, 3)
    assert verdict.promoted is promoted
    assert reason in verdict.reason


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, str, Path]:
    folder = tmp_path_factory.mktemp("mlflow")
    (folder / "t.db.new").write_text("what a killed set-up left")
    client, experiment = registry.connect(f"sqlite:///{folder}/t.db", folder / "artifacts")
    return client, experiment, folder


def finished_run(client: Any, experiment: str, recipe: str = "{}") -> str:
    run = client.create_run(experiment, tags={"recipe": recipe})
    client.log_param(run.info.run_id, "horizon", 28)
    client.set_terminated(run.info.run_id)
    return str(run.info.run_id)


def test_the_alias_moves_only_on_promotion(store: tuple[Any, str, Path]) -> None:
    client, experiment, _ = store
    assert registry.champion(client) is None
    verdicts = [Verdict(True, "first"), Verdict(False, "worse"), Verdict(True, "not worse")]
    champions = []
    for verdict in verdicts:
        run = finished_run(client, experiment, verdict.reason)
        registry.register(client, run, f"runs:/{run}/model", {"delta.gold.agg_sales_daily": 4}, verdict)
        found = registry.champion(client)
        champions.append((found.version, found.recipe, found.horizon) if found else None)
    assert champions == [(1, "first", 28), (1, "first", 28), (3, "not worse", 28)]
    assert int(client.get_model_version_by_alias("sales_forecast", "challenger").version) == 2
    assert client.get_model_version("sales_forecast", "2").tags == {"delta.gold.agg_sales_daily": "4"}


def test_connecting_closes_what_a_killed_training_left_open(store: tuple[Any, str, Path]) -> None:
    client, experiment, folder = store
    left = client.create_run(experiment).info.run_id
    registry.connect(f"sqlite:///{folder}/t.db", folder / "artifacts")
    assert client.get_run(left).info.status == "KILLED"


def test_predicting_without_a_champion_is_refused(
    tmp_path: Path, store: tuple[Any, str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, folder = store
    monkeypatch.setattr(registry, "champion", lambda client: None)
    job = {"tracking_uri": f"sqlite:///{folder}/t.db", "artifacts": str(folder / "artifacts"), "horizon": 28, "cores": 1}
    with pytest.raises(UsageError, match="no champion yet"):
        spark_job.predict(tmp_path, job, None, print)  # type: ignore[arg-type]
    monkeypatch.setattr(registry, "champion", lambda client: Champion(5, "run", "{}", 28))
    with pytest.raises(UsageError, match="version 5 looks 28 days ahead, not 29"):
        spark_job.predict(tmp_path, job | {"horizon": 29}, None, print)  # type: ignore[arg-type]


def test_a_recipe_is_read_back_as_it_was_written() -> None:
    for recipe in CANDIDATES:
        assert Recipe.from_json(recipe.to_json()) == recipe
        assert Recipe.from_json(recipe.to_json()).to_json() == recipe.to_json()


@pytest.mark.parametrize(
    "gone", [Recipe("old", "LinearRegression", {}, ("weather",)), Recipe("old", "NoSuchRegressor")], ids=["feature", "estimator"]
)
def test_a_champion_that_the_code_cannot_follow_is_not_tried_again(gone: Recipe) -> None:
    with pytest.raises(ValueError, match="no longer has"):
        Recipe.from_json(gone.to_json())
    assert spark_job._with_champion(Champion(1, "run", gone.to_json(), 28)) == CANDIDATES


def test_the_champions_recipe_is_tried_beside_the_candidates() -> None:
    other = Recipe("ridge", "LinearRegression", {"regParam": 9.0})
    assert spark_job._with_champion(Champion(1, "run", other.to_json(), 28)) == (*CANDIDATES, other)
    assert spark_job._with_champion(Champion(1, "run", CANDIDATES[0].to_json(), 28)) == CANDIDATES
    assert np.unique([recipe.name for recipe in CANDIDATES]).size == len(CANDIDATES)
