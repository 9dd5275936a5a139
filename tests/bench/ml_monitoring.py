"""Planted drift on a shop's last year: how many plants are told the same day, and on how many quiet days there is an alarm.

A quiet day counts every metric of gold.model_monitoring: the day's sales, PSI of what each model is asked and answers, and what
came true. The models are taken as trained anew each week: profiles are of the week before, forecasts are the pool's, which needs
no fit and knows its past alone.
"""

import os
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from lake.config import load
from lake.delta import Lake
from ml.customers import features
from ml.forecast import backtest, history, intervals, pool
from ml.forecast import model as forecasting
from ml.forecast.answers import days as told_days
from ml.forecast.panel import Panel
from ml.forecast.served import told
from ml.life.champion import champions
from ml.monitoring import baskets, daily, drift, profile, realised, weeks
from ml.monitoring.daily import Found
from ml.reader import Gold
from ml.segments.space import COLUMNS

ROOT = Path(__file__).resolve().parents[2]
EVERY = 6  # days from one plant to the next
STEP = 3  # days that a measurement of what moves slowly stands for
HORIZON, WEEK = 28, 7
NAMES = ("customer_segments", "recommendations", "repeat_purchase", "sales_forecast")


def measure(lake_root: Path) -> dict[str, float]:
    """`price_told` and `gone_told`, shares of plants told the same day; `false_alarms`, the share of quiet days with an alarm.

    `alarms/METRIC` are the days of each metric. A category that sells less than ten orders a day is left out of the plants: a day
    without one is nothing unusual.
    """
    gold = lake_root / "gold"
    fact = pl.read_delta(str(gold / "fact_sales"), columns=["date_key", "product_id", "price"])
    lines = fact.select(
        pl.col("date_key").cast(pl.String).str.to_date("%Y%m%d").alias("date"), "product_id", pl.col("price").cast(float)
    )
    orders = pl.read_delta(str(gold / "feature_sales_daily"), columns=["date", "category", "orders"])
    last: date = orders["date"].max()  # type: ignore[assignment]
    year = [last - timedelta(days=back) for back in range(364, -1, -1)]
    alarms: dict[str, set[date]] = {}
    for found, days in (
        (daily.prices(lines, year), 1),
        (daily.silence(orders, year), 1),
        (daily.mix(orders, year), 1),
        (_slow(lake_root, lines, year), STEP),
    ):
        for one in found:
            told = alarms.setdefault(f"{one.metric} of {one.subject}" if one.metric == "psi" else one.metric, set())
            told |= {one.date - timedelta(days=back) for back in range(days if one.alert else 0)}
    quiet = set(year)
    usual = orders.group_by("category").agg(pl.col("orders").mean()).filter(pl.col("orders") >= 10)["category"].to_list()
    dearer, gone = [], []
    for day in year[::EVERY]:
        raised = pl.when(pl.col("date") >= day).then(pl.col("price") * 1.3).otherwise("price").alias("price")
        dearer.append(any(one.alert for one in daily.prices(lines.with_columns(raised), [day])))
        for category in usual:
            without = orders.filter((pl.col("date") < day) | (pl.col("category") != category))
            gone.append(any(one.alert and one.subject == category for one in daily.silence(without, [day])))
    return {
        "price_told": sum(dearer) / len(dearer),
        "price_plants": len(dearer),
        "gone_told": sum(gone) / len(gone),
        "gone_plants": len(gone),
        "false_alarms": len(set().union(*alarms.values()) & quiet) / len(year),
        **{f"alarms/{metric}": float(len(days & quiet)) for metric, days in sorted(alarms.items())},
    }


def _slow(lake_root: Path, lines: pl.DataFrame, year: list[date]) -> Iterator[Found]:
    """PSI and what came true, on every STEP-th day of the year."""
    settings = load(ROOT / "cartlake.toml", {**os.environ, "CARTLAKE_DATA": str(lake_root.parent)})
    lake, held = Lake(str(lake_root)), champions(settings, NAMES)
    asked = year[::-1][::STEP]
    yield from _customers(lake, held, asked)
    for day in asked:
        yield from _psi(day, baskets.between(held["recommendations"].served, lines, day - timedelta(days=WEEK), day))
    panel = history.read(Gold(lake, [history.SOURCE]), year[-1] + timedelta(days=1), HORIZON)
    yield from _forecast(panel, asked)


