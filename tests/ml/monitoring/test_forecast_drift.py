"""Drift of the forecast: the last four weeks' features, and what it says, against the year that it was trained on."""

from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from ml.forecast import backtest, history
from ml.forecast.model import MODEL, _profile
from ml.forecast.panel import KNOWN, Panel
from ml.monitoring import drift

FIRST, DAYS = date(2024, 6, 1), 700


def rows(days: int, rise: float = 1.0) -> pl.DataFrame:
    """gold.feature_sales_daily of three categories with a week and a year; `rise` is what the last four weeks sell more."""
    random, made = np.random.default_rng(3), []
    for category, level in (("Books", 900.0), ("Toys", 400.0), ("Sports", 700.0)):
        index = np.arange(days)
        season = (1 + 0.3 * np.sin(2 * np.pi * index / 365)) * (1 + 0.2 * (index % 7 == 5))
        net = np.round(level * season * random.lognormal(0, 0.1, days) * np.where(index >= days - 28, rise, 1), 2)
        for day in range(days):
            known: dict[str, float] = dict.fromkeys(KNOWN, 10.0)
            known |= {f"mean_{span}": float(net[max(0, day - span + 1) : day + 1].mean()) for span in (7, 91)}
            known |= {"level_28": float(net[max(0, day - 27) : day + 1].mean())}
            made.append(
                {"date": FIRST + timedelta(days=day), "category": category, "net_amount": net[day], "discount": 0.0} | known
            )
    return pl.DataFrame(made).with_columns(pl.col("net_amount").alias("amount"))


def panel(days: int, rise: float = 1.0) -> Panel:
    return history.build(rows(days, rise), FIRST + timedelta(days=days))


@pytest.fixture(scope="module")
def profile() -> Any:
    """As a training of the panel's first days logs it, by the rule of the last week again."""
    known = panel(DAYS - 28)
    at = backtest.origins(known.days, 28)
    work: Any = SimpleNamespace(known=known, at=at)
    return _profile(work, backtest.asked(known, at.days, lambda past: backtest.naive(past, 28)))


def compared(profile: Any, rise: float) -> dict[str, drift.Measured]:
    reader: Any = SimpleNamespace(table=lambda *_: rows(DAYS, rise))
    settings: Any = SimpleNamespace(ml=SimpleNamespace(horizon=28))
    served: Any = SimpleNamespace(forecast=lambda known: backtest.naive(known, 28))
    asked = reader, settings, FIRST + timedelta(days=DAYS)
    return drift.of(profile, MODEL.inputs(*asked)) | drift.of(profile, MODEL.outputs(*asked, served))


def test_a_season_is_no_drift(profile: Any) -> None:
    found = compared(profile, 1.0)
    assert {"recent", "slope", "slow", "same_weekday", "forecast"} <= set(found)
    assert not [name for name, one in found.items() if one.psi >= one.limit]


def test_sales_that_have_left_their_level_are(profile: Any) -> None:
    assert [name for name, one in compared(profile, 4.0).items() if one.psi >= one.limit]
