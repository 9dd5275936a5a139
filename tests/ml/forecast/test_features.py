from collections.abc import Callable
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.forecast import backtest, features
from ml.forecast.panel import Panel

DAYS, HORIZON = 500, 28
Panels = Callable[..., Panel]


@pytest.fixture(scope="module")
def random_panel(panel_of: Panels) -> Panel:
    random = np.random.default_rng(1)
    off, price = random.uniform(0, 0.5, (2, DAYS)), random.uniform(5, 50, (2, DAYS))
    return panel_of(random.gamma(2, 50, (2, DAYS)), off=off, price=price)


@settings(max_examples=25, deadline=None)
@given(cut=st.integers(40, DAYS - HORIZON - 1), seed=st.integers(0, 1000))
def test_nothing_after_the_origin_enters_its_features(random_panel: Panel, cut: int, seed: int) -> None:
    """The future is replaced by other numbers, in every array; no feature of any row up to the cut may notice."""
    known, random = random_panel, np.random.default_rng(seed)

    def other_future(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        made = {name: array.copy() for name, array in arrays.items()}
        for array in made.values():
            array[:, cut + 1 :] = random.gamma(2, 5000, array[:, cut + 1 :].shape)
        return made

    other = Panel(known.first, known.categories, other_future(known.values), known.starts, other_future(known.known))
    origins = np.array([cut - 30, cut - 7, cut])
    before = features.rows(known, origins, HORIZON)
    # The panel cut off at that day says the same as the whole one.
    for after in (features.rows(other, origins, HORIZON), features.rows(known.upto(cut), origins, HORIZON)):
        for name in set(before) - {"truth"}:
            np.testing.assert_array_equal(before[name], after[name], err_msg=name)


def test_every_feature_depends_on_something(random_panel: Panel) -> None:
    """So that the test above tests something: each feature takes more than one value on random sales."""
    rows = features.rows(random_panel, np.arange(30, DAYS - 1, 9), HORIZON)
    same = [name for name in features.NUMERIC if np.ptp(rows[name]) == 0]
    assert same == ["two_years_ago", "has_two_years"]  # 500 days hold none


def test_what_a_cut_is_trained_on_ends_at_the_cut(random_panel: Panel) -> None:
    """The training filters `day <= cut`; the truth of those rows must be that very day's."""
    rows = features.rows(random_panel, features.training_origins(random_panel, HORIZON), HORIZON)
    for cut in backtest.cuts(DAYS, HORIZON):
        mine = rows["day"] <= cut
        assert mine.any()
        assert (rows["origin"][mine] < rows["day"][mine]).all()
        series, day = rows["series"][mine].astype(int), rows["day"][mine].astype(int)
        np.testing.assert_array_equal(rows["truth"][mine], random_panel.values["net"][series, day])
    assert np.isnan(rows["truth"][rows["day"] >= DAYS]).all()


def test_hand_made_features(panel_of: Panels) -> None:
    """A level of 100 that doubles every Saturday, and doubles for good on day 440."""
    weekday = (date(2024, 1, 1).weekday() + np.arange(DAYS)) % 7
    values = np.tile(np.where(weekday == 5, 200.0, 100.0) * np.where(np.arange(DAYS) >= 440, 2, 1), (2, 1))
    rows = features.rows(panel_of(values), np.array([467]), 7)  # the last 28 days are all doubled
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


def test_prices_and_promotions(panel_of: Panels) -> None:
    """The price doubles 7 days before the origin, and those days are sold at half price; so were days of last year's spring."""
    days = np.arange(DAYS)
    off = np.where(days >= 461, 0.5, np.where((days >= 104) & (days < 111), 0.4, 0.0))[None]
    price = np.where(days >= 461, 20.0, 10.0)[None]
    rows = features.rows(panel_of(np.full((1, DAYS), 100.0), off=off, price=price), np.array([467]), 10)
    gross, units = 100 / (1 - 0.5), 100 / (1 - 0.5) / 20
    price_91 = (7 * gross + 84 * 100) / (7 * units + 84 * 10)
    assert rows["price_7"][0] == pytest.approx(np.log(20 / price_91))
    assert rows["price_28"][0] == pytest.approx(np.log((7 * gross + 21 * 100) / (7 * units + 21 * 10) / price_91))
    share_91 = 7 * 100 / (7 * gross + 84 * 100)
    assert rows["promotion_7"][0] == pytest.approx(0.5 - share_91)
    assert rows["promotion_28"][0] == pytest.approx(7 * 100 / (7 * gross + 21 * 100) - share_91)
    # Day 471 is 364 days after day 107: the middle of that week. The quarter before day 103 sold without discounts.
    assert rows["promotion_year_ago"][3] == pytest.approx(0.4)
    assert rows["promotion_year_ago"][9] == pytest.approx(1 - 700 / (100 / 0.6 + 600))


def test_a_series_has_no_rows_before_it_began(random_panel: Panel, panel_of: Panels) -> None:
    rows = features.rows(panel_of(random_panel.values["net"], (0, 300)), np.array([200, 350]), HORIZON)
    assert set(rows["origin"][rows["series"] == 1]) == {350}
    assert set(rows["origin"][rows["series"] == 0]) == {200, 350}


@pytest.mark.parametrize(
    "known", [np.zeros((2, DAYS)), np.pad(np.ones((2, 5)), ((0, 0), (DAYS - 5, 0)))], ids=["no sales", "five days"]
)
def test_features_are_always_numbers(known: np.ndarray, panel_of: Panels) -> None:
    rows = features.rows(panel_of(known, (0, DAYS - 5)), np.array([100, DAYS - 1]), 366)
    assert all(np.isfinite(rows[name]).all() for name in features.NUMERIC)


def test_vectors_put_a_category_where_the_model_has_it(random_panel: Panel) -> None:
    rows = features.rows(random_panel, np.array([400]), 7)
    vectors = features.matrix(rows, ("horizon", "trend"), random_panel, ("b", "c1"))
    assert vectors.shape == (14, 2 + 7 + 2)
    assert vectors[:, 0].tolist() == rows["horizon"].tolist()
    assert (vectors[np.arange(14), 2 + rows["weekday"].astype(int)] == 1).all()
    assert (vectors[:, 2:9].sum(axis=1) == 1).all()
    assert vectors[:, 9:].tolist() == [[0, 0]] * 7 + [[0, 1]] * 7  # c0 is unknown to it


@pytest.mark.parametrize(("days", "count", "horizon"), [(60, 1, 28), (1095, 6, 28), (1095, 300, 28), (3000, 7, 90)])
def test_training_origins_fall_on_every_weekday_and_stay_within_bounds(days: int, count: int, horizon: int) -> None:
    values = {"net": np.ones((count, days))}
    known = Panel(date(2024, 1, 1), tuple(map(str, range(count))), values, np.zeros(count, dtype=np.int64))
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
