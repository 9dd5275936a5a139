"""What answers without Java says what the Spark model says. Spark has a process of its own: this one may hold Sail's."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ml import child
from transforms.engine import java

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("spark")
    kept = {name: value for name, value in os.environ.items() if name not in child._FOREIGN}
    environment = kept | {"JAVA_HOME": str(java.home(folder)), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(Path(__file__).with_name("spark_side.py")), str(folder)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "found.json").read_text())


@pytest.mark.parametrize("recipe", ["logistic", "gbt", "xgboost"])
def test_probabilities_are_spark_s_on_ten_thousand_customers(found: Any, recipe: str) -> None:
    assert found[recipe]["rows"] == 10_000
    assert found[recipe]["apart"] <= 1e-6
    assert found[recipe]["spread"] > 0.1  # else they would agree on nothing


@pytest.mark.parametrize(("recipe", "pairs"), [("rules", 2000), ("factors", 10_000)])
def test_scores_of_products_are_spark_s_and_the_best_of_them_are_kept(found: Any, recipe: str, pairs: int) -> None:
    assert found[recipe]["rows"] >= pairs
    assert found[recipe]["apart"] <= 1e-6
    assert found[recipe]["best"]


@pytest.mark.parametrize("recipe", ["kmeans 5", "bisecting 5"])
def test_segments_are_spark_s_of_ten_thousand_customers(found: Any, recipe: str) -> None:
    assert (found[recipe]["rows"], found[recipe]["other"], found[recipe]["used"]) == (10_000, 0, 5)
    assert found[recipe]["apart"] <= 1e-6
