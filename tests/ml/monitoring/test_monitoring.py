"""Monitoring: what is alerted, on which day, and what is not."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ml.monitoring import baskets, daily, drift, profile, realised, weeks
from ml.monitoring.table import MONITORING
from ml.monitoring.watch import _rows
from ml.recommend.served import Neighbours

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


def test_a_category_that_sells_a_few_a_day_is_told_within_days_when_it_is_gone(quiet: Any) -> None:
    random, day = np.random.default_rng(4), LAST - timedelta(days=60)
    dates = [LAST - timedelta(days=back) for back in range(400)]
    few = pl.DataFrame({"date": dates, "orders": random.poisson(5, 400)}).with_columns(category=pl.lit("Few")).sort("date")
    year = [one.date for one in daily.silence(few, YEAR) if one.alert]
    after = daily.silence(few.filter(pl.col("date") < day), [day + timedelta(days=n) for n in range(40)])
    told = [(one.date - day).days for one in after if one.alert]
    assert year == []
    assert 0 < told[0] <= 3
    assert len(told) == daily.TOLD  # then it is known
    assert "Few: 0 orders, about 4" in after[told[0]].detail


def test_a_day_is_judged_by_its_past_alone(quiet: Any) -> None:
    day = LAST - timedelta(days=50)
    lines, orders = quiet
    cut = lines.filter(pl.col("date") <= day), orders.filter(pl.col("date") <= day)
    assert daily.prices(cut[0], [day]) == daily.prices(lines, [day])
    assert daily.silence(cut[1], [day]) == daily.silence(orders, [day])


@hypothesis_settings(deadline=None)
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
    assert max(one.psi for one in drift.of(said, same).values()) < drift.WARN
    moved = drift.of(said, same.with_columns(pl.col("days") * 3))
    assert moved["days"].psi > moved["days"].limit == drift.ALERT
    assert moved["kind"].psi < drift.WARN
    other = drift.of(said, same.with_columns(kind=pl.lit("c")))["kind"]
    assert other.psi > other.limit


@pytest.mark.parametrize(("known", "asked"), [(100, 100), (5000, 100), (100, 20), (2000, 2000)])
def test_few_rows_that_have_not_drifted_are_no_alert(known: int, asked: int) -> None:
    """With the banks' 0.25 alone it is one of eight columns at 100 rows each, and nearly every one at 20."""
    random = np.random.default_rng(8)

    def some(rows: int) -> pl.DataFrame:
        kinds = random.choice(list("abcde"), rows, p=[0.5, 0.3, 0.15, 0.04, 0.01])
        return pl.DataFrame({"days": random.exponential(30, rows), "orders": random.poisson(1.0, rows), "kind": kinds})

    measured = [one for _ in range(100) for one in drift.of(profile.of(some(known)), some(asked)).values()]
    assert sum(one.psi >= one.limit for one in measured) <= 0.01 * len(measured)


def test_weeks_that_differ_as_those_of_the_past_did_have_not_drifted() -> None:
    """Rows of one week are alike: by the law of independent rows each week of the past would be an alert."""
    random = np.random.default_rng(3)
    past = [pl.DataFrame({"pace": random.normal(random.normal(0, 1), 0.3, 28), "window": [n] * 28}) for n in range(20)]
    said = weeks.of(pl.concat(past))
    week = pl.DataFrame({"pace": random.normal(random.normal(0, 1), 0.3, 28)})
    usual, moved = drift.of(said, week)["pace"], drift.of(said, week + 9)["pace"]
    assert usual.psi < usual.limit
    assert usual.psi > drift.limit(10, 560, 28)
    assert moved.psi > usual.psi
    assert weeks.of(pl.concat(past[:3])) == {}


def test_baskets_of_other_products_have_drifted() -> None:
    shown = np.array([[1], [0], [3], [2]])
    model = Neighbours(np.array([10, 20, 30, 40]), shown, np.array([[0.5], [0.4], [0.2], [0.1]]), np.array([0, 1, 2, 3]))
    random = np.random.default_rng(1)
    known = pl.Series(random.choice([10, 20, 30, 40], 500, p=[0.4, 0.3, 0.2, 0.1]))
    said = profile.of(baskets.asked(model, known))
    same = drift.of(said, baskets.asked(model, known.sample(300, seed=1)))
    assert all(one.psi < one.limit for one in same.values())
    other = drift.of(said, baskets.asked(model, pl.Series([40, 99] * 150)))
    assert {name for name, one in other.items() if one.psi > one.limit} == {"popularity", "score"}


def test_a_profile_counts_nulls_and_a_column_that_is_mostly_nothing() -> None:
    said = profile.of(pl.DataFrame({"orders": [0.0] * 90 + [1.0] * 10, "none": [None] * 100, "day": [LAST] * 100}))
    assert sum(said["orders"]["shares"]) == pytest.approx(1)
    assert "day" not in said
    assert drift.of(said, pl.DataFrame({"orders": [None] * 50}, schema={"orders": pl.Float64}))["orders"].psi > drift.ALERT


def test_categories_that_come_as_often_as_ever_are_likely_and_others_are_not() -> None:
    shares = np.array([0.5, 0.3, 0.19, 0.01])
    assert drift.unlikely(np.array([502.0, 296.0, 191.0, 11.0]), shares)[0] > 0.05
    assert drift.unlikely(np.array([700.0, 100.0, 190.0, 10.0]), shares)[0] < 1e-6
    assert drift.unlikely(np.zeros(4), shares)[0] == 1


