from collections.abc import Callable
from datetime import date
from itertools import pairwise

import numpy as np
import pytest

from ml.forecast import months
from ml.forecast.panel import Panel

Panels = Callable[..., Panel]
Sales = Callable[..., np.ndarray]
FEBRUARY_10 = 771  # days from 2024-01-01 to 2026-02-10, both included: the last known day


def test_the_months_to_come_begin_with_the_one_that_goes_on(panel_of: Panels, sales: Sales) -> None:
    known = panel_of(sales(FEBRUARY_10 + 1))
    assert known.last == date(2026, 2, 10)
    found = months.bounds(known)
    assert [known.day(first).isoformat() for first, _ in found][:2] == ["2026-02-01", "2026-03-01"]
    assert len(found) == 12
    assert all(end == first for (_, end), (first, _) in pairwise(found))
    assert months.sold(known) == pytest.approx(known.values["net"][:, -10:].sum(axis=1))
    whole = known.upto(FEBRUARY_10 - 10)  # known to 31 January
    assert whole.day(months.bounds(whole)[0][0]) == date(2026, 2, 1)
    assert months.sold(whole).tolist() == [0, 0]


def test_months_follow_season_and_growth(panel_of: Panels, sales: Sales) -> None:
    truth = panel_of(sales(1400, noise=0.05))
    known = truth.upto(1034)  # to the end of October 2026
    made = months.forecast(known)
    true = np.column_stack([truth.values["net"][:, first:end].sum(axis=1) for first, end in months.bounds(known)])
    assert made == pytest.approx(true, rel=0.12)


def test_errors_are_of_months_that_came_true(panel_of: Panels, sales: Sales) -> None:
    known = panel_of(sales(1100, noise=0.05))
    found = months.tested(known)
    assert 0 < found.values["monthly/wape"] < 0.06 < found.values["monthly/naive_wape"]
    assert found.spread is not None
    assert set(found.spread.shares[80]) == {"All", "c0", "c1"}


def test_a_young_shop_gets_months_but_no_promise(panel_of: Panels, sales: Sales) -> None:
    known = panel_of(sales(200))
    assert months.tested(known) == months.Errors({}, None)
    assert (months.forecast(known) > 0).all()


def test_what_a_past_month_end_forecast_does_not_depend_on_what_came(panel_of: Panels, sales: Sales) -> None:
    known = panel_of(sales(900))
    np.testing.assert_array_equal(months.forecast(known.upto(700)), months.forecast(panel_of(known.values["net"][:, :701])))
