"""`spark_side.py FOLDER`: what test_same_as_spark.py asks of a classic Spark session, in a process of its own."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from ml import session
from ml.customers.features import NUMERIC
from ml.recommend import recipes as recommend
from ml.repeat import recipes as repeat
from ml.repeat.served import sigmoid
from ml.segments import recipes as cluster
from ml.segments.served import Segments
from ml.segments.space import COLUMNS, placed

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROWS = 10_000


def repeats(spark: "SparkSession", folder: Path) -> dict[str, Any]:
    """Of each candidate, how far numpy's probabilities are from the Spark pipeline's on ROWS customers, at most."""
    random = np.random.default_rng(3)
    taught = pl.DataFrame({name: random.lognormal(1, 1, 4000) for name in NUMERIC})
    odds = 0.8 * np.log1p(taught["frequency"].to_numpy()) - 0.6 * np.log1p(taught["recency_days"].to_numpy())
    taught = taught.with_columns(bought=(random.random(4000) < sigmoid(odds)).astype(float))
    asked = pl.DataFrame({name: random.lognormal(1, 1.5, ROWS) for name in NUMERIC}).to_pandas()
    frame = spark.createDataFrame(asked)
    found = {}
    for recipe in repeat.CANDIDATES:
        pipeline, served = repeat.fit(recipe, spark, folder, taught, taught.head(1000))
        theirs = np.array([row["probability"][1] for row in pipeline.transform(frame).select("probability").collect()])
        ours = sigmoid(served.core.margin(np.log1p(asked[list(NUMERIC)].to_numpy())))
        found[recipe.name] = {"rows": len(ours), "apart": float(np.abs(ours - theirs).max()), "spread": float(np.ptp(ours))}
    return found


def recommendations(spark: "SparkSession", folder: Path) -> dict[str, Any]:
    """Of each candidate, how far the neighbours' scores are from what Spark's model says of the same pairs, at most."""
    random, rows = np.random.default_rng(5), []
    for basket in range(4000):
        bundle = int(random.integers(0, 40))
        rows += [(basket, int(product)) for product in {bundle * 8 + int(n) for n in random.integers(0, 8, 4)}]
    lines = (
        pl.DataFrame(rows, schema={"basket": pl.Int64, "product_id": pl.Int64}, orient="row")
        .unique()
        .sort("basket", "product_id")
    )
    found = {}
    for recipe in recommend.CANDIDATES:
        made, model = recommend.fit(recipe, spark, folder, lines, lines["product_id"].unique().to_numpy())
        if recipe.algorithm == "FPGrowth":
            rules = model.associationRules.where("size(antecedent) = 1").collect()
            said = {(row["antecedent"][0], row["consequent"][0]): row["confidence"] for row in rules}
        else:
            factors = {row["id"]: np.array(row["features"]) for row in model.itemFactors.collect()}
            said = {(one, other): float(factors[one] @ factors[other]) for one in factors for other in factors if one != other}
        ours = {
            (int(made.products[i]), int(made.products[j])): float(score)
            for i in range(len(made.products))
            for j, score in zip(made.near[i], made.score[i], strict=True)
            if j >= 0
        }
        best = all(
            min((ours[pair] for pair in ours if pair[0] == one), default=0.0)
            >= max((score for pair, score in said.items() if pair[0] == one and pair not in ours), default=0.0) - 1e-9
            for one in made.products[:20].tolist()
        )
        apart = max(abs(score - said[pair]) for pair, score in ours.items())
        found[recipe.name] = {"rows": len(ours), "apart": float(apart), "best": best}
    return found


def segments(spark: "SparkSession", folder: Path) -> dict[str, Any]:
    """Of KMeans and bisecting KMeans, how many of ROWS customers numpy assigns otherwise than the Spark pipeline."""
    random = np.random.default_rng(9)
    rows = np.column_stack(
        [random.lognormal(4, 1.2, ROWS), 1 + random.poisson(random.gamma(1, 4, ROWS)), random.lognormal(4, 1, ROWS)]
    )
    frame = spark.createDataFrame(pl.DataFrame(rows, schema=list(COLUMNS)).to_pandas())
    found = {}
    for recipe in (cluster.Recipe("KMeans", 5), cluster.Recipe("BisectingKMeans", 5)):
        pipeline, root = cluster.fit(recipe, spark, folder, rows)
        theirs = np.array([row["prediction"] for row in pipeline.transform(frame).select("prediction").collect()])
        ours, distance = Segments(root, ("",) * 5, ()).keys(placed(rows))
        centres = np.array(pipeline.stages[-1].clusterCenters())
        apart = np.abs(distance - np.linalg.norm(placed(rows) - centres[theirs], axis=1)).max()
        found[recipe.name] = {
            "rows": ROWS,
            "other": int((ours != theirs).sum()),
            "apart": float(apart),
            "used": len(set(ours.tolist())),
        }
    return found


def main(folder: Path) -> None:
    spark = session.start(folder, 2)
    (folder / "found.json").write_text(
        json.dumps({**repeats(spark, folder), **recommendations(spark, folder), **segments(spark, folder)})
    )
    session.stop(spark)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
