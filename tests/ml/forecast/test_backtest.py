import math
from datetime import date

import numpy as np
import pytest

from ml.forecast import backtest
from ml.forecast.panel import Panel


def make_panel(values: np.ndarray, starts: tuple[int, ...] | None = None) -> Panel:
    names = tuple(f"c{i}" for i in range(len(values)))
    return Panel(date(2024, 1, 1), names, {"net": values}, np.array(starts or (0,) * len(values)))


def asked(panel: Panel, days: tuple[int, ...], horizon: int) -> np.ndarray:
    return backtest.asked(panel, days, lambda known: backtest.naive(known, horizon))


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
    naive = backtest.score(known, at, asked(known, at, 14))
    # Week one is missed by 7, week two by 14; the scale is 7: MASE 1.5. The second series is twice the first.
    assert {name: round(naive[f"mase/{name}"], 9) for name in ("All", "c0", "c1")} == {"All": 1.5, "c0": 1.5, "c1": 1.5}
    assert naive["rmse/c0"] == pytest.approx(math.sqrt((49 + 196) / 2))
    assert naive["rmse"] == pytest.approx(3 * naive["rmse/c0"])
    assert naive["bias"] < 0
    perfect = backtest.score(known, at, backtest.truth(known, at, 14))
    assert perfect["mase"] == perfect["smape"] == perfect["rmse"] == perfect["bias"] == 0


def test_a_category_that_seldom_sells_does_not_flatter_the_mean() -> None:
    values = np.random.default_rng(2).gamma(3, 10, (2, 400))
    values[1, np.arange(400) % 70 != 0] = 0  # a sale every ten weeks: nothing at all is an excellent forecast of it
    known, at = make_panel(values), (300, 350)
    scored = backtest.score(known, at, asked(known, at, 14) * [[1.0], [0.0]])
    assert scored["mase/c1"] < 0.6 < scored["mase/c0"]
    for metric in ("mase", "smape"):
        assert scored[metric] == pytest.approx((scored[f"{metric}/All"] + scored[f"{metric}/c0"]) / 2)


def test_a_category_that_begins_later_counts_only_from_then() -> None:
    values = np.random.default_rng(2).gamma(3, 10, (2, 100))
    values[1, :60] = 0
    known = make_panel(values, (0, 60))
    scored = backtest.score(known, (50, 80), asked(known, (50, 80), 10))
    alone = backtest.score(known, (80,), asked(known, (80,), 10))
    assert scored["mase/c1"] == pytest.approx(alone["mase/c1"])


def test_losses_are_the_mean_mase_of_each_cut() -> None:
    known, at = make_panel(np.random.default_rng(2).gamma(3, 10, (2, 200))), (100, 150)
    made = asked(known, at, 14)
    each = [backtest.score(known, (cut,), made[[place]])["mase"] for place, cut in enumerate(at)]
    assert backtest.losses(known, at, made).tolist() == each
    assert np.mean(each) == pytest.approx(backtest.score(known, at, made)["mase"])


@pytest.mark.parametrize(("days", "horizon"), [(60, 28), (400, 28), (1095, 28), (1095, 60)])
def test_origins_lie_between_their_cut_and_the_next_with_a_whole_horizon_of_truth(days: int, horizon: int) -> None:
    made, at = backtest.origins(days, horizon), backtest.cuts(days, horizon)
    assert made.cuts == at
    assert set(at) <= set(made.days)
    assert list(made.days) == sorted(set(made.days))
    assert max(made.days) + horizon == days - 1
    for day, cut in zip(made.days, made.fitted, strict=True):
        assert cut == max(other for other in at if other <= day)
    values = np.arange(len(made.days), dtype=float)
    assert [made.days[int(place)] for place in made.at_cuts(values)] == list(at)


def test_the_future_is_not_shown_to_a_rule_that_is_asked() -> None:
    seen: list[int] = []

    def rule(known: Panel) -> np.ndarray:
        seen.append(known.days)
        return known.values["net"][:, -1:]

    assert backtest.asked(make_panel(np.arange(20.0)[None]), (4, 9), rule).ravel().tolist() == [4, 9]
    assert seen == [5, 10]
