from collections.abc import Callable

import numpy as np
import pytest

from ml.forecast import backtest, pool
from ml.forecast.panel import Panel
from ml.forecast.season import season

Panels = Callable[..., Panel]
Sales = Callable[..., np.ndarray]


def test_the_calendar_is_found_and_what_it_explains_is_taken_out(panel_of: Panels, sales: Sales) -> None:
    known = panel_of(sales(900, noise=0.05))
    found = season(known, 28)
    assert found.factors.shape == (2, 928)
    weekdays = np.array([found.factors[0, day : 896 + day : 7].mean() for day in range(7)])  # day 0 is a Monday
    assert weekdays / weekdays.mean() == pytest.approx(np.array([0.8, 0.85, 0.9, 1.0, 1.15, 1.35, 0.95]) / 1.0, abs=0.03)
    level = known.values["net"] / found.factors[:, :900]
    assert np.std(np.log(level[0, -100:])) < 0.09  # of noise 0.05; 0.2 with the calendar in it
    assert found.growth == pytest.approx([0.2, 0.2], abs=0.05)


def test_a_short_history_has_weekdays_but_no_year(panel_of: Panels, sales: Sales) -> None:
    found = season(panel_of(sales(300)), 28)
    assert found.growth.tolist() == [0, 0]
    assert found.factors[0, :21].reshape(3, 7) == pytest.approx(np.tile(found.factors[0, :7], (3, 1)))
    assert found.factors[0, 5] / found.factors[0, 0] == pytest.approx(1.35 / 0.8, rel=0.1)


def test_too_few_days_change_nothing(panel_of: Panels, sales: Sales) -> None:
    assert (season(panel_of(sales(100)), 28).factors == 1).all()


def test_days_to_come_do_not_change_the_season_of_a_cut(panel_of: Panels, sales: Sales) -> None:
    known = panel_of(sales(700))
    other = panel_of(np.hstack([known.values["net"][:, :600], 9 * known.values["net"][:, 600:]]))
    np.testing.assert_array_equal(season(known.upto(599), 28).factors, season(other.upto(599), 28).factors)


def test_the_pool_beats_the_seasonal_naive_rule(panel_of: Panels, sales: Sales) -> None:
    known = panel_of(sales(900))
    at = backtest.cuts(900, 28)[-3:]
    ours = backtest.losses(known, at, backtest.asked(known, at, lambda past: pool.forecast(past, 28))).mean()
    plain = backtest.losses(known, at, backtest.asked(known, at, lambda past: backtest.naive(past, 28))).mean()
    assert ours < 0.8 * plain


def test_a_category_that_seldom_sells_gets_its_mean_not_zero(panel_of: Panels) -> None:
    values = np.zeros((2, 400))
    values[0], values[1, ::10] = 100.0, 50.0
    made = pool.forecast(panel_of(values), 28)
    assert made[0] == pytest.approx(np.full(28, 100.0), rel=0.01)
    assert 2 < made[1].mean() < 9
    assert np.ptp(made[1]) == 0


def test_the_pool_copes_with_categories_that_have_hardly_begun(panel_of: Panels) -> None:
    values = np.full((3, 90), 40.0)
    values[1, :80], values[2, :90] = 0, 0
    made = pool.forecast(panel_of(values, (0, 80, 89)), 7)
    assert made[:2] == pytest.approx(np.full((2, 7), 40.0))
    assert (made[2] == 0).all()
    assert (pool.forecast(panel_of(values, (0, 80, 89)).upto(70), 7)[1:] == 0).all()
