"""Monitoring: what is alerted, on which day, and what is not."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.monitoring import daily, drift, profile, realised
from ml.monitoring.table import MONITORING
from ml.monitoring.watch import _rows, retrain

LAST = date(2026, 11, 22)


def shop(days: int = 400, seed: int = 3) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Lines (date, product_id, price) and orders by category of a shop with a week, a year and two promotions of 15 %."""
    random, lines, orders = np.random.default_rng(seed), [], []
    listed = random.lognormal(3, 0.8, 60)
    for back in range(days, 0, -1):
        day = LAST - timedelta(days=back - 1)
        season = (1 + 0.3 * np.sin(2 * np.pi * day.timetuple().tm_yday / 365)) * (1.3 if day.weekday() == 5 else 1.0)
        promoted = (day.month, day.day) in [(7, n) for n in range(1, 15)] + [(1, n) for n in range(2, 12)]
        for category, usual in (("Books", 34), ("Toys", 24), ("Rare", 1)):
            orders.append((day, category, int(random.poisson(usual * season))))
        for product in random.integers(0, 60, int(80 * season)):
            price = listed[product] * (0.85 if promoted and product % 5 < 3 else 1.0)
            lines.append((day, int(product), round(float(price), 2)))
    return (
        pl.DataFrame(lines, schema={"date": pl.Date, "product_id": pl.Int64, "price": pl.Float64}, orient="row"),
        pl.DataFrame(orders, schema={"date": pl.Date, "category": pl.String, "orders": pl.Int64}, orient="row"),
    )


@pytest.fixture(scope="module")
def quiet() -> tuple[pl.DataFrame, pl.DataFrame]:
    return shop()


YEAR = [LAST - timedelta(days=back) for back in range(364, -1, -1)]


def test_a_quiet_year_has_hardly_an_alarm(quiet: Any) -> None:
    lines, orders = quiet
    alarms = {
        one.date for one in [*daily.prices(lines, YEAR), *daily.silence(orders, YEAR), *daily.mix(orders, YEAR)] if one.alert
    }
    assert len(alarms) <= 0.02 * len(YEAR)


@pytest.mark.parametrize("back", [0, 30, 100, 200, 300])
def test_prices_up_by_thirty_per_cent_are_told_the_same_day(quiet: Any, back: int) -> None:
    day = LAST - timedelta(days=back)
    dearer = quiet[0].with_columns(pl.when(pl.col("date") >= day).then(pl.col("price") * 1.3).otherwise("price").alias("price"))
    (found,) = daily.prices(dearer, [day])
    assert found.alert
    assert found.metric == "price_shift"
    assert "outside what the same products cost" in found.detail


@pytest.mark.parametrize("back", [0, 30, 100, 200, 300])
@pytest.mark.parametrize("gone", ["Books", "Toys"])
def test_a_category_that_is_gone_is_told_the_same_day(quiet: Any, back: int, gone: str) -> None:
    day = LAST - timedelta(days=back)
    without = quiet[1].filter((pl.col("date") < day) | (pl.col("category") != gone))
    alerts = [one for one in daily.silence(without, [day]) if one.alert]
    assert [one.subject for one in alerts] == [gone]


def test_another_mix_of_categories_is_told(quiet: Any) -> None:
    books = pl.when((pl.col("date") == LAST) & (pl.col("category") == "Books")).then(pl.col("orders") * 4).otherwise("orders")
    (found,) = daily.mix(quiet[1].with_columns(books.alias("orders")), [LAST])
    assert found.alert
    assert not daily.mix(quiet[1], [LAST])[0].alert


def test_a_category_that_sells_one_a_day_may_have_a_day_without(quiet: Any) -> None:
    assert not any(one.alert for one in daily.silence(quiet[1], YEAR) if one.subject == "Rare")


def test_a_day_is_judged_by_its_past_alone(quiet: Any) -> None:
    day = LAST - timedelta(days=50)
    lines, orders = quiet
    cut = lines.filter(pl.col("date") <= day), orders.filter(pl.col("date") <= day)
    assert daily.prices(cut[0], [day]) == daily.prices(lines, [day])
    assert daily.silence(cut[1], [day]) == daily.silence(orders, [day])


@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=12), st.randoms())
def test_psi_is_nothing_for_equal_shares_and_more_than_nothing_else(weights: list[float], random: Any) -> None:
    shares = np.array(weights) / sum(weights)
    other = np.array([weight * random.uniform(0.5, 1.5) for weight in weights])
    assert drift.psi(shares, shares) == 0
    assert drift.psi(shares, other / other.sum()) >= 0


def test_psi_of_a_worked_example() -> None:
    assert drift.psi(np.array([0.5, 0.5]), np.array([0.4, 0.6])) == pytest.approx(-0.1 * np.log(0.8) + 0.1 * np.log(1.2))


