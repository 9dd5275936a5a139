"""`spark_side.py FOLDER`: what test_same_as_spark.py asks of a classic Spark session, in a process of its own."""

import json
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
from pyspark.ml import PipelineModel

from ml import session
from ml.customers.features import NUMERIC
from ml.recommend import recipes as recommend
from ml.recommend import served as recommend_served
from ml.repeat import recipes as repeat
from ml.repeat import served as repeat_served
from ml.segments import recipes as cluster
from ml.segments import served as cluster_served
from ml.segments.space import COLUMNS, placed

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROWS = 10_000
BUNDLES, OF = 70, 16  # products that are bought together


def reopened(served: Any, module: ModuleType, folder: Path) -> Any:
    """What answers, as MLflow keeps it: written into plain files and opened again."""
    place = tempfile.mkdtemp(dir=folder)
    served.save(Path(place))
    return module._load_pyfunc(place)


def customers(seed: int) -> pd.DataFrame:
    """ROWS customers' features, far and wide."""
    random = np.random.default_rng(seed)
    wide = {name: random.lognormal(1, 1.5, ROWS) for name in NUMERIC}
    near = {"recency_days": random.lognormal(4, 1.2, ROWS), "average_order": random.lognormal(4, 1, ROWS)}
    return pd.DataFrame(wide | near | {"frequency": 1.0 + random.poisson(random.gamma(1, 4, ROWS))})


def probabilities(spark: "SparkSession", pipeline: PipelineModel, served: Any) -> dict[str, Any]:
    """How far the served probabilities are from what the Spark pipeline predicts, at most."""
    asked = customers(3)
    rows = pipeline.transform(spark.createDataFrame(asked)).select("prediction").collect()
    theirs, ours = np.array([row["prediction"] for row in rows]), served.predict(asked)["repeat_probability"].to_numpy()
    return {"rows": len(ours), "apart": float(np.abs(ours - theirs).max()), "spread": float(np.ptp(ours))}


def keys(spark: "SparkSession", pipeline: PipelineModel, served: Any) -> dict[str, Any]:
    """How many customers are served another segment than the Spark pipeline predicts, and how far the distances are apart."""
    asked = customers(9)
    rows = pipeline.transform(spark.createDataFrame(asked)).select("prediction").collect()
    theirs, ours = np.array([row["prediction"] for row in rows]), served.predict(asked)
    centres = np.array(pipeline.stages[-1].clusterCenters())  # type: ignore[attr-defined]
    distance = np.linalg.norm(placed(asked[list(COLUMNS)].to_numpy()) - centres[theirs], axis=1)
    return {
        "rows": len(ours),
        "other": int((ours["segment_key"] != theirs).sum()),
        "apart": float(np.abs(ours["distance"] - distance).max()),
        "used": ours["segment_key"].nunique(),
        "segments": len(centres),
    }


def repeats(spark: "SparkSession", folder: Path) -> dict[str, Any]:
    """Of each candidate for repeat_purchase, how it is served and what its pipeline says."""
    random = np.random.default_rng(3)
    taught = pl.DataFrame({name: random.lognormal(1, 1, 4000) for name in NUMERIC})
    odds = 0.8 * np.log1p(taught["frequency"].to_numpy()) - 0.6 * np.log1p(taught["recency_days"].to_numpy())
    taught = taught.with_columns(bought=(random.random(4000) < repeat_served.sigmoid(odds)).astype(float))
    found = {}
    for recipe in repeat.CANDIDATES:
        # Fewer of these buy, so that the calibration has something to do.
        newest = taught.head(1000).with_columns(pl.col("bought") * (pl.col("tenure_days") > 2))
        pipeline, made = repeat.fit(recipe, spark, folder, taught, newest)
        assert abs(made.slope - 1) + abs(made.shift) > 0.2
        found[recipe.name] = probabilities(spark, pipeline, reopened(made, repeat_served, folder))
    return found


def segments(spark: "SparkSession", folder: Path) -> dict[str, Any]:
    """Of KMeans and bisecting KMeans, how each is served and what its pipeline says."""
    found = {}
    for recipe in (cluster.Recipe("KMeans", 5), cluster.Recipe("BisectingKMeans", 5)):
        pipeline, root = cluster.fit(recipe, spark, folder, customers(8)[list(COLUMNS)].to_numpy())
        made = cluster_served.Segments(root, tuple("abcde"), ((0.0,) * len(COLUMNS),) * 5)
        found[recipe.name] = keys(spark, pipeline, reopened(made, cluster_served, folder))
    return found


