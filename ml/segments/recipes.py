"""The candidates: KMeans and bisecting KMeans of Spark ML, with 4 to 6 segments."""

import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.segments import space
from ml.segments.quality import Labels
from ml.segments.served import Node

if TYPE_CHECKING:
    from pyspark.ml import PipelineModel
    from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True)
class Recipe:
    """An algorithm of pyspark.ml.clustering, and the number of segments."""

    algorithm: str
    k: int

    @property
    def name(self) -> str:
        return f"{'kmeans' if self.algorithm == 'KMeans' else 'bisecting'} {self.k}"

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @staticmethod
    def from_json(text: str) -> "Recipe":
        raw = json.loads(text)
        return Recipe(raw["algorithm"], raw["k"])


# Each of a fit's 29 jobs costs Spark 40 ms of processor time. Random starts of ten steps are half as many jobs, but halves of the
# customers with nobody in common then agreed at 0.89 (adjusted Rand, once at 0.73) instead of 0.94.
_STARTS = 3
# Fewer than four say no more than a line through recency; nobody remembers more than six.
CANDIDATES = tuple(Recipe(algorithm, k) for algorithm in ("KMeans", "BisectingKMeans") for k in (4, 5, 6))


def fit(recipe: Recipe, spark: "SparkSession", folder: Path, rows: space.Floats) -> "tuple[PipelineModel, Node]":
    """The whole pipeline, fitted on features of shape (customers, axes) in the order of space.COLUMNS, and its tree."""
    import polars as pl
    from pyspark.ml import Pipeline, PipelineModel
    from pyspark.ml.feature import SQLTransformer, VectorAssembler

    file = Path(tempfile.mkdtemp(dir=folder)) / "rows.parquet"
    pl.DataFrame(rows, schema=list(space.COLUMNS)).write_parquet(file)
    places = SQLTransformer(statement=f"SELECT *, {space.sql()} FROM __THIS__")
    vector = VectorAssembler(inputCols=[f"place_{name}" for name in space.COLUMNS], outputCol="features")
    prepared = Pipeline(stages=[places, vector]).fit(frame := spark.read.parquet(str(file)).coalesce(1))
    vectors = prepared.transform(frame).select("features")
    model = _best(recipe, vectors)
    return PipelineModel([*prepared.stages, model]), _tree(model, recipe, file.parent)


class Halves:
    """Places of all customers as vectors in Spark's memory, marked with the halves they belong to: read and assembled once."""

    def __init__(self, spark: "SparkSession", folder: Path, places: space.Floats, halves: list[Any]) -> None:
        import polars as pl
        from pyspark.ml.feature import VectorAssembler

        marks = {f"half_{number}": np.isin(np.arange(len(places)), half) for number, half in enumerate(halves)}
        pl.DataFrame(places, schema=list(space.COLUMNS)).with_columns(**marks).write_parquet(folder / "places.parquet")
        rows = spark.read.parquet(str(folder / "places.parquet")).coalesce(1)
        self._rows = VectorAssembler(inputCols=list(space.COLUMNS), outputCol="features").transform(rows).cache()
        self._rows.count()

    def labels(self, recipe: Recipe, number: int) -> Labels:
        """What a recipe fitted on one half makes of all customers, in their order."""
        model = _best(recipe, self._rows.where(f"half_{number}").select("features"))
        return np.asarray(model.transform(self._rows).select("prediction").toPandas()["prediction"].to_numpy(np.int64))


def _best(recipe: Recipe, vectors: "DataFrame") -> Any:
    """The fit with the least cost of several starts: a single one often ends where halves of the customers disagree.

    `vectors` is not cached: then Spark keeps a copy of its own, and does not look for NaN in every vector again at each step,
    which took a third of the processor time.
    """
    from pyspark.ml import clustering

    made = getattr(clustering, recipe.algorithm)
    if recipe.algorithm != "KMeans":
        return made(k=recipe.k, seed=7, maxIter=6, featuresCol="features").fit(vectors)
    starts = [made(k=recipe.k, seed=7 + start, maxIter=20, featuresCol="features").fit(vectors) for start in range(_STARTS)]
    return min(starts, key=lambda model: float(model.summary.trainingCost))


def _tree(model: Any, recipe: Recipe, folder: Path) -> Node:
    if recipe.algorithm == "KMeans":
        leaves = tuple(Node(tuple(map(float, centre)), (), key) for key, centre in enumerate(model.clusterCenters()))
        return Node(tuple(np.mean([leaf.centre for leaf in leaves], axis=0).tolist()), leaves)
    # Spark's own assignment goes down the tree, which only the saved model shows.
    model.save(str(folder / "bisecting"))
    saved = folder / "bisecting" / "data"
    told = json.loads(next((saved / "metadata").glob("part-*")).read_text())
    return _node(_rows(saved / "data"), int(told["rootId"]))


def _rows(folder: Path) -> dict[int, dict[str, Any]]:
    import pyarrow.parquet as pq

    rows = [row for file in sorted(folder.glob("part-*")) for row in pq.read_table(file).to_pylist()]
    return {row["index"]: row for row in rows}


def _node(rows: dict[int, dict[str, Any]], index: int) -> Node:
    children = tuple(_node(rows, child) for child in rows[index]["children"])
    return Node(tuple(rows[index]["center"]["values"]), children, -1 if children else index)