def test_a_profile_tells_what_has_moved_and_what_has_not() -> None:
    random = np.random.default_rng(7)
    known = pl.DataFrame({"days": random.exponential(30, 5000), "kind": random.choice(["a", "b"], 5000)})
    said = profile.of(known)
    same = pl.DataFrame({"days": random.exponential(30, 2000), "kind": random.choice(["a", "b"], 2000)})
    assert max(drift.of(said, same).values()) < drift.WARN
    moved = drift.of(said, same.with_columns(pl.col("days") * 3))
    assert moved["days"] > drift.ALERT
    assert moved["kind"] < drift.WARN
    assert drift.of(said, same.with_columns(kind=pl.lit("c")))["kind"] > drift.ALERT


def test_a_profile_counts_nulls_and_a_column_that_is_mostly_nothing() -> None:
    said = profile.of(pl.DataFrame({"orders": [0.0] * 90 + [1.0] * 10, "none": [None] * 100, "day": [LAST] * 100}))
    assert sum(said["orders"]["shares"]) == pytest.approx(1)
    assert "day" not in said
    assert drift.of(said, pl.DataFrame({"orders": [None] * 10}, schema={"orders": pl.Float64}))["orders"] > drift.ALERT


def test_categories_that_come_as_often_as_ever_are_likely_and_others_are_not() -> None:
    shares = np.array([0.5, 0.3, 0.19, 0.01])
    assert drift.unlikely(np.array([502.0, 296.0, 191.0, 11.0]), shares) > 0.05
    assert drift.unlikely(np.array([700.0, 100.0, 190.0, 10.0]), shares) < 1e-6
    assert drift.unlikely(np.zeros(4), shares) == 1


def history(error: float, days: int = 28) -> tuple[pl.DataFrame, pl.DataFrame]:
    random = np.random.default_rng(2)
    sold = [(LAST - timedelta(days=back), "Books", float(random.normal(100, 10))) for back in range(200, -1, -1)]
    sales = pl.DataFrame(sold, schema=["date", "category", "net_amount"], orient="row")
    said = [
        (day, day, "Books", truth + random.normal(0, error), truth - 20, truth + (20 if error < 20 else -10))
        for day, _, truth in sold[-days:]
    ]
    return pl.DataFrame(said, schema=["as_of_date", "date", "category", "forecast", "lower", "upper"], orient="row"), sales


def test_a_forecast_that_comes_true_is_ok_and_one_that_does_not_is_an_alert() -> None:
    good = {one.metric: one for one in realised.forecast(*history(5.0), LAST, 0.6)}
    assert not any(one.alert for one in good.values())
    bad = {one.metric: one for one in realised.forecast(*history(60.0), LAST, 0.6)}
    assert bad["realised_mase"].alert
    assert bad["realised_coverage"].alert


def test_a_few_days_of_truth_tell_nothing_yet() -> None:
    assert realised.forecast(*history(5.0, days=3), LAST, 0.6) == []


def test_buyers_that_were_expected_and_did_not_come_are_an_alert() -> None:
    asked = LAST - timedelta(days=29)
    said = pl.DataFrame({"as_of_date": [asked] * 100, "customer_id": list(range(100)), "repeat_probability": [0.5] * 100})
    came = [(number, LAST - timedelta(days=number % 20), LAST - timedelta(days=number % 20)) for number in range(52)]
    customers = pl.DataFrame(came, schema=["customer_id", "date", "last_date"], orient="row")
    (fine,) = realised.repeat(said, customers, LAST)
    assert (fine.alert, round(fine.value, 2)) == (False, 0.04)
    (off,) = realised.repeat(said, customers.head(20), LAST)
    assert off.alert
    assert "20 customers came back in 30 days, 50 were expected" in off.detail
    assert realised.repeat(said, customers, LAST - timedelta(days=1)) == []


def alert(day: date) -> pl.DataFrame:
    return _rows("sales_forecast", 3, [daily.Found(day, "price_shift", "all", 0.3, 0.08, True, "prices are up")])


def test_an_alert_asks_for_one_training_and_not_for_another_within_a_week() -> None:
    none = alert(LAST).clear()
    assert retrain(alert(LAST), none) == {"sales_forecast": "2026-11-22: prices are up"}
    assert retrain(alert(LAST), alert(LAST - timedelta(days=3))) == {}
    assert retrain(alert(LAST), alert(LAST - timedelta(days=9))) == {"sales_forecast": "2026-11-22: prices are up"}
    calm = _rows("sales_forecast", 3, [daily.Found(LAST, "price_shift", "all", 0.0, 0.08, False, "as usual")])
    assert retrain(calm, none) == {}


def test_every_column_is_described() -> None:
    assert alert(LAST).columns == list(MONITORING.comments)
    assert alert(LAST)["status"].item() == "alert"