def logged(spark: "SparkSession", folder: Path) -> dict[str, Any]:
    """Of the champions that champions.json names, the same for both forms that MLflow has of them."""
    kinds: Any = {"repeat_purchase": (repeat_served, probabilities), "customer_segments": (cluster_served, keys)}
    found = {}
    for name, place in json.loads((folder / "champions.json").read_text()).items():
        module, compared = kinds[name]
        found[name] = compared(spark, PipelineModel.load(place["spark"]), module._load_pyfunc(place["served"]))
    return found


def baskets() -> pl.DataFrame:
    """Three products of a bundle in each basket."""
    random = np.random.default_rng(5)
    rows = [
        (basket, int(bundle * OF + product))
        for basket, bundle in enumerate(random.integers(0, BUNDLES, 12_000))
        for product in random.permutation(OF)[:3]
    ]
    return pl.DataFrame(rows, schema=["basket", "product_id"], orient="row").sort("basket", "product_id")


def scores_of_rules(pipeline: PipelineModel) -> dict[tuple[int, int], float]:
    """Confidence of each rule of one product with another."""
    rules: Any = pipeline.stages[0].associationRules  # type: ignore[attr-defined]
    rows = rules.where("size(antecedent) = 1").collect()
    return {(row["antecedent"][0], row["consequent"][0]): row["confidence"] for row in rows}


def scores_of_factors(pipeline: PipelineModel) -> dict[tuple[int, int], float]:
    """Dot product of each two products' factors, by Spark."""
    factors: Any = pipeline.stages[0].itemFactors  # type: ignore[attr-defined]
    both = factors.selectExpr("id a", "features x").crossJoin(factors.selectExpr("id b", "features y")).where("a <> b")
    # Written out it is compiled; Spark's functions of arrays would go through every element of a million pairs one by one.
    dot = " + ".join(f"double(x[{place}]) * double(y[{place}])" for place in range(pipeline.stages[0].rank))  # type: ignore[attr-defined]
    rows = both.selectExpr("a", "b", f"{dot} score").toPandas()
    return dict(zip(zip(rows["a"].tolist(), rows["b"].tolist(), strict=True), rows["score"].tolist(), strict=True))


def recommendations(spark: "SparkSession", folder: Path) -> dict[str, Any]:
    """Of each candidate, ten for each product: how far their scores are from Spark's, and whether Spark has any better one."""
    lines, found = baskets(), {}
    products = lines["product_id"].unique().sort().to_list()
    asked = pd.DataFrame({"products": [json.dumps([product]) for product in products]})
    for recipe, said_by in zip(recommend.CANDIDATES, (scores_of_rules, scores_of_factors), strict=True):
        made, pipeline = recommend.fit(recipe, spark, folder, lines, np.array(products))
        said, answers = said_by(pipeline), reopened(made, recommend_served, folder).predict(asked)
        apart, missed, every = 0.0, 0, list[float]()
        for product, ids, scores in zip(products, answers["product_ids"], answers["scores"], strict=True):
            ours = dict(zip(json.loads(ids), json.loads(scores), strict=True))
            apart = max(apart, *(abs(score - said.get((product, other), 0.0)) for other, score in ours.items()))
            left = max(said.get((product, other), 0.0) for other in products if other != product and other not in ours)
            missed += left > min(ours.values()) + 1e-9
            every += ours.values()
        found[recipe.name] = {"rows": len(every), "apart": apart, "missed": missed, "spread": float(np.ptp(every))}
        if recipe.algorithm == "FPGrowth":
            found[recipe.name]["transform"] = same_as_transform(spark, pipeline, made)
    return found


def same_as_transform(spark: "SparkSession", pipeline: PipelineModel, made: Any) -> int:
    """For how many products the neighbours are just those that Spark's pipeline predicts beside it."""
    asked = spark.createDataFrame([([product],) for product in made.products.tolist()], "items array<bigint>")
    rows = pipeline.transform(asked).collect()
    ours = [{int(made.products[other]) for other in near if other >= 0} for near in made.near]
    return sum(set(row["prediction"]) == near for row, near in zip(rows, ours, strict=True))


def main(folder: Path) -> None:
    spark = session.start(folder, 2)
    parts = (repeats, segments, recommendations, logged)
    (folder / "found.json").write_text(json.dumps({name: one for part in parts for name, one in part(spark, folder).items()}))
    session.stop(spark)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
