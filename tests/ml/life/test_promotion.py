"""Who becomes the champion."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.life.promotion import Rival, decide, gap
from ml.model import Tried


def tried(name: str, *losses: float) -> Tried:
    return Tried(name, f'{{"recipe": "{name}"}}', np.array(losses, dtype=float))


NAIVE = tried("seasonal naive", 1.0, 1.1, 0.9, 1.0)
GOOD = tried("linear", 0.70, 0.72, 0.69, 0.71)
BETTER = tried("xgboost", 0.60, 0.63, 0.58, 0.61)
A_LITTLE = tried("gbt", 0.60, 0.81, 0.60, 0.80)  # better on average, by less than it varies
BAD = tried("dear", 1.2, 1.3, 1.1, 1.2)


def rival(of: Tried, version: int = 3) -> Rival:
    return Rival(version, of.recipe)


def test_the_first_champion_beats_the_plain_rule() -> None:
    verdict = decide("mase", (BAD, GOOD), NAIVE, None)
    assert (verdict.champion, verdict.challenger) == (GOOD, None)
    assert verdict.reason == "linear: mase 0.705 in the backtest beats seasonal naive 1"


def test_nobody_is_champion_where_the_plain_rule_is_better() -> None:
    verdict = decide("mase", (BAD,), NAIVE, None)
    assert (verdict.champion, verdict.challenger) == (None, BAD)
    assert "does not beat seasonal naive" in verdict.reason


def test_a_challenger_that_gains_more_than_the_noise_is_promoted() -> None:
    verdict = decide("mase", (GOOD, BETTER), NAIVE, rival(GOOD))
    assert (verdict.champion, verdict.challenger) == (BETTER, None)
    assert "beats the recipe of champion version 3 (linear) by 0.1, noise ±" in verdict.reason


def test_a_challenger_within_the_noise_stays_one_and_the_champion_s_recipe_learns_what_is_new() -> None:
    verdict = decide("mase", (GOOD, A_LITTLE), NAIVE, rival(GOOD))
    assert A_LITTLE.losses.mean() < GOOD.losses.mean()
    assert (verdict.champion, verdict.challenger) == (GOOD, A_LITTLE)
    assert "does not beat the recipe of champion version 3" in verdict.reason


def test_the_champion_s_recipe_is_fitted_anew_where_it_is_the_best() -> None:
    verdict = decide("mase", (GOOD, BETTER), NAIVE, rival(BETTER))
    assert (verdict.champion, verdict.challenger) == (BETTER, None)


def test_a_champion_that_can_no_longer_be_tried_leaves_its_place_to_who_beats_the_plain_rule() -> None:
    assert decide("mase", (GOOD,), NAIVE, Rival(3, "gone")).champion == GOOD


def test_losses_that_are_no_numbers_earn_nothing() -> None:
    verdict = decide("mase", (tried("odd", float("nan"), 0.1),), NAIVE, None)
    assert verdict.champion is None
    assert "cannot be told" in verdict.reason


def test_a_champion_is_compared_on_the_folds_that_it_has_losses_of() -> None:
    holder = tried("linear", 0.70, float("nan"), 0.69, 0.71)
    verdict = decide("mase", (holder, A_LITTLE), NAIVE, rival(holder))
    assert (verdict.champion, verdict.challenger) == (holder, A_LITTLE)
    verdict = decide("mase", (holder, BETTER), NAIVE, rival(holder))
    assert verdict.champion == BETTER
    assert "xgboost: mase 0.5967 in the backtest beats the recipe of champion version 3 (linear) by 0.1" in verdict.reason


def test_a_champion_without_a_loss_stays() -> None:
    holder = tried("linear", *[float("nan")] * 4)
    assert decide("mase", (holder, BETTER), NAIVE, rival(holder)).champion is None


def test_one_fold_tells_nothing() -> None:
    assert gap(np.array([0.1]), np.array([0.9])) == (pytest.approx(0.8), float("inf"))


@given(st.lists(st.floats(0, 10), min_size=2, max_size=20), st.floats(0.001, 5))
def test_a_gain_that_is_the_same_in_every_fold_has_no_noise(losses: list[float], less: float) -> None:
    champion = np.array(losses)
    gain, noise = gap(champion - less, champion)
    assert gain == pytest.approx(less)
    assert noise == pytest.approx(0, abs=1e-6)


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), min_size=2, max_size=20))
def test_what_one_gains_the_other_loses(pairs: list[tuple[float, float]]) -> None:
    one, other = (np.array(side) for side in zip(*pairs, strict=True))
    assert gap(one, other)[0] == pytest.approx(-gap(other, one)[0], abs=1e-12)
    assert gap(one, other)[1] == pytest.approx(gap(other, one)[1])
