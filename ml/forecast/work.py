"""The Spark side of a training: feature rows as DataFrames, fits per cut, forecasts."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ml.forecast import features, recipes
from ml.forecast.backtest import Origins
from ml.forecast.panel import Floats, Panel
from ml.forecast.recipes import Recipe

if TYPE_CHECKING:
    from pyspark.ml import PipelineModel
    from pyspark.sql import DataFrame, SparkSession


class Work:
    """The feature rows, and what is done with them. `asked` are the rows of the backtest's origins and of the last day."""

    def __init__(self, spark: "SparkSession", folder: Path, known: Panel, horizon: int, at: Origins) -> None:
        from pyspark.ml import Pipeline

        self.spark, self.known, self.horizon, self.folder, self.at = spark, known, horizon, folder, at
        self.asked = self._rows("asked", features.rows(known, np.array([*at.days, known.days - 1]), horizon))
        self.prepared = Pipeline(stages=recipes.prepare(known.categories)).fit(self.asked)
        self._taught = self._rows("train", features.rows(known, features.training_origins(known, horizon), horizon))
        self._trained_on: dict[tuple[str, ...], DataFrame] = {}

    def _rows(self, name: str, rows: features.Columns) -> "DataFrame":
        file = self.folder / f"{name}.parquet"
        _write_rows(file, rows, self.known)
        # One partition: an xgboost model then scores in the Python worker that trained it, not in one that must import it all.
        return self.spark.read.parquet(str(file)).coalesce(1)

    def vectors(self, numeric: tuple[str, ...], rows: "DataFrame") -> "DataFrame":
        """Rows with the feature vector of a recipe."""
        return recipes.assembler(numeric).transform(self.prepared.transform(rows))

    def trained_on(self, numeric: tuple[str, ...]) -> "DataFrame":
        """`day`, `features` and `label` of all rows to learn from, cached: recipes with equal features share them."""
        if numeric not in self._trained_on:
            made = self.vectors(numeric, recipes.labelled(self._taught)).select("day", "features", "label")
            self._trained_on[numeric] = made.cache()
        return self._trained_on[numeric]

    def backtest(self, recipe: Recipe) -> Floats:
        """Forecasts of a recipe's regressor, shape (origins, categories, horizon), each by a fit on what its cut knew."""
        made = np.zeros((len(self.at.days), len(self.known.categories), self.horizon))
        asked = self.vectors(recipe.numeric, self.asked).cache()
        for cut in self.at.cuts:
            fitted = recipes.regressor(recipe).fit(self.trained_on(recipe.numeric).where(f"day <= {cut}"))
            mine = [day for day, of in zip(self.at.days, self.at.fitted, strict=True) if of == cut]
            wanted = asked.where(f"origin IN ({', '.join(map(str, mine))})")
            out = fitted.transform(wanted).select(*features.IDENTITY, "level", "log_ratio").toPandas()
            place = np.searchsorted(self.at.days, out["origin"].to_numpy())
            ahead = (out["day"] - out["origin"] - 1).to_numpy()
            made[place, out["series"].to_numpy(), ahead] = np.nan_to_num((np.exp(out["log_ratio"]) * out["level"]).to_numpy())
        asked.unpersist()
        return made

    def fit(self, recipe: Recipe) -> "PipelineModel":
        """The whole pipeline of a recipe's regressor, fitted on every known day."""
        fitted = recipes.regressor(recipe).fit(self.trained_on(recipe.numeric))
        return recipes.pipeline([*self.prepared.stages, recipes.assembler(recipe.numeric), fitted])


def _write_rows(file: Path, rows: features.Columns, known: Panel) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = np.array(known.categories, dtype=object)
    table = pa.table({name: values for name, values in rows.items() if name != features.WEEKDAY})
    truth = pa.array(rows["truth"], mask=np.isnan(rows["truth"]))
    table = table.set_column(table.schema.get_field_index("truth"), "truth", truth)
    table = table.append_column(features.CATEGORY, pa.array(names[rows["series"].astype(np.int64)], pa.string()))
    pq.write_table(table.append_column(features.WEEKDAY, pa.array(rows[features.WEEKDAY].astype(str), pa.string())), file)
