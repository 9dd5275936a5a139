"""Fitted regressors without Spark: the same numbers as its pipeline, from numpy or xgboost's own booster."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import xgboost

from ml.forecast.panel import Floats
from ml.trees import Forest


class Regressor(Protocol):
    """Feature vectors (rows, features) -> logs of ratios (rows)."""

    def predict(self, vectors: Floats) -> Floats: ...

    def save(self, folder: Path) -> None: ...


@dataclass(frozen=True)
class Linear:
    """Coefficients and an intercept, as LinearRegression has them: of features as they are, not standardised."""

    coefficients: Floats
    intercept: float

    def predict(self, vectors: Floats) -> Floats:
        return np.asarray(vectors @ self.coefficients + self.intercept)

    def save(self, folder: Path) -> None:
        np.savez(folder / "linear.npz", coefficients=self.coefficients, intercept=self.intercept)


@dataclass(frozen=True)
class Trees:
    """Gradient-boosted trees of Spark."""

    forest: Forest

    def predict(self, vectors: Floats) -> Floats:
        return self.forest.predict(vectors)

    def save(self, folder: Path) -> None:
        self.forest.save(folder / "trees.json")


@dataclass(frozen=True)
class Boosted:
    """A booster of xgboost; it works in single precision, in Spark as here."""

    booster: xgboost.Booster

    def predict(self, vectors: Floats) -> Floats:
        return np.asarray(self.booster.inplace_predict(vectors.astype(np.float32), validate_features=False), dtype=float)

    def save(self, folder: Path) -> None:
        self.booster.save_model(folder / "booster.ubj")


def load(folder: Path) -> Regressor | None:
    """The inverse of `save`; None where nothing was saved."""
    if (folder / "booster.ubj").exists():
        booster = xgboost.Booster({"nthread": 1})
        booster.load_model(folder / "booster.ubj")
        return Boosted(booster)
    if (folder / "trees.json").exists():
        return Trees(Forest.load(folder / "trees.json"))
    if (folder / "linear.npz").exists():
        with np.load(folder / "linear.npz") as kept:
            return Linear(kept["coefficients"], float(kept["intercept"]))
    return None


def of_spark(fitted: Any) -> Regressor:
    """From a fitted LinearRegression, GBTRegressor or SparkXGBRegressor."""
    if hasattr(fitted, "get_booster"):
        booster = fitted.get_booster()
        booster.set_param({"nthread": 1})
        return Boosted(booster)
    if hasattr(fitted, "treeWeights"):
        return Trees(parse(fitted.toDebugString, list(fitted.treeWeights)))
    return Linear(fitted.coefficients.toArray(), float(fitted.intercept))


_SPLIT = re.compile(r"If \(feature (\d+) (<=|in) ([^)]+)\)")


def parse(described: str, weights: list[float]) -> Forest:
    """Trees from Spark's `toDebugString`, which prints thresholds and predictions in full, in the order of a walk, left first."""
    nodes: list[tuple[int, float, int, int, float]] = []
    roots: list[int] = []
    waiting: list[int] = []  # nodes whose right branch is still to come
    branch: list[tuple[int, bool]] = []  # (parent, whether as its left)

    def link(place: int) -> None:
        if branch:
            parent, left = branch.pop()
            feature, threshold, first, second, value = nodes[parent]
            nodes[parent] = (feature, threshold, place if left else first, second if left else place, value)

    for text in map(str.strip, described.splitlines()):
        place = len(nodes)
        if text.startswith("Tree "):
            roots.append(place)
        elif found := _SPLIT.match(text):
            link(place)
            nodes.append((int(found[1]), *_threshold(found[2], found[3]), 0.0))
            waiting.append(place)
            branch.append((place, True))
        elif text.startswith("Else "):
            branch.append((waiting.pop(), False))
        elif text.startswith("Predict: "):
            link(place)
            nodes.append((-1, 0.0, 0, 0, float(text.removeprefix("Predict: "))))
    # A category of 0 and 1 that goes left where it is 1 is written with its branches the other way about.
    turned = [(f, 0.5, right, left, v) if t == _TURNED and f >= 0 else (f, t, left, right, v) for f, t, left, right, v in nodes]
    feature, threshold, left, right, value = (np.array(column) for column in zip(*turned, strict=True))
    return Forest(feature, threshold, left, right, value, np.array(roots), np.array(weights, dtype=float))


_TURNED = -0.5


def _threshold(kind: str, of: str) -> tuple[float, int, int]:
    # To Spark a one-hot feature is a category of 0 and 1.
    return (float(of) if kind == "<=" else {"{0.0}": 0.5, "{1.0}": _TURNED}[of]), 0, 0
