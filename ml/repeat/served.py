"""The repeat-purchase model as it answers: a linear model, Spark's trees, or a booster of xgboost, then calibration."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xgboost
from numpy.typing import NDArray

from ml.customers.features import NUMERIC
from ml.frame import numbers
from ml.trees import Forest

Floats = NDArray[np.float64]
_EDGE = 1e-12


@dataclass(frozen=True)
class Linear:
    """A logistic regression: weights of each feature, and the intercept."""

    weights: Floats
    intercept: float

    def margin(self, rows: Floats) -> Floats:
        """Log-odds, shape (rows,)."""
        return np.asarray(rows @ self.weights + self.intercept)


@dataclass(frozen=True)
class Trees:
    """Gradient-boosted trees of Spark."""

    forest: Forest

    def margin(self, rows: Floats) -> Floats:
        """Log-odds: Spark's classifier minimises log(1 + exp(-2 y F)), so that they are twice the trees' sum."""
        return 2 * self.forest.predict(rows)


@dataclass(frozen=True)
class Boosted:
    """A booster of xgboost with the objective binary:logistic."""

    booster: xgboost.Booster

    def margin(self, rows: Floats) -> Floats:
        """Log-odds."""
        return np.asarray(self.booster.inplace_predict(rows, predict_type="margin"), dtype=float)


@dataclass(frozen=True)
class RepeatPurchase:
    """Answers `repeat_probability` for rows of ml.customers.features.at."""

    core: Linear | Trees | Boosted
    slope: float  # Platt's calibration of the log-odds
    shift: float

    def predict(self, model_input: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """`repeat_probability` for each row. ValueError that names the column which is missing or is no number."""
        margin = self.core.margin(logs(numbers(model_input, NUMERIC)))
        return pd.DataFrame({"repeat_probability": sigmoid(self.slope * margin + self.shift)}, index=model_input.index)

    def save(self, folder: Path) -> None:
        """Plain files: model.json, and the trees beside it."""
        told: dict[str, Any] = {"kind": type(self.core).__name__, "slope": self.slope, "shift": self.shift}
        if isinstance(self.core, Linear):
            told |= {"weights": self.core.weights.tolist(), "intercept": self.core.intercept}
        elif isinstance(self.core, Trees):
            self.core.forest.save(folder / "trees.json")
        else:
            self.core.booster.save_model(folder / "model.ubj")
        (folder / "model.json").write_text(json.dumps(told))


def logs(rows: Floats) -> Floats:
    """What the model sees: logarithms, since all features are counts, days and money with long tails."""
    return np.log1p(np.maximum(rows, 0.0))


def sigmoid(margin: Floats) -> Floats:
    """Log-odds -> probability."""
    return np.asarray(1 / (1 + np.exp(-np.clip(margin, -500, 500))))


def log_odds(probability: Floats) -> Floats:
    """The inverse of `sigmoid`."""
    held = np.clip(probability, _EDGE, 1 - _EDGE)
    return np.asarray(np.log(held / (1 - held)))


def _load_pyfunc(path: str) -> RepeatPurchase:
    folder = Path(path)
    told = json.loads((folder / "model.json").read_text())
    core: Linear | Trees | Boosted
    if told["kind"] == "Linear":
        core = Linear(np.array(told["weights"]), told["intercept"])
    elif told["kind"] == "Trees":
        core = Trees(Forest.load(folder / "trees.json"))
    else:
        booster = xgboost.Booster({"nthread": 1})
        booster.load_model(folder / "model.ubj")
        core = Boosted(booster)
    return RepeatPurchase(core, told["slope"], told["shift"])
