import math
from collections.abc import Callable
from datetime import date

import numpy as np
import pytest

from ml.forecast import backtest, intervals
from ml.forecast.intervals import Intervals
from ml.forecast.panel import Panel


def make_panel(values: np.ndarray) -> Panel:
    names = tuple(f"c{i}" for i in range(len(values)))
    return Panel(date(2024, 1, 1), names, {"net": values}, np.zeros(len(values), dtype=np.int64))


@pytest.mark.parametrize("width", [80, 95])
def test_intervals_hold_what_they_promise_of_new_errors(width: int) -> None:
    days, held = tuple(range(300, 600, 28)), []
    for seed in range(20):
        known = make_panel(np.random.default_rng(seed).normal(1000, 100, (3, 900)))
        made = intervals.calibrated(known, days, np.full((len(days), 3, 28), 1000.0))
        later = known.values["net"][:, 700:].ravel()
        low, high = made.around("c1", np.full(later.shape, 1000.0), width)
        held.append(np.mean((later >= low) & (later <= high)))
    assert np.mean(held) == pytest.approx(width / 100, abs=0.015)


def test_coverage_is_measured_on_days_that_the_interval_has_not_seen() -> None:
    known = make_panel(np.random.default_rng(4).normal(1000, 100, (3, 900)))
    asked = backtest.origins(900, 28)
    held = intervals.honest(known, asked, np.full((len(asked.days), 3, 28), 1000.0))
    assert held["coverage_80"] == pytest.approx(0.8, abs=0.04)
    assert held["coverage_95"] == pytest.approx(0.95, abs=0.03)
    # A forecast that is right everywhere but far off after one cut: intervals of the other cuts do not hold it.
    values = np.full((1, 900), 1000.0)
    values[:, asked.cuts[2] + 1 : asked.cuts[2] + 29] = 3000.0
    made = np.full((len(asked.days), 1, 28), 1000.0)
    far = intervals.honest(make_panel(values), backtest.Origins(asked.cuts, asked.cuts), made[: len(asked.cuts)])
    assert far["coverage_95"] == pytest.approx(5 / 6)
    single = backtest.Origins(asked.cuts[:1], asked.cuts[:1])
    assert math.isnan(intervals.honest(known, single, np.full((1, 3, 28), 1000.0))["coverage_80"])


def test_a_category_that_seldom_sells_does_not_flatter_the_coverage() -> None:
    values = np.random.default_rng(5).normal(1000, 100, (2, 900))
    values[1] = 0
    values[1, ::60] = 50.0
    asked = backtest.origins(900, 28)
    forecast = np.stack([np.full((len(asked.days), 28), 1000.0), np.full((len(asked.days), 28), 1.0)], axis=1)
    held = intervals.honest(make_panel(values), asked, forecast)
    assert held["coverage_80/c1"] > 0.95
    assert held["coverage_80"] == pytest.approx((held["coverage_80/All"] + held["coverage_80/c0"]) / 2)


def test_bounds_enclose_the_forecast_and_never_go_below_zero() -> None:
    made = Intervals({80: {"All": (0.2, 0.5), "c0": (-3.0, 0.1)}})
    low, high = made.around("c0", np.array([10.0]), 80)
    assert (low[0], high[0]) == (0.0, 11.0)
    low, high = made.around("new", np.array([10.0]), 80)  # every error was positive: still not above the forecast
    assert (low[0], high[0]) == (10.0, 15.0)


def test_intervals_survive_json() -> None:
    made = Intervals({80: {"All": (-0.25, 0.5)}, 95: {"All": (-0.5, 1.0)}})
    assert Intervals.from_json(made.to_json()) == made


def test_a_wider_promise_is_a_wider_interval(panel_of: Callable[..., Panel], sales: Callable[..., np.ndarray]) -> None:
    known = panel_of(sales(500))
    asked = backtest.origins(known.days, 28)
    made = intervals.calibrated(known, asked.days, backtest.asked(known, asked.days, lambda past: backtest.naive(past, 28)))
    for name in backtest.series(known):
        (low, high), (low_95, high_95) = made.shares[80][name], made.shares[95][name]
        assert low_95 < low < 0 < high < high_95
