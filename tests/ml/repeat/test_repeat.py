"""Repeat purchase: snapshots without a look ahead, figures that are the field's, a model of counts that finds its own law."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from ml.customers.features import NUMERIC
from ml.repeat import counts, scores, snapshots
from ml.repeat.recipes import platt
from ml.repeat.served import Linear, RepeatPurchase, _load_pyfunc, log_odds, sigmoid

ANSWERS = st.lists(st.tuples(st.booleans(), st.floats(0.01, 0.99)), min_size=5, max_size=80)


@settings(deadline=None)
@given(ANSWERS.filter(lambda answers: len({bought for bought, _ in answers}) == 2))
def test_figures_are_those_of_sklearn(answers: list[tuple[bool, float]]) -> None:
    truth, said = (np.array(side, dtype=float) for side in zip(*answers, strict=True))
    made = scores.all_of(truth, said)
    assert made["log_loss"] == pytest.approx(metrics.log_loss(truth, said))
    assert made["brier"] == pytest.approx(metrics.brier_score_loss(truth, said))
    assert made["auc"] == pytest.approx(metrics.roc_auc_score(truth, said))


def test_lift_is_how_many_more_buyers_are_among_the_best_tenth() -> None:
    truth = np.array([1.0] * 10 + [0.0] * 90)
    assert scores.lift(truth, np.linspace(1, 0, 100)) == pytest.approx(10)
    assert scores.lift(truth, np.linspace(0, 1, 100)) == 0


def test_probabilities_that_come_true_have_no_calibration_error() -> None:
    random = np.random.default_rng(1)
    said = random.uniform(0.05, 0.95, 50_000)
    truth = (random.random(50_000) < said).astype(float)
    assert scores.calibration_error(truth, said) < 0.01
    assert scores.calibration_error(truth, np.clip(said + 0.2, 0, 1)) > 0.1


@given(st.integers(3, 30))
def test_a_cut_learns_only_from_snapshots_whose_answer_was_known(count: int) -> None:
    """Snapshot n is DAYS before snapshot n - 1, and its answer takes DAYS: every older one was known."""
    for asked, taught in snapshots.cuts(count):
        assert all(number > asked for number in taught)
        assert 2 <= len(taught) <= snapshots.TAUGHT


def test_the_answer_to_each_snapshot_is_known_at_the_end() -> None:
    as_of = date(2026, 3, 1)
    assert all(day + timedelta(days=snapshots.DAYS) <= as_of for day in snapshots.days(as_of))


def test_calibration_finds_the_slope_and_the_shift() -> None:
    random = np.random.default_rng(5)
    rows = pl.DataFrame({name: random.lognormal(1, 1, 20_000) for name in NUMERIC})
    raw = RepeatPurchase(Linear(np.r_[1.0, np.zeros(len(NUMERIC) - 1)], -2.0), 1.0, 0.0)
    true = sigmoid(0.6 * log_odds(raw.predict(rows.to_pandas())["repeat_probability"].to_numpy()) - 0.4)
    slope, shift = platt(raw, rows.with_columns(bought=(random.random(20_000) < true).astype(float)))
    assert (slope, shift) == (pytest.approx(0.6, abs=0.05), pytest.approx(-0.4, abs=0.06))


def test_a_saved_model_answers_the_same(tmp_path: Path) -> None:
    model = RepeatPurchase(Linear(np.linspace(-1, 1, len(NUMERIC)), 0.2), 0.9, -0.1)
    model.save(tmp_path)
    frame = pd.DataFrame(np.random.default_rng(2).lognormal(0, 1, (20, len(NUMERIC))), columns=list(NUMERIC))
    pd.testing.assert_frame_equal(_load_pyfunc(str(tmp_path)).predict(frame), model.predict(frame))


@pytest.fixture(scope="module")
def simulated() -> pl.DataFrame:
    """Purchases of 3,000 customers by the very law of BG/NBD, with r 0.5, alpha 6, a 0.8, b 2.5."""
    random, rows = np.random.default_rng(4), []
    for customer in range(3000):
        rate, leave = random.gamma(0.5, 1 / 6), random.beta(0.8, 2.5)
        day = int(random.integers(0, 84))
        while day < 78 * 7:
            rows.append((customer, date(2025, 1, 1) + timedelta(days=day), float(random.uniform(5, 50))))
            if _repeat(rows) and random.random() < leave:
                break
            day += 1 + int(random.exponential(7 / rate))
    return pl.DataFrame(rows, schema={"customer_id": pl.Int64, "date": pl.Date, "value": pl.Float64}, orient="row")


def _repeat(rows: list[tuple[int, date, float]]) -> bool:
    """Whether the newest purchase is not its customer's first: only after a repeat purchase is a customer lost."""
    return len(rows) > 1 and rows[-2][0] == rows[-1][0]


def test_counts_expects_what_comes(simulated: pl.DataFrame) -> None:
    end, later = date(2025, 1, 1) + timedelta(weeks=39), date(2025, 1, 1) + timedelta(weeks=78)
    known, said = counts.expected(simulated, end, 39.0)
    came = counts.bought(simulated, end, later, known.customers)
    assert said.sum() == pytest.approx(came.sum(), rel=0.15)
    assert np.sqrt(np.mean((said - came) ** 2)) < 0.9 * np.sqrt(np.mean((came.mean() - came) ** 2))


def test_counts_knows_nothing_of_what_comes_after(simulated: pl.DataFrame) -> None:
    end = date(2025, 1, 1) + timedelta(weeks=39)
    whole = counts.expected(simulated, end, 39.0)[1]
    cut = counts.expected(simulated.filter(pl.col("date") <= end), end, 39.0)[1]
    np.testing.assert_array_equal(whole, cut)
