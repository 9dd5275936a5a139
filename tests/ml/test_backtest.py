import math
from datetime import date

import numpy as np
import pytest

from ml import backtest
from ml.panel import Panel


def make_panel(values: np.ndarray, starts: tuple[int, ...] | None = None) -> Panel:
    names = tuple(f"c{i}" for i in range(len(values)))
    return Panel(date(2024, 1, 1), names, {"net": values, "gross": values}, np.array(starts or (0,) * len(values)))


@pytest.mark.parametrize(
    ("days", "horizon", "expected"),
    [
        (60, 28, (31,)),
        (87, 28, (58,)),
        (88, 28, (31, 59)),
        (1095, 28, (786, 842, 898, 954, 1010, 1066)),  # spread over most of a year
        (400, 28, (231, 259, 287, 315, 343, 371)),
        (122, 90, (31,)),
    ],
)
def test_cuts_leave_a_whole_horizon_of_truth(days: int, horizon: int, expected: tuple[int, ...]) -> None:
    assert backtest.cuts(days, horizon) == expected
    assert expected[-1] + horizon == days - 1


def test_too_short_for_a_cut() -> None:
    with pytest.raises(ValueError, match="59 days"):
        backtest.cuts(59, 28)


def test_scores_are_means_over_series_and_the_total_is_the_sum() -> None:
    weekly = np.tile(np.arange(7.0), 10)
    known = make_panel(
        np.stack([weekly + np.arange(70), 2 * weekly + 2 * np.arange(70)])
    )  # the naive forecast misses by 7, by 14
    at = (41, 55)
    naive = backtest.score(known, at, backtest.naive(known, at, 14))
    # Week one is missed by 7, week two by 14; the scale is 7: MASE 1.5. The second series is twice the first.
    assert {name: round(naive.values[f"mase/{name}"], 9) for name in ("All", "c0", "c1")} == {"All": 1.5, "c0": 1.5, "c1": 1.5}
    assert naive.values["rmse/c0"] == pytest.approx(math.sqrt((49 + 196) / 2))
    assert naive.values["rmse"] == pytest.approx(3 * naive.values["rmse/c0"])
    assert naive.values["bias"] < 0
    perfect = backtest.score(known, at, backtest.truth(known, at, 14))
    assert perfect.values["mase"] == perfect.values["smape"] == perfect.values["rmse"] == perfect.values["bias"] == 0


def test_a_category_that_begins_later_counts_only_from_then() -> None:
    values = np.random.default_rng(2).gamma(3, 10, (2, 100))
    values[1, :60] = 0
    known = make_panel(values, (0, 60))
    scored = backtest.score(known, (50, 80), np.stack([backtest.naive(known, (50, 80), 10)[k] for k in range(2)]))
    alone = backtest.score(known, (80,), backtest.naive(known, (80,), 10))
    assert scored.values["mase/c1"] == pytest.approx(alone.values["mase/c1"])


def test_intervals_hold_eight_of_ten_new_errors() -> None:
    random = np.random.default_rng(3)
    known = make_panel(random.normal(1000, 100, (3, 800)))
    at = tuple(range(300, 500, 28))
    flat = np.full((len(at), 3, 28), 1000.0)
    made = backtest.intervals(known, at, flat)
    later = known.values["net"][:, 600:].ravel()
    low, high = made.around("c1", np.full(later.shape, 1000.0), 1000.0)
    assert np.mean((later >= low) & (later <= high)) == pytest.approx(0.8, abs=0.05)
    assert backtest.honest_coverage(known, at, flat) == pytest.approx(0.8, abs=0.05)
    assert math.isnan(backtest.honest_coverage(known, at[:1], flat[:1]))


def test_bounds_enclose_the_forecast_and_never_go_below_zero() -> None:
    made = backtest.Intervals({"All": (0.2, 0.5), "c0": (-3.0, 0.1)})
    low, high = made.around("c0", np.array([10.0]), 10.0)
    assert (low[0], high[0]) == (0.0, 11.0)
    low, high = made.around("new", np.array([10.0]), 10.0)  # every error was positive: still not above the forecast
    assert (low[0], high[0]) == (10.0, 15.0)
