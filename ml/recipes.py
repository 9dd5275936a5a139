"""The candidates: what may become the model. A recipe is data, so that a past run's can be read back and tried again."""

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from ml.features import CATEGORY, NUMERIC, WEEKDAY

if TYPE_CHECKING:
    from pyspark.ml import Estimator, PipelineModel, Transformer
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Recipe:
    """A Spark ML regressor of `ratio` (revenue of the day / level at the origin) and the features it sees."""

    name: str
    estimator: str  # a key of _estimator()
    params: dict[str, Any] = field(default_factory=dict, hash=False)
    numeric: tuple[str, ...] = NUMERIC

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @staticmethod
    def from_json(text: str) -> "Recipe":
        """ValueError when the text is of a recipe that this code cannot follow: a regressor or a feature is gone."""
        raw = json.loads(text)
        recipe = Recipe(raw["name"], raw["estimator"], raw["params"], tuple(raw["numeric"]))
        gone = sorted(set(recipe.numeric) - set(NUMERIC))
        if gone or recipe.estimator not in ESTIMATORS:
            raise ValueError(f"it needs {', '.join(gone) or recipe.estimator}, which this code no longer has")
        return recipe


ESTIMATORS = ("LinearRegression", "GeneralizedLinearRegression", "GBTRegressor", "SparkXGBRegressor")

CANDIDATES = (
    Recipe("linear", "LinearRegression", {"regParam": 0.02, "elasticNetParam": 0.0}),
    Recipe(
        "xgboost",
        "SparkXGBRegressor",
        {
            "objective": "reg:tweedie",
            "n_estimators": 60,
            "max_depth": 4,
            "learning_rate": 0.1,
            "subsample": 0.7,
            "colsample_bytree": 0.7,
            "min_child_weight": 20,
            "tree_method": "hist",
            "random_state": 7,
            "num_workers": 1,
        },
    ),
)


def prepare(categories: tuple[str, ...]) -> "list[Transformer | Estimator]":
    """Stages that turn the columns into vectors. The labels are given, not learned: nothing here can see the future."""
    from pyspark.ml.feature import OneHotEncoder, StringIndexerModel

    weekdays = [str(day) for day in range(7)]
    return [
        StringIndexerModel.from_labels(weekdays, WEEKDAY, f"{WEEKDAY}_index", handleInvalid="keep"),
        StringIndexerModel.from_labels(list(categories), CATEGORY, f"{CATEGORY}_index", handleInvalid="keep"),
        OneHotEncoder(
            inputCols=[f"{WEEKDAY}_index", f"{CATEGORY}_index"],
            outputCols=[f"{WEEKDAY}_vector", f"{CATEGORY}_vector"],
            dropLast=True,
        ),
    ]


def assembler(recipe: Recipe) -> "Transformer":
    """The feature vector of a recipe."""
    from pyspark.ml.feature import VectorAssembler

    columns = [*recipe.numeric, f"{WEEKDAY}_vector", f"{CATEGORY}_vector"]
    return VectorAssembler(inputCols=columns, outputCol="features")


def regressor(recipe: Recipe) -> "Estimator":
    """The unfitted regressor of a recipe: `features` -> `ratio`, learned from `ratio_label`."""
    if recipe.estimator == "SparkXGBRegressor":
        from xgboost.spark import SparkXGBRegressor

        return SparkXGBRegressor(
            features_col="features", label_col="ratio_label", prediction_col="ratio", verbosity=0, verbose=False, **recipe.params
        )
    from pyspark.ml import regression

    made = getattr(regression, recipe.estimator)(featuresCol="features", labelCol="ratio_label", predictionCol="ratio")
    return made.setParams(**recipe.params)


def pipeline(stages: "list[Transformer]") -> "PipelineModel":
    """Fitted stages as one model whose `prediction` is money, never below zero."""
    from pyspark.ml import PipelineModel
    from pyspark.ml.feature import SQLTransformer

    money = "SELECT *, greatest(CAST(ratio AS DOUBLE), 0D) * level AS prediction FROM __THIS__"
    return PipelineModel([*stages, SQLTransformer(statement=money)])


def labelled(rows: "DataFrame") -> "DataFrame":
    """Rows that can be learned from, with `ratio_label`. A day with more discount than revenue counts as 0."""
    from pyspark.sql import functions as F

    return rows.where("truth IS NOT NULL AND level > 0").withColumn(
        "ratio_label", F.greatest(F.col("truth") / F.col("level"), F.lit(0.0))
    )