def test_a_large_shop_s_mix_may_move_a_little() -> None:
    """Two of a hundred orders are for other categories: no chance among a million, and no reason to train."""
    days = [LAST - timedelta(days=back) for back in range(daily.PAST_MIX + 1)]
    sold = [(day, name, count * 10_000) for day in days for name, count in (("Books", 50), ("Toys", 50))]
    for_books = {"Books": 20_000, "Toys": -20_000}
    rows = [(day, name, count + (for_books[name] if day == LAST else 0)) for day, name, count in sold]
    (found,) = daily.mix(pl.DataFrame(rows, schema=["date", "category", "orders"], orient="row"), [LAST])
    assert found.value < found.threshold
    assert not found.alert


def history(*versions: tuple[int, float, int], rare: bool = False) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Forecasts of Books and of the total at leads of 1 to 28 days, and sales of about 100 a day.

    `versions` are (number, error, days since it answers), the oldest first: the error is of forecasts of a week ahead and more,
    of shorter ones a tenth. With `rare` a category that sells on one day in thirty, outside of its interval.
    """
    random = np.random.default_rng(2)
    sold = {LAST - timedelta(days=back): float(random.normal(100, 10)) for back in range(200, -1, -1)}
    rows = []
    for place, (version, error, since) in enumerate(versions):
        until = versions[place + 1][2] if place + 1 < len(versions) else 0
        for back in range(since - 1, until - 1, -1):
            made = LAST - timedelta(days=back)
            for lead in range(min(28, back + 1)):
                date_ = made + timedelta(days=lead)
                said = sold[date_] + random.choice([-1, 1]) * (error if lead >= 7 else error / 10)
                rows += [(made, date_, name, said, said - 20, said + 20, version) for name in ("Books", "All")]
                rows += [(made, date_, "Rare", 5.0, 4.0, 6.0, version)] if rare else []
    names = ["as_of_date", "date", "category", "forecast", "lower", "upper", "model_version"]
    sales = [(on, "Books", net) for on, net in sold.items()]
    sales += [(on, "Rare", 1.0 if on.day == 1 else 0.0) for on in sold] if rare else []
    return pl.DataFrame(rows, schema=names, orient="row"), pl.DataFrame(
        sales, schema=["date", "category", "net_amount"], orient="row"
    )


def came_true(*versions: tuple[int, float, int], rare: bool = False) -> dict[str, daily.Found]:
    return {one.metric: one for one in realised.forecast(*history(*versions, rare=rare), LAST, {"mase": 0.6}, versions[-1][0])}


def test_a_forecast_that_comes_true_is_ok_and_one_that_does_not_is_an_alert() -> None:
    assert not any(one.alert for one in came_true((1, 5.0, 56)).values())
    bad = came_true((1, 60.0, 56))
    assert bad["realised_mase"].alert
    assert bad["realised_coverage"].alert


def test_a_day_is_judged_by_all_its_forecasts_as_the_backtest_does_and_not_by_the_last_one_alone() -> None:
    """The last forecast of each day is ten times better than those of a week before and more."""
    scale = came_true((1, 10.0, 56))["realised_mase"].value / (10 * (21 + 0.7) / 28)
    assert came_true((1, 40.0, 56))["realised_mase"].value == pytest.approx(40 * (21 + 0.7) / 28 * scale)


def test_a_few_days_of_truth_tell_nothing_yet() -> None:
    assert came_true((1, 5.0, 3)) == {}


def test_a_new_version_is_not_charged_with_what_the_one_before_it_said() -> None:
    new = came_true((1, 90.0, 56), (2, 5.0, 3))
    assert not any(one.alert for one in new.values())
    assert "3 of them of version 2" in new["realised_mase"].detail
    assert came_true((1, 90.0, 56), (2, 5.0, 20))["realised_mase"].value < 0.6
    assert came_true((1, 5.0, 56), (2, 90.0, 20))["realised_mase"].alert
    # As bad as the one before, as far as it can be told: waiting for a week of truth would let weekly trainings hide it.
    assert came_true((1, 300.0, 56), (2, 300.0, 3))["realised_mase"].alert


def test_the_total_is_judged_too_and_a_rare_category_is_not() -> None:
    made, sales = history((1, 5.0, 56))
    wrong = made.with_columns(
        pl.when(pl.col("category") == "All").then(pl.col("forecast") + 90).otherwise("forecast").alias("forecast")
    )
    assert realised.forecast(wrong, sales, LAST, {"mase": 0.6}, 1)[1].value > 2
    with_rare, without = came_true((1, 5.0, 56), rare=True), came_true((1, 5.0, 56))
    assert {name: one.value for name, one in with_rare.items()} == pytest.approx(
        {name: one.value for name, one in without.items()}, rel=0.01
    )


def test_a_season_that_sells_more_may_miss_by_more_money() -> None:
    """Twice the sales and twice the errors are as good a forecast; its error is held against what the backtest had of each."""
    made, sales = history((1, 30.0, 56))
    peak = pl.col("date") > LAST - timedelta(days=28)
    more = made.with_columns(pl.when(peak).then(pl.col("forecast") * 2).otherwise("forecast").alias("forecast"))
    sold = sales.with_columns(pl.when(peak).then(pl.col("net_amount") * 2).otherwise("net_amount").alias("net_amount"))
    tested = {"mase": 9.0, "mase/All": 0.5, "mase/Books": 0.7}
    quiet, peaked = (realised.forecast(*given, LAST, tested, 1)[1] for given in ((made, sales), (more, sold)))
    assert peaked.value == pytest.approx(quiet.value, rel=0.05)
    assert quiet.threshold == pytest.approx(1.5 * 0.6)


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


def test_every_column_is_described() -> None:
    assert alert(LAST).columns == list(MONITORING.comments)
    assert alert(LAST)["status"].item() == "alert"
