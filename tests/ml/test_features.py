from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml import backtest, features
from ml.panel import Panel

DAYS, HORIZON = 500, 28


def make_panel(values: np.ndarray, starts: tuple[int, ...] = (0, 0)) -> Panel:
    return Panel(date(2024, 1, 1), ("Books", "Toys"), {"net": values, "gross": values * 1.1}, np.array(starts))


def random_panel(seed: int = 1) -> Panel:
    return make_panel(np.random.default_rng(seed).gamma(2, 50, (2, DAYS)))


@settings(max_examples=25, deadline=None)
@given(cut=st.integers(40, DAYS - HORIZON - 1), seed=st.integers(0, 1000))
def test_nothing_after_the_origin_enters_its_features(cut: int, seed: int) -> None:
    """The future is replaced by other numbers; no feature of any row up to the cut may notice."""
    known = random_panel()
    values = known.values["net"].copy()
    values[:, cut + 1 :] = np.random.default_rng(seed).gamma(2, 5000, values[:, cut + 1 :].shape)
    other = make_panel(values)
    origins = np.array([cut - 30, cut - 7, cut])
    before, after = features.rows(known, origins, HORIZON), features.rows(other, origins, HORIZON)
    for name in set(before) - {"truth"}:
        np.testing.assert_array_equal(before[name], after[name], err_msg=name)
    # The panel cut off at that day says the same as the whole one.
    short = features.rows(known.upto(cut), origins, HORIZON)
    for name in set(before) - {"truth"}:
        np.testing.assert_array_equal(before[name], short[name], err_msg=name)


def test_what_a_cut_is_trained_on_ends_at_the_cut() -> None:
    """The job filters `day <= cut`; the truth of those rows must be that very day's."""
    known = random_panel()
    rows = features.rows(known, features.training_origins(known, HORIZON), HORIZON)
    for cut in backtest.cuts(DAYS, HORIZON):
        mine = (rows["day"] <= cut) & (rows["measure"] == 0)
        assert mine.any()
        assert (rows["origin"][mine] < rows["day"][mine]).all()
        series, day = rows["series"][mine].astype(int), rows["day"][mine].astype(int)
        np.testing.assert_array_equal(rows["truth"][mine], known.values["net"][series, day])
    assert np.isnan(rows["truth"][rows["day"] >= DAYS]).all()


def test_hand_made_features() -> None:
    """A level of 100 that doubles every Saturday, and doubles for good on day 440."""
    weekday = (date(2024, 1, 1).weekday() + np.arange(DAYS)) % 7
    values = np.tile(np.where(weekday == 5, 200.0, 100.0) * np.where(np.arange(DAYS) >= 440, 2, 1), (2, 1))
    rows = features.rows(make_panel(values), np.array([467]), 7, ("net",))  # the last 28 days are all doubled
    level = 200 * 8 / 7
    assert rows["level"][0] == pytest.approx(level)
    saturday = (rows["weekday"] == 5) & (rows["series"] == 0)
    assert rows["same_weekday"][saturday] == pytest.approx(np.log(400 / level))
    assert rows["same_weekday"][~saturday & (rows["series"] == 0)] == pytest.approx(np.log(200 / level))
    assert rows["slope"][0] == pytest.approx(np.log(2))
    assert rows["growth"][0] == pytest.approx(np.log(2))
    assert rows["recent"][0] == pytest.approx(0)
    assert rows["year_ago"][0] == pytest.approx(0)
    assert rows["has_year"][0] == 1.0
    assert rows["has_two_years"][0] == 0.0
    assert rows["horizon"][:7].tolist() == [1, 2, 3, 4, 5, 6, 7]


def test_a_series_has_no_rows_before_it_began() -> None:
    rows = features.rows(make_panel(random_panel().values["net"], (0, 300)), np.array([200, 350]), HORIZON, ("net",))
    assert set(rows["origin"][rows["series"] == 1]) == {350}
    assert set(rows["origin"][rows["series"] == 0]) == {200, 350}


@pytest.mark.parametrize(
    "known", [np.zeros((2, DAYS)), np.pad(np.ones((2, 5)), ((0, 0), (DAYS - 5, 0)))], ids=["no sales", "five days"]
)
def test_features_are_always_numbers(known: np.ndarray) -> None:
    rows = features.rows(make_panel(known, (0, DAYS - 5)), np.array([100, DAYS - 1]), 366)
    assert all(np.isfinite(rows[name]).all() for name in features.NUMERIC)


@pytest.mark.parametrize(("days", "count", "horizon"), [(60, 1, 28), (1095, 6, 28), (1095, 300, 28), (3000, 7, 90)])
def test_training_origins_fall_on_every_weekday_and_stay_within_bounds(days: int, count: int, horizon: int) -> None:
    values = np.ones((count, days))
    known = Panel(
        date(2024, 1, 1), tuple(map(str, range(count))), {"net": values, "gross": values}, np.zeros(count, dtype=np.int64)
    )
    origins = features.training_origins(known, horizon)
    assert origins.min() >= features.LEAST_KNOWN - 1
    assert origins.max() == days - 2
    assert len(origins) * count * horizon <= max(features.MOST_ROWS, count * horizon)
    assert len(origins) < 7 or len(set(origins % 7)) == 7


@pytest.mark.parametrize(("year", "day"), [(2023, 24), (2024, 29), (2025, 28), (2026, 27)])
def test_black_friday(year: int, day: int) -> None:
    assert features.black_friday(year) == date(year, 11, day)


def test_calendar_marks_the_days_that_shops_know() -> None:
    made = features.calendar(date(2025, 11, 21), np.arange(45))  # to 4 January 2026
    at = {date.fromisoformat(text): (date.fromisoformat(text) - date(2025, 11, 21)).days for text in (
        "2025-11-27", "2025-11-28", "2025-12-01", "2025-12-24", "2025-12-25", "2025-12-26", "2026-01-01")}  # fmt: skip
    marked = {
        day: {n for n in ("before_black_friday", "black_friday", "after_christmas", "new_year") if made[n][i]}
        for day, i in at.items()
    }
    assert list(marked.values()) == [
        {"before_black_friday"}, {"black_friday"}, {"black_friday"}, set(), set(), {"after_christmas"}, {"new_year"}]  # fmt: skip
    assert made["before_christmas"][at[date(2025, 12, 24)]] == pytest.approx(27 / 28)
    assert made["before_christmas"][at[date(2025, 12, 25)]] == 0
    assert made["month_end"][9] == 1  # 30 November
