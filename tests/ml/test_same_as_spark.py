"""What answers without Java says what the Spark model says. Spark has a process of its own: this one may hold Sail's."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ml import child
from ml.life import registry, store
from transforms.engine import java

ROOT = Path(__file__).parents[2]
PRODUCTS = 70 * 16


@pytest.fixture(scope="module")
def found(trained: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("spark")
    (folder / "champions.json").write_text(json.dumps(champions(trained)))
    kept = {name: value for name, value in os.environ.items() if name not in child._FOREIGN}
    environment = kept | {"JAVA_HOME": str(java.home(folder)), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(Path(__file__).with_name("spark_side.py")), str(folder)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "found.json").read_text())


def champions(trained: Any) -> dict[str, dict[str, str]]:
    """Where MLflow has the two forms of each champion."""
    import mlflow

    client, places = store.connect(trained.settings.ml.tracking_uri, trained.settings.ml.artifacts), {}
    for name in ("customer_segments", "repeat_purchase"):
        version = registry.holder(client, name)
        assert version is not None
        spark = Path(mlflow.artifacts.download_artifacts(f"runs:/{version.run_id}/spark"))
        places[name] = {"served": str(registry.folder(client, version) / "data" / "served"), "spark": str(spark / "sparkml")}
    return places


@pytest.mark.parametrize("recipe", ["logistic", "gbt", "xgboost", "repeat_purchase"])
def test_calibrated_probabilities_are_spark_s_on_ten_thousand_customers(found: Any, recipe: str) -> None:
    """`repeat_purchase`: the champion, from the two folders that MLflow has of it."""
    assert found[recipe]["rows"] == 10_000
    assert found[recipe]["apart"] <= 1e-6
    assert found[recipe]["spread"] > 0.1  # else they would agree on nothing


@pytest.mark.parametrize("recipe", ["kmeans 5", "bisecting 5", "customer_segments"])
def test_segments_are_spark_s_of_ten_thousand_customers(found: Any, recipe: str) -> None:
    assert (found[recipe]["rows"], found[recipe]["other"]) == (10_000, 0)
    assert found[recipe]["used"] == found[recipe]["segments"] >= 4
    assert found[recipe]["apart"] <= 1e-6


@pytest.mark.parametrize("recipe", ["rules", "factors"])
def test_ten_recommendations_beside_each_product_are_the_best_by_spark_with_its_scores(found: Any, recipe: str) -> None:
    assert found[recipe]["rows"] == PRODUCTS * 10 > 10_000
    assert found[recipe]["apart"] <= 1e-6
    assert found[recipe]["missed"] == 0
    assert found[recipe]["spread"] > 0.01


def test_rules_recommend_what_spark_s_own_transform_predicts(found: Any) -> None:
    assert found["rules"]["transform"] == PRODUCTS
