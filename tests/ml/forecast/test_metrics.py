"""Every expected value here was worked out by hand."""

import math

import numpy as np
import pytest

from ml.forecast import metrics

TRUTH = np.array([10.0, 20.0, 0.0, 30.0])


@pytest.mark.parametrize(
    ("name", "forecast", "expected"),
    [
        ("smape", [10, 20, 0, 30], 0.0),
        ("smape", [30, 20, 0, 30], (2 * 20 / 40) / 4),
        ("smape", [10, 20, 5, 30], 2 / 4),  # anything against nothing is as wrong as can be
        ("bias", [10, 20, 0, 30], 0.0),
        ("bias", [13, 20, 0, 30], 3 / 60),
        ("bias", [4, 20, 0, 30], -6 / 60),
        ("bias", [14, 16, 0, 30], 0.0),  # too high and too low cancel out
        ("rmse", [10, 20, 0, 30], 0.0),
        ("rmse", [16, 20, 8, 30], 5.0),
    ],
)
def test_errors(name: str, forecast: list[float], expected: float) -> None:
    assert getattr(metrics, name)(TRUTH, np.array(forecast, dtype=float)) == pytest.approx(expected)


def test_mase_is_the_error_in_units_of_the_naive_one() -> None:
    history = np.array([1.0, 2.0, 5.0, 3.0, 4.0, 9.0])  # season of 3: |3-1|, |4-2|, |9-5|
    scale = metrics.naive_scale(history, season=3)
    assert scale == pytest.approx((2 + 2 + 4) / 3)
    assert metrics.mase(np.array([10.0, 10.0]), np.array([12.0, 6.0]), scale) == pytest.approx(3 / (8 / 3))


@pytest.mark.parametrize("history", [[1.0, 2.0, 3.0], [5.0] * 20], ids=["shorter than a season", "never varies"])
def test_a_scale_that_cannot_be_told_is_nan(history: list[float]) -> None:
    assert math.isnan(metrics.naive_scale(np.array(history)))


def test_bias_of_nothing_sold_is_nan() -> None:
    assert math.isnan(metrics.bias(np.zeros(3), np.ones(3)))


def test_seasonal_naive_repeats_the_last_week_on_the_right_weekdays() -> None:
    history = np.array([99.0, 99.0, 1, 2, 3, 4, 5, 6, 7])
    assert metrics.seasonal_naive(history, 10).tolist() == [1, 2, 3, 4, 5, 6, 7, 1, 2, 3]
    assert metrics.seasonal_naive(np.stack([history, history * 2]), 2).tolist() == [[1, 2], [2, 4]]


def test_coverage_counts_the_bounds_as_inside() -> None:
    assert metrics.coverage(TRUTH, np.array([10.0, 21, 0, 0]), np.array([10.0, 30, 0, 29])) == 0.5
