"""The Spark side of a training: feature rows as DataFrames, fits per cut, forecasts."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml import features, recipes
from ml.panel import MEASURES, Floats, Panel
from ml.recipes import Recipe

if TYPE_CHECKING:
    from pyspark.ml import PipelineModel
    from pyspark.sql import DataFrame, SparkSession

NET, GROSS = 0, 1  # positions in MEASURES
Step = Callable[[str], None]


class Work:
    """The feature rows, and what is done with them. `asked` are the rows of the cuts and of the last day, in all measures."""

    def __init__(self, spark: "SparkSession", folder: Path, known: Panel, horizon: int, at: tuple[int, ...] = ()) -> None:
        from pyspark.ml import Pipeline

        self.spark, self.known, self.horizon, self.folder = spark, known, horizon, folder
        self.asked = self._rows("asked", features.rows(known, np.array([*at, known.days - 1]), horizon))
        self.prepared = Pipeline(stages=recipes.prepare(known.categories)).fit(self.asked)
        self._trained_on: dict[tuple[str, ...], DataFrame] = {}

    def _rows(self, name: str, rows: features.Columns) -> "DataFrame":
        file = self.folder / f"{name}.parquet"
        _write_rows(file, rows, self.known)
        # One partition: an xgboost model then scores in the Python worker that trained it, not in one that must import it all.
        return self.spark.read.parquet(str(file)).coalesce(1)

    def vectors(self, recipe: Recipe, rows: "DataFrame") -> "DataFrame":
        """Rows with the feature vector of a recipe."""
        return recipes.assembler(recipe).transform(self.prepared.transform(rows))

    def trained_on(self, recipe: Recipe) -> "DataFrame":
        """`day`, `features` and `ratio_label` of all rows to learn from, cached: recipes with equal features share them."""
        if recipe.numeric not in self._trained_on:
            origins = features.training_origins(self.known, self.horizon)
            rows = self._rows("train", features.rows(self.known, origins, self.horizon, ("net",)))
            made = self.vectors(recipe, recipes.labelled(rows)).select("day", "features", "ratio_label")
            self._trained_on[recipe.numeric] = made.cache()
        return self._trained_on[recipe.numeric]

    def backtest(self, tried: tuple[Recipe, ...], at: tuple[int, ...], step: Step) -> dict[Recipe, dict[int, Floats]]:
        """Forecasts of each recipe by measure, each of shape (cuts, categories, horizon)."""
        shape = (len(at), len(self.known.categories), self.horizon)
        made = {recipe: {m: np.zeros(shape) for m in range(len(MEASURES))} for recipe in tried}
        asked = {recipe: self.vectors(recipe, self.asked).cache() for recipe in tried}
        for recipe in tried:
            self.trained_on(recipe)

        def one(recipe: Recipe, place: int) -> None:
            cut = at[place]
            fitted = recipes.regressor(recipe).fit(self.trained_on(recipe).where(f"day <= {cut}"))
            out = fitted.transform(asked[recipe].where(f"origin = {cut}")).select(*features.IDENTITY, "level", "ratio").toPandas()
            _fill(made[recipe], place, out.assign(prediction=out["ratio"].clip(lower=0) * out["level"]))
            step(f"backtest of {recipe.name} at {self.known.day(cut)}")

        # A thread per recipe: Python workers of xgboost start while the JVM fits the linear ones.
        with ThreadPoolExecutor(len(tried)) as pool:
            for future in [pool.submit(_in_turn, one, recipe, len(at)) for recipe in reversed(tried)]:
                future.result()
        return made

    def fit(self, recipe: Recipe) -> "PipelineModel":
        """The whole pipeline of a recipe, fitted on every known day."""
        fitted = recipes.regressor(recipe).fit(self.trained_on(recipe))
        return recipes.pipeline([*self.prepared.stages, recipes.assembler(recipe), fitted])

    def forecast(self, model: "PipelineModel") -> dict[int, Floats]:
        """The days to come by measure, each of shape (categories, horizon)."""
        made = {m: np.zeros((1, len(self.known.categories), self.horizon)) for m in range(len(MEASURES))}
        _fill(made, 0, model.transform(self.asked.where(f"origin = {self.known.days - 1}")).toPandas())
        return {m: values[0] for m, values in made.items()}

    def example(self) -> Any:
        """A few input rows of the model as a pandas frame: what a scoring request looks like."""
        columns = ["level", features.WEEKDAY, features.CATEGORY, *features.NUMERIC]
        return self.asked.where(f"origin = {self.known.days - 1} AND measure = {NET}").select(*columns).limit(5).toPandas()


def _in_turn(one: Callable[[Recipe, int], None], recipe: Recipe, count: int) -> None:
    for place in range(count):
        one(recipe, place)


def _fill(made: dict[int, Floats], place: int, out: Any) -> None:
    ahead = (out["day"] - out["origin"] - 1).to_numpy()
    for measure, values in made.items():
        mine = (out["measure"] == measure).to_numpy()
        values[place, out["series"].to_numpy()[mine], ahead[mine]] = np.nan_to_num(out["prediction"].to_numpy()[mine])


def _write_rows(file: Path, rows: features.Columns, known: Panel) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = np.array(known.categories, dtype=object)
    table = pa.table({name: values for name, values in rows.items() if name != features.WEEKDAY})
    truth = pa.array(rows["truth"], mask=np.isnan(rows["truth"]))
    table = table.set_column(table.schema.get_field_index("truth"), "truth", truth)
    table = table.append_column(features.CATEGORY, pa.array(names[rows["series"].astype(np.int64)], pa.string()))
    pq.write_table(table.append_column(features.WEEKDAY, pa.array(rows[features.WEEKDAY].astype(str), pa.string())), file)
