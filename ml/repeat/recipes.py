"""The candidates: Spark ML's logistic regression and boosted trees, and xgboost."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml import trees
from ml.customers.features import NUMERIC
from ml.repeat.served import Boosted, Floats, Linear, RepeatPurchase, Trees, log_odds, sigmoid

if TYPE_CHECKING:
    import polars as pl
    from pyspark.ml import PipelineModel
    from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True)
class Recipe:
    """An estimator and its parameters."""

    name: str
    estimator: str
    params: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @staticmethod
    def from_json(text: str) -> "Recipe | None":
        """None when this code can no longer follow it."""
        raw = json.loads(text)
        return Recipe(raw["name"], raw["estimator"], raw["params"]) if raw["estimator"] in _ESTIMATORS else None


_ESTIMATORS = ("LogisticRegression", "GBTClassifier", "SparkXGBClassifier")
CANDIDATES = (
    Recipe("logistic", "LogisticRegression", {"regParam": 1e-4, "maxIter": 25}),
    Recipe("gbt", "GBTClassifier", {"maxIter": 8, "maxDepth": 3, "stepSize": 0.4, "minInstancesPerNode": 30, "seed": 7}),
    Recipe(
        "xgboost",
        "SparkXGBClassifier",
        {
            "n_estimators": 60,
            "max_depth": 4,
            "learning_rate": 0.15,
            "subsample": 0.8,
            "colsample_bytree": 0.8,
            "min_child_weight": 20,
            "tree_method": "hist",
            "random_state": 7,
            "num_workers": 1,
        },
    ),
)


def fit(
    recipe: Recipe, spark: "SparkSession", folder: Path, taught: "pl.DataFrame", newest: "pl.DataFrame"
) -> "tuple[PipelineModel, RepeatPurchase]":
    """Fit on `taught`, calibrate on `newest`, which the fit did not see. The pipeline's `prediction` is what is served."""
    from pyspark.ml import Pipeline, PipelineModel

    rows = _to_spark(spark, folder, taught)
    fitted = Pipeline(stages=[*_prepared(), _estimator(recipe)]).fit(rows)
    rows.unpersist()
    core = _core(recipe, fitted.stages[-1])
    slope, shift = platt(RepeatPurchase(core, 1.0, 0.0), newest)
    pipeline = PipelineModel([*fitted.stages, _calibration(recipe, slope, shift)])
    return pipeline, RepeatPurchase(core, slope, shift)


def platt(model: RepeatPurchase, newest: "pl.DataFrame") -> tuple[float, float]:
    """Slope and shift of the log-odds that make the likelihood of `newest` greatest (Platt 1999), by Newton's method."""
    margin = log_odds(model.predict(newest.to_pandas())["repeat_probability"].to_numpy())
    truth = newest["bought"].to_numpy()
    design, found = np.column_stack([margin, np.ones_like(margin)]), np.array([1.0, 0.0])
    for _ in range(50):
        odds = sigmoid(design @ found)
        weight = np.maximum(odds * (1 - odds), 1e-9)
        step = np.linalg.solve(design.T @ (design * weight[:, None]) + 1e-6 * np.eye(2), design.T @ (truth - odds))
        found = found + step
        if np.abs(step).max() < 1e-10:
            break
    return float(found[0]), float(found[1])


def _prepared() -> list[Any]:
    from pyspark.ml.feature import SQLTransformer, VectorAssembler

    told = ", ".join(f"log1p(greatest({name}, 0D)) AS log_{name}" for name in NUMERIC)
    logs = SQLTransformer(statement=f"SELECT *, {told} FROM __THIS__")
    return [logs, VectorAssembler(inputCols=[f"log_{name}" for name in NUMERIC], outputCol="features")]


def _calibration(recipe: Recipe, slope: float, shift: float) -> Any:
    """The last stage: the calibrated probability as `prediction`, which is what MLflow's own wrapper of Spark answers with."""
    from pyspark.ml.feature import SQLTransformer

    # SQL has no way into a vector but its text, whose numbers are exact; a function of Python's would be lost in saving.
    margin = "element_at(from_json(CAST(rawPrediction AS STRING), 'array<double>'), 2)"
    odds = 2 * slope if recipe.estimator == "GBTClassifier" else slope  # Spark's trees say half of the log-odds
    told = f"1 / (1 + exp(-({odds!r}D * {margin} + {shift!r}D))) AS prediction"
    return SQLTransformer(statement=f"SELECT *, {told} FROM __THIS__")


def _estimator(recipe: Recipe) -> Any:
    if recipe.estimator == "SparkXGBClassifier":
        from xgboost.spark import SparkXGBClassifier

        return SparkXGBClassifier(
            features_col="features", label_col="bought", prediction_col="class", verbosity=0, verbose=False, **recipe.params
        )
    from pyspark.ml import classification

    made = getattr(classification, recipe.estimator)(featuresCol="features", labelCol="bought", predictionCol="class")
    return made.setParams(**recipe.params)


def _core(recipe: Recipe, fitted: Any) -> Linear | Trees | Boosted:
    if recipe.estimator == "LogisticRegression":
        return Linear(np.array(fitted.coefficients.toArray()), float(fitted.intercept))
    if recipe.estimator == "GBTClassifier":
        return Trees(trees.of_spark(fitted))
    return Boosted(fitted.get_booster())


def _to_spark(spark: "SparkSession", folder: Path, rows: "pl.DataFrame") -> "DataFrame":
    # From a file, in one partition: xgboost refuses a coalesced frame, and the order of the rows decides each sum's last digit.
    file = Path(tempfile.mkdtemp(dir=folder)) / "rows.parquet"
    rows.select("bought", *NUMERIC).write_parquet(file)
    return spark.read.parquet(str(file)).cache()


def probabilities(model: RepeatPurchase, rows: "pl.DataFrame") -> Floats:
    """The calibrated probability of each row."""
    return np.asarray(model.predict(rows.to_pandas())["repeat_probability"].to_numpy())
