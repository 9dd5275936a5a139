"""The sales forecast: net revenue of each of the next days, per category and in total, and of the next months."""

import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ml.forecast.history import SOURCE, read
from ml.forecast.tables import FORECAST, HISTORY, TABLES
from ml.model import Fitted, Job, Prepared, Reader, Served, Trained, Tried

if TYPE_CHECKING:
    import polars as pl

    from lake.config import Settings
    from ml.forecast.panel import Floats, Panel
    from ml.forecast.recipes import Recipe
    from ml.forecast.served import SalesForecast
    from ml.forecast.work import Work

_FILE = "panel.parquet"
_WINDOW = 28  # days that drift is looked for in
_PARTS = (
    *("answers", "backtest", "features", "history", "intervals", "metrics", "model", "months", "panel", "pool", "recipes"),
    *("regressors", "season", "served", "work"),
)


class SalesForecastModel:
    """Fulfils ml.model.Model."""

    name = "sales_forecast"
    plain = "seasonal_naive"
    doc = "Net revenue of each of the next days, per category and in total."
    reads = (SOURCE,)
    tables = TABLES
    appended: Mapping[str, str] = {HISTORY: "as_of_date"}
    served = "ml.forecast.served"
    code = (*(f"ml.forecast.{part}" for part in _PARTS), "ml.trees")
    packages = ("numpy", "pandas", "statsforecast", "xgboost-cpu")

    def prepare(self, reader: Reader, settings: "Settings", today: date, folder: Path) -> Prepared:
        """Leave the panel in the folder."""
        import pyarrow.parquet as pq

        from ml.forecast import panel

        known = read(reader, today, settings.ml.horizon)
        pq.write_table(panel.to_arrow(known), folder / _FILE)
        return Prepared(known.last, known.digest(), {"horizon": settings.ml.horizon})

    def train(self, job: Job) -> Trained:
        """Backtest every candidate, and the champion's recipe, at the same cuts."""
        import pyarrow.parquet as pq

        from ml.forecast import backtest, intervals, panel
        from ml.forecast.work import Work

        known, horizon = panel.from_arrow(pq.read_table(job.folder / _FILE)), int(job.options["horizon"])
        at = backtest.origins(known.days, horizon)
        work = Work(job.spark, job.folder, known, horizon, at)
        recipes = _with_champion(job.champion)
        forecasts = _backtests(work, recipes, job)

        def tried(name: str, text: str, made: "Floats") -> Tried:
            scored = at.at_cuts(made)
            values = backtest.score(known, at.cuts, scored) | intervals.honest(known, at, made)
            return Tried(name, text, backtest.losses(known, at.cuts, scored), values)

        by_json = {recipe.to_json(): recipe for recipe in recipes}
        every = tuple(tried(recipe.name, text, forecasts[recipe]) for text, recipe in by_json.items())
        plain = backtest.asked(known, at.days, lambda past: backtest.naive(past, horizon))
        params = {
            "horizon": horizon,
            "first_day": known.first.isoformat(),
            "last_day": known.last.isoformat(),
            "categories": len(known.categories),
            "cuts": ", ".join(known.day(cut).isoformat() for cut in at.cuts),
            "origins": len(at.days),
        }

        def fit(chosen: Tried) -> Fitted:
            return _fitted(work, by_json[chosen.recipe], forecasts[by_json[chosen.recipe]])

        return Trained("mase", every, tried("seasonal naive", "{}", plain), fit, params)

    def answers(self, reader: Reader, settings: "Settings", today: date, served: Served | None) -> "Mapping[str, pl.DataFrame]":
        """The forecast from the newest days, by the champion or the seasonal naive rule, and the months to come."""
        from ml.forecast import answers

        champion = cast("SalesForecast | None", served)  # MLflow may have loaded the class from its own copy of this code
        return answers.of(read(reader, today, settings.ml.horizon), settings.ml.horizon, champion)

    def inputs(self, reader: Reader, settings: "Settings", today: date) -> "pl.DataFrame":
        """The features of a day ahead in the last four weeks: their drift is watched."""
        known = read(reader, today, settings.ml.horizon)
        return _features(known, known.days - 1)

    def outputs(self, reader: Reader, settings: "Settings", today: date, served: Served) -> "pl.DataFrame":
        """What the champion says now, as the profile has it."""
        known = read(reader, today, settings.ml.horizon)
        return _ratios(known, known.days - 1, cast("SalesForecast", served).forecast(known))

    def said(self, made: "Mapping[str, pl.DataFrame]") -> "Mapping[str, Mapping[str, list[float]]]":
        """The answers of gold.forecast_sales as the served model has them: what a server that runs goes on with."""
        import polars as pl

        from ml.forecast.served import ANSWERS

        rows = made[FORECAST].select("category", pl.col("date").cast(pl.String), pl.col(ANSWERS).cast(pl.Float64))
        found: dict[str, dict[str, list[float]]] = {}
        for category, day, *answer in rows.iter_rows():
            found.setdefault(category, {})[day] = answer
        return found