def _customers(lake: Lake, held: Any, asked: list[date]) -> Iterator[Found]:
    rows = Gold(lake, [features.SOURCE]).table(features.SOURCE)
    said: dict[date, pl.DataFrame] = {}

    def known(day: date) -> pl.DataFrame:
        """What is known of each customer at the end of a day, and the models' answers."""
        if day not in said:
            made = features.at(rows, day + timedelta(days=1))
            answers = [held[name].served.predict(made.to_pandas()) for name in ("repeat_purchase", "customer_segments")]
            said[day] = made.with_columns(
                pl.Series("repeat_probability", answers[0]["repeat_probability"].to_numpy()),
                pl.Series("segment", answers[1]["segment"].to_list()),
            )
        return said[day]

    columns = [*dict.fromkeys([*features.NUMERIC, *COLUMNS]), "repeat_probability", "segment"]
    for day in asked:
        yield from _psi(day, drift.of(profile.of(known(day - timedelta(days=WEEK)).select(columns)), known(day).select(columns)))
        then = day - realised.REPEAT_LAG  # the first of the 30 days: what was known the day before
        was = known(then - timedelta(days=1)).select("customer_id", "repeat_probability", pl.lit(then).alias("as_of_date"))
        yield from realised.repeat(was, rows, day)


def _forecast(panel: Panel, asked: list[date]) -> Iterator[Found]:
    """Everything of the forecast, as a pool that is calibrated and profiled anew each week."""
    first = panel.days - 1 - 2 * 364
    made = {day: pool.forecast(panel.upto(day), HORIZON) for day in range(panel.days - 1, first, -STEP)}
    at = backtest.origins(panel.days, HORIZON)
    tested = backtest.score(panel, at.cuts, backtest.asked(panel, at.cuts, lambda known: pool.forecast(known, HORIZON)))
    money = pl.concat(
        pl.DataFrame({"date": [panel.day(day) for day in range(panel.days)], "net_amount": panel.values["net"][place]}).select(
            "date", pl.lit(name).alias("category"), "net_amount"
        )
        for place, name in enumerate(panel.categories)
    )
    kept: list[pl.DataFrame] = []
    for day in sorted(made):
        past = tuple(other for other in made if day - 364 <= other <= day - HORIZON)
        if len(past) < 12:
            continue
        spread = intervals.calibrated(panel, past, np.stack([made[other] for other in past]))
        rows = told_days(panel, told(panel.upto(day), made[day], spread))
        kept.append(rows.with_columns(as_of_date=panel.day(day + 1), model_version=pl.lit(1)))
    said = pl.concat(kept)
    for end in asked:
        day = (end - panel.first).days
        yield from realised.forecast(said, money, end, tested, 1)
        yield from _psi(end, _of_weeks(panel, day, made))


def _of_weeks(panel: Panel, day: int, made: dict[int, Any]) -> dict[str, drift.Measured]:
    trained = day - WEEK
    inputs = [forecasting._features(panel, end).with_columns(window=pl.lit(end)) for end in range(trained, trained - 336, -WEEK)]
    past = [other for other in made if trained - 336 <= other <= trained - HORIZON][:: 14 // STEP]
    outputs = [forecasting._ratios(panel, other, made[other]).with_columns(window=pl.lit(other)) for other in past]
    known = weeks.of(pl.concat(inputs)) | weeks.of(pl.concat(outputs))
    found = drift.of(known, forecasting._features(panel, day))
    return found | (drift.of(known, forecasting._ratios(panel, day, made[day])) if day in made else {})


def _psi(day: date, measured: Any) -> Iterable[Found]:
    return [Found(day, "psi", name, one.psi, one.limit, one.psi >= one.limit, "") for name, one in measured.items()]
