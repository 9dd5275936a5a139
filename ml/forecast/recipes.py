"""The candidates: what may become the model. A recipe is data, so that a past run's can be read back and tried again."""

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from ml.forecast.features import CATEGORY, NUMERIC, WEEKDAY
from ml.forecast.pool import MEMBERS

if TYPE_CHECKING:
    from pyspark.ml import Estimator, PipelineModel, Transformer
    from pyspark.sql import DataFrame

LEAST_RATIO = 0.1  # a day with less than a tenth of the level teaches the same as one with a tenth: logs end somewhere


@dataclass(frozen=True)
class Recipe:
    """A Spark ML regressor of log(revenue of the day / level at the origin), the pool of smoothings, or both:
    their geometric mean.

    `estimator` is one of ESTIMATORS, empty for the pool alone; `pool` names its members, empty for the regressor alone.
    """

    name: str
    estimator: str = ""
    params: dict[str, Any] = field(default_factory=dict, hash=False)
    numeric: tuple[str, ...] = NUMERIC
    pool: tuple[str, ...] = ()

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @staticmethod
    def from_json(text: str) -> "Recipe":
        """ValueError when the text is of a recipe that this code cannot follow: a regressor or a feature is gone."""
        try:
            raw = json.loads(text)
            recipe = Recipe(raw["name"], raw["estimator"], raw["params"], tuple(raw["numeric"]), tuple(raw["pool"]))
        except KeyError as missing:
            raise ValueError(f"it says no {missing}, so it is of an older code") from missing
        gone = sorted({*recipe.numeric} - {*NUMERIC}) + sorted({*recipe.pool} - {*MEMBERS})
        if gone or recipe.estimator not in ("", *ESTIMATORS):
            raise ValueError(f"it needs {', '.join(gone) or recipe.estimator}, which this code no longer has")
        return recipe

    @property
    def regressor(self) -> "Recipe":
        """What of it Spark fits: equal for recipes that share a fit."""
        return Recipe("", self.estimator, self.params, self.numeric)


ESTIMATORS = ("LinearRegression", "GBTRegressor", "SparkXGBRegressor")

_BOOSTED = {
    "objective": "reg:squarederror",
    "n_estimators": 60,
    "max_depth": 4,
    "learning_rate": 0.1,
    "subsample": 0.7,
    "colsample_bytree": 0.7,
    "min_child_weight": 20,
    "tree_method": "hist",
    "random_state": 7,
    "num_workers": 1,
}
# A round costs Spark half a second of processor time whatever it learns, and each fit two: five rounds, big steps.
_TREES = {"maxIter": 5, "maxDepth": 4, "maxBins": 16, "stepSize": 0.5, "seed": 7}
CANDIDATES = (
    Recipe("pool", pool=MEMBERS),
    Recipe("linear", "LinearRegression", {"regParam": 0.1, "elasticNetParam": 0.0}),
    Recipe("gbt", "GBTRegressor", _TREES),
    Recipe("xgboost", "SparkXGBRegressor", _BOOSTED),
    Recipe("xgboost and pool", "SparkXGBRegressor", _BOOSTED, pool=MEMBERS),
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


def assembler(numeric: tuple[str, ...]) -> "Transformer":
    """The feature vector, in the order of ml.forecast.features.matrix."""
    from pyspark.ml.feature import VectorAssembler

    return VectorAssembler(inputCols=[*numeric, f"{WEEKDAY}_vector", f"{CATEGORY}_vector"], outputCol="features")


def regressor(recipe: Recipe) -> "Estimator":
    """The unfitted regressor of a recipe: `features` -> `log_ratio`, learned from `label`."""
    if recipe.estimator == "SparkXGBRegressor":
        from xgboost.spark import SparkXGBRegressor

        return SparkXGBRegressor(
            features_col="features", label_col="label", prediction_col="log_ratio", verbosity=0, verbose=False, **recipe.params
        )
    from pyspark.ml import regression

    made = getattr(regression, recipe.estimator)(featuresCol="features", labelCol="label", predictionCol="log_ratio")
    return made.setParams(**recipe.params)


def pipeline(stages: "list[Transformer]") -> "PipelineModel":
    """Fitted stages as one model whose `prediction` is money."""
    from pyspark.ml import PipelineModel
    from pyspark.ml.feature import SQLTransformer

    money = "SELECT *, exp(CAST(log_ratio AS DOUBLE)) * level AS prediction FROM __THIS__"
    return PipelineModel([*stages, SQLTransformer(statement=money)])


def labelled(rows: "DataFrame") -> "DataFrame":
    """Rows that can be learned from, with `label`."""
    from pyspark.sql import functions as F

    ratio = F.greatest(F.col("truth") / F.col("level"), F.lit(LEAST_RATIO))
    return rows.where("truth IS NOT NULL AND level > 0").withColumn("label", F.log(ratio))
