"""With a real classic Spark session, in one process of its own: this one may hold Sail's."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from ml import child
from ml.forecast import panel
from ml.forecast.panel import Panel
from transforms.engine import java

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def found(panel_of: Callable[..., Panel], sales: Callable[..., np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("spark")
    pq.write_table(panel.to_arrow(panel_of(sales(400, (900.0, 4000.0, 30_000.0)))), folder / "long.parquet")
    pq.write_table(panel.to_arrow(panel_of(sales(90))), folder / "panel.parquet")
    kept = {name: value for name, value in os.environ.items() if name not in child._FOREIGN}
    environment = kept | {"JAVA_HOME": str(java.home(folder)), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(Path(__file__).with_name("spark_side.py")), str(folder)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "found.json").read_text())


@pytest.mark.parametrize("estimator", ["LinearRegression", "GBTRegressor", "SparkXGBRegressor"])
def test_numpy_says_what_the_spark_pipeline_says(found: Any, estimator: str) -> None:
    said = found["same"][estimator]
    assert said["rows"] >= 10_000
    assert said["apart"] <= 1e-6
    assert said["spread"] > 1000  # money that differs from row to row


def test_every_candidate_and_the_champion_take_part(found: Any) -> None:
    made = found["trained"]
    assert list(made["losses"]) == ["pool", "linear", "gbt", "xgboost", "xgboost and pool", "older"]
    assert made["recipes"] == list(made["losses"])
    assert all(len(losses) == len(made["naive"]) for losses in made["losses"].values())
    assert len({tuple(losses) for losses in made["losses"].values()}) == 6
    assert {"mase", "smape", "bias", "coverage_80", "coverage_95", "mase/All", "coverage_80/c1"} <= set(made["metrics"])


def test_training_again_gives_the_same_losses(found: Any) -> None:
    made = found["trained"]
    assert made["again"] == made["losses"]["older"]


def test_what_is_fitted_answers_as_it_forecasts(found: Any) -> None:
    made = found["trained"]
    total = np.round(np.array(made["ahead"]), 2).sum(axis=0)
    assert [row[0] for row in made["answers"]] == pytest.approx(total.tolist(), abs=1e-9)
    assert made["spark"] == {"linear": True, "pool": False}
    assert made["figures"] == ["forecast.png", "residuals.png"]
    assert "price_28" in made["profile"]
    assert "backtest of the pool" in made["steps"]
    assert made["params"]["last_day"] == "2024-03-30"
