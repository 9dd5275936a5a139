"""The candidates: rules between products that were bought together (Spark's FPGrowth), and factors of baskets (Spark's ALS)."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.recommend.served import Floats, Ints, Neighbours

if TYPE_CHECKING:
    import polars as pl
    from pyspark.ml import PipelineModel
    from pyspark.sql import DataFrame, SparkSession

NEAR = 50  # neighbours kept of each product


@dataclass(frozen=True)
class Recipe:
    """An algorithm of Spark ML and its parameters."""

    name: str
    algorithm: str
    params: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @staticmethod
    def from_json(text: str) -> "Recipe | None":
        """None when this code can no longer follow it."""
        raw = json.loads(text)
        return Recipe(raw["name"], raw["algorithm"], raw["params"]) if raw["algorithm"] in ("FPGrowth", "ALS") else None


CANDIDATES = (
    Recipe("rules", "FPGrowth", {"least_orders": 2}),
    Recipe(
        "factors",
        "ALS",
        {"rank": 16, "maxIter": 4, "regParam": 0.05, "alpha": 20.0, "seed": 7, "numUserBlocks": 1, "numItemBlocks": 1},
    ),
)


def fit(
    recipe: Recipe, spark: "SparkSession", folder: Path, lines: "pl.DataFrame", sold: Ints
) -> "tuple[Neighbours, PipelineModel]":
    """The neighbours of every product in `lines` (basket, product_id, each pair once), and Spark's own model as a pipeline.

    `sold` are the products that may be recommended.
    """
    from pyspark.ml import PipelineModel

    products = lines["product_id"].unique().sort().to_numpy()
    counts = lines.group_by("product_id").len().sort(["len", "product_id"], descending=[True, False])
    ranked = counts["product_id"].to_numpy()
    popular = np.searchsorted(products, ranked[np.isin(ranked, sold)])
    if recipe.algorithm == "FPGrowth":
        model, (one, other, score) = _rules(recipe, spark, folder, lines)
    else:
        model, (one, other, score) = _factors(recipe, spark, folder, lines)
    kept = np.isin(other, sold)
    near, scores = _nearest(
        len(products), np.searchsorted(products, one[kept]), np.searchsorted(products, other[kept]), score[kept]
    )
    return Neighbours(products, near, scores, popular), PipelineModel([model])


def _rules(recipe: Recipe, spark: "SparkSession", folder: Path, lines: "pl.DataFrame") -> tuple[Any, tuple[Ints, Ints, Floats]]:
    """Confidence of a -> b: of the baskets with a, the share that has b."""
    from pyspark.ml.fpm import FPGrowth

    baskets = lines.group_by("basket", maintain_order=True).agg("product_id").select("product_id")
    frame = _to_spark(spark, folder, baskets.rename({"product_id": "items"}))
    support = recipe.params["least_orders"] / max(baskets.height, 1)
    model = FPGrowth(itemsCol="items", minSupport=support * 0.999, minConfidence=0.0).fit(frame)
    rules = (
        model.associationRules.where("size(antecedent) = 1")
        .selectExpr("antecedent[0] a", "consequent[0] b", "confidence")
        .toPandas()
    )
    return model, (rules["a"].to_numpy(np.int64), rules["b"].to_numpy(np.int64), rules["confidence"].to_numpy(float))


def _factors(recipe: Recipe, spark: "SparkSession", folder: Path, lines: "pl.DataFrame") -> tuple[Any, tuple[Ints, Ints, Floats]]:
    """Dot product of the products' factors; a basket is a user.

    A basket of one product says nothing of what goes with it: without them precision at 10 was 0.018 instead of 0.016, and a fit
    took three quarters of the time.
    """
    import polars as pl
    from pyspark.ml.recommendation import ALS

    several = lines.filter(pl.len().over("basket") > 1)
    rows = several.select(pl.col("basket").cast(pl.Int32), pl.col("product_id").cast(pl.Int32), pl.lit(1.0).alias("rating"))
    als = ALS(userCol="basket", itemCol="product_id", ratingCol="rating", implicitPrefs=True, **recipe.params)
    model = als.fit(_to_spark(spark, folder, rows))
    found = model.itemFactors.toPandas().sort_values("id")
    ids, factors = found["id"].to_numpy(np.int64), np.array(found["features"].tolist(), dtype=float)
    score = factors @ factors.T
    np.fill_diagonal(score, -np.inf)
    best = np.argsort(-score, axis=1, kind="stable")[:, :NEAR]
    one = np.repeat(ids, best.shape[1])
    return model, (one, ids[best.ravel()], np.take_along_axis(score, best, axis=1).ravel())


def _nearest(count: int, one: Ints, other: Ints, score: Floats) -> tuple[Ints, Floats]:
    """Shape (products, NEAR): the best of each first; equal scores in order of number."""
    near, scores = np.full((count, NEAR), -1, dtype=np.int64), np.zeros((count, NEAR))
    order = np.lexsort((other, -score, one))
    one, other, score = one[order], other[order], score[order]
    place = np.arange(len(one)) - np.searchsorted(one, one, side="left")
    kept = place < NEAR
    near[one[kept], place[kept]] = other[kept]
    scores[one[kept], place[kept]] = score[kept]
    return near, scores


def _to_spark(spark: "SparkSession", folder: Path, rows: "pl.DataFrame") -> "DataFrame":
    import tempfile

    file = Path(tempfile.mkdtemp(dir=folder)) / "rows.parquet"
    rows.write_parquet(file)
    return spark.read.parquet(str(file)).coalesce(1)
