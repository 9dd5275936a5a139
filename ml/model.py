"""What a model is: what it reads, how it is trained, what it answers with. One folder each, found by walking `ml/*/model.py`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import polars as pl
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from pyspark.ml import PipelineModel
    from pyspark.sql import SparkSession

    from lake.config import Settings


@dataclass(frozen=True)
class Scored:
    """A table that a model fills; the names are those of transforms.declaration.Table."""

    name: str
    grain: str
    key: tuple[str, ...]
    doc: str
    comments: Mapping[str, str]
    pii: tuple[str, ...] = ()


class Reader(Protocol):
    """Gold at pinned versions: reading twice gives the same, whatever is built meanwhile."""

    versions: Mapping[str, int]

    def table(self, name: str, columns: list[str] | None = None) -> pl.DataFrame:
        """The rows of a table in the model's `reads`. TooLittleData where it is not built."""
        ...


class Served(Protocol):
    """A fitted model that answers without Java: numpy, or a booster of xgboost. Kept in plain files, never pickled.

    Its module imports nothing but `ml`, numpy, pandas and xgboost, since MLflow keeps a copy of `ml` beside the model, and has
    `_load_pyfunc(path) -> Served`, which MLflow calls.
    """

    def predict(self, model_input: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """One row of answers for each row asked."""
        ...

    def save(self, folder: Path) -> None:
        """Leave in the folder what `_load_pyfunc` reads."""
        ...


@dataclass(frozen=True)
class Prepared:
    """What a training starts from. The parent leaves its files in the job's folder; `options` travels as JSON."""

    last_day: date  # the last day of data that enters
    digest: str  # equal for equal content, whatever the Delta versions
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """What `train` gets in the child process: a classic Spark session, the folder with the files, and who is to be beaten."""

    spark: SparkSession
    folder: Path
    options: dict[str, Any]
    champion: str | None  # recipe of the present champion, as this model wrote it
    step: Callable[[str], None]  # call with a short label as each step is done


@dataclass(frozen=True)
class Tried:
    """A recipe and how it did. `losses` has one number per fold (cut, resample), lower is better; folds agree between recipes."""

    name: str
    recipe: str  # JSON: whatever the model needs to fit it again
    losses: NDArray[np.float64]
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Fitted:
    """A recipe fitted on all data. `spark` is logged beside `served` where the recipe is one of Spark's."""

    served: Served
    example: pd.DataFrame  # a few rows as a scoring request has them
    spark: PipelineModel | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    figures: Mapping[str, Figure] = field(default_factory=dict)  # file name -> plot
    files: Mapping[str, Any] = field(default_factory=dict)  # file name -> JSON
    profile: Mapping[str, Any] = field(default_factory=dict)  # ml.monitoring.profile.of(features): what drift is measured from


@dataclass(frozen=True)
class Trained:
    """The outcome of a backtest. `tried` has each candidate and, where it is none of them, the champion's recipe.

    `naive` is what a model must beat to be of any use. `metric` names what the losses are, such as `mase`.
    """

    metric: str
    tried: tuple[Tried, ...]
    naive: Tried
    fit: Callable[[Tried], Fitted]
    params: Mapping[str, Any] = field(default_factory=dict)


class Model(Protocol):
    """A model. `prepare` and `answers` run in the caller's process without Java, `train` in a child with Spark.

    For drift a model may have `inputs(reader, settings, today)`, what the champion is asked about now, in the columns of
    Fitted.profile; and, where its Served is not asked in these, `outputs(reader, settings, today, served)`, what it answers.
    One that is asked for a day of a table has `said(answers)`, this table as its Served has it in a field of that name.
    """

    name: str  # of the registered model and the experiment in MLflow
    doc: str
    reads: tuple[str, ...]  # tables of gold; the versions trained on are recorded
    tables: tuple[Scored, ...]  # what scoring writes
    served: str  # module with `_load_pyfunc`
    code: tuple[str, ...]  # modules whose change is a reason to train again
    packages: tuple[str, ...]  # distributions that a served model needs

    def prepare(self, reader: Reader, settings: Settings, today: date, folder: Path) -> Prepared:
        """Leave in `folder` what training needs. TooLittleData where there is not enough to learn from."""
        ...

    def train(self, job: Job) -> Trained:
        """Backtest the candidates and the champion's recipe."""
        ...

    def answers(self, reader: Reader, settings: Settings, today: date, served: Served | None) -> Mapping[str, pl.DataFrame]:
        """Rows of each of `tables` as of the end of the last complete day, without the columns of ml.tables.STAMP.

        They are written in this order, each in one commit: what a table is compared with must come after it.
        `served` is the champion, None while no model has earned its place: then a plain answer, or none.
        """
        ...


def models() -> dict[str, Model]:
    """Every model, by name: `MODEL` of each `ml/*/model.py`."""
    import ml

    found: dict[str, Model] = {}
    for package in pkgutil.iter_modules(ml.__path__):
        if package.ispkg and (Path(ml.__path__[0]) / package.name / "model.py").exists():
            model: Model = importlib.import_module(f"ml.{package.name}.model").MODEL
            found[model.name] = model
    return dict(sorted(found.items()))