def _with_champion(champion: str | None) -> "tuple[Recipe, ...]":
    """The candidates, and the champion's recipe if it is none of them and can still be followed."""
    from ml.forecast.recipes import CANDIDATES, Recipe

    if champion is None or champion in [recipe.to_json() for recipe in CANDIDATES]:
        return CANDIDATES
    try:
        return (*CANDIDATES, Recipe.from_json(champion))
    except ValueError as gone:
        print(f"the champion's recipe cannot be followed: {gone}", file=sys.stderr)
        return CANDIDATES


def _backtests(work: "Work", recipes: "tuple[Recipe, ...]", job: Job) -> "dict[Recipe, Floats]":
    """Forecasts of each recipe, shape (origins, categories, horizon); what recipes have in common is done once."""
    from ml.forecast import backtest, pool
    from ml.forecast.served import mixed

    regressors = list(dict.fromkeys(recipe.regressor for recipe in recipes if recipe.estimator))
    pools = list(dict.fromkeys(recipe.pool for recipe in recipes if recipe.pool))
    for regressor in regressors:  # what the threads share is made before they start
        work.trained_on(regressor.numeric)

    def regressed(regressor: "Recipe") -> "Floats":
        made = work.backtest(regressor)
        job.step(f"backtest of {regressor.estimator}")
        return made

    # A thread per regressor: Python workers of xgboost start while the JVM fits the linear ones.
    with ThreadPoolExecutor(max(len(regressors), 1)) as threads:
        coming = {regressor: threads.submit(regressed, regressor) for regressor in reversed(regressors)}
        smoothed = {
            members: backtest.asked(work.known, work.at.days, partial(pool.forecast, horizon=work.horizon, members=members))
            for members in pools
        }
        job.step("backtest of the pool")
        found = {regressor: future.result() for regressor, future in coming.items()}

    def parts(recipe: "Recipe") -> "list[Floats]":
        return [*([found[recipe.regressor]] if recipe.estimator else []), *([smoothed[recipe.pool]] if recipe.pool else [])]

    return {recipe: mixed(parts(recipe)) for recipe in recipes}


def _fitted(work: "Work", recipe: "Recipe", tested: "Floats") -> Fitted:
    from dataclasses import replace

    import pandas as pd

    from ml.forecast import backtest, intervals, months, plots, regressors
    from ml.forecast.served import SalesForecast, told

    known, at = work.known, work.at
    spark = work.fit(recipe) if recipe.estimator else None
    spread = intervals.calibrated(known, at.days, tested)
    regressor = regressors.of_spark(spark.stages[-2]) if spark else None
    of_months = months.tested(known)
    silent = SalesForecast(regressor, recipe.pool, recipe.numeric, known.categories, work.horizon, spread, {}, of_months.spread)
    ahead = silent.forecast(known)
    served = replace(silent, said=told(known, ahead, spread))
    days = [known.day(known.days + h).isoformat() for h in range(min(3, work.horizon))]
    params = {f"estimator.{name}": value for name, value in recipe.params.items()}
    return Fitted(
        served=served,
        example=pd.DataFrame({"category": backtest.series(known)[0], "date": days}),
        spark=spark,
        params={"estimator": recipe.estimator, "pool": ", ".join(recipe.pool), "features": len(recipe.numeric) + 2, **params},
        metrics=of_months.values,
        figures={
            "forecast.png": plots.to_come(known, ahead, spread, recipe.name),
            "residuals.png": plots.residuals(known, at.cuts, at.at_cuts(tested)),
        },
        files={"intervals.json": spread.to_json()},
        profile=_profile(work, tested),
    )


def _profile(work: "Work", tested: "Floats") -> dict[str, Any]:
    """The features of four weeks at a time in the last year, and what the backtest said; ratios, so that growth is no drift."""
    import polars as pl

    from ml.forecast import features
    from ml.monitoring import weeks

    known, first = work.known, max(features.LEAST_KNOWN - 1, work.known.days - 1 - features.YEAR) + _WINDOW
    asked = [_features(known, end).with_columns(window=pl.lit(end)) for end in range(known.days - 1, first - 1, -7)]
    said = [_ratios(known, day, tested[place]).with_columns(window=pl.lit(day)) for place, day in enumerate(work.at.days)]
    return {name: column for parts in (asked, said) if parts for name, column in weeks.of(pl.concat(parts)).items()}


def _features(known: "Panel", end: int) -> "pl.DataFrame":
    """The features of a day ahead at the last _WINDOW days up to day `end`."""
    import polars as pl

    from ml.forecast import features

    rows = features.rows(known, np.arange(max(0, end - _WINDOW + 1), end + 1, dtype=np.int64), 1)
    names = ("recent", "slope", "slow", "same_weekday", "price_7", "price_28", "promotion_7", "promotion_28")
    return pl.DataFrame({name: rows[name] for name in names})


def _ratios(known: "Panel", end: int, said: "Floats") -> "pl.DataFrame":
    """Forecasts made at the end of day `end`, shape (categories, horizon), relative to each category's days known last."""
    import polars as pl

    level = known.values["net"][:, max(0, end - _WINDOW + 1) : end + 1].mean(axis=1)
    return pl.DataFrame({"forecast": (said[level > 0] / level[level > 0, None]).ravel()})


MODEL: Any = SalesForecastModel()
