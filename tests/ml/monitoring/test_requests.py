"""Who is asked to be trained again, and when: by the alerts that stand, what was asked, and what was trained."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from flows.events import events, told
from lake.config import Settings
from lake.delta import Lake
from ml.life import facts
from ml.monitoring import requests
from ml.monitoring.daily import Found
from ml.monitoring.table import MONITORING
from ml.monitoring.watch import _rows
from ml.score import ScoreReport, write

FIRST = date(2026, 10, 1)
NAME = "sales_forecast"


class Shop:
    """A lake whose monitoring finds what the test says; no model is in it."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.lake = settings, Lake(settings.lake_root)

    def score(self, day: int, *, alert: bool = True, prefect: bool = True) -> dict[str, str]:
        """The day's monitoring, and its events where Prefect runs it: who is asked to be trained."""
        on = FIRST + timedelta(days=day)
        found = Found(on, "price_shift", "all", 0.3 if alert else 0.0, 0.08, alert, f"prices on day {day}")
        write(self.lake, MONITORING, _rows(NAME, 3, [found]), "date")
        report = ScoreReport(retrain=requests.standing(self.lake, on), watched=on)
        if prefect:
            assert [event.payload["model"] for event in events(report, self.settings)] == list(report.retrain)
            told(report, self.settings)
        return report.retrain

    def train(self, day: int) -> None:
        """A training that came to its end, on what was known at the end of the day."""
        last_day = (FIRST + timedelta(days=day)).isoformat()
        facts.remember(self.lake, NAME, "code:data", {}, {"version": day, "reason": "", "last_day": last_day})


@pytest.fixture
def shop(make_settings: Callable[..., Settings]) -> Shop:
    return Shop(make_settings())


def test_the_newest_alert_says_why(shop: Shop) -> None:
    assert shop.score(0, alert=False) == {}
    assert shop.score(1) == {NAME: "2026-10-02: prices on day 1"}


def test_forty_days_of_alerts_ask_once_a_week_though_no_training_comes_to_its_end(shop: Shop) -> None:
    assert [day for day in range(40) if shop.score(day)] == [0, 7, 14, 21, 28, 35]


def test_forty_days_of_alerts_ask_once_a_week_though_each_is_answered(shop: Shop) -> None:
    days = []
    for day in range(40):
        if shop.score(day):
            days.append(day)
            shop.train(day)
    assert days == [0, 7, 14, 21, 28, 35]


def test_a_second_scoring_of_the_day_does_not_ask_again(shop: Shop) -> None:
    assert shop.score(3)
    assert shop.score(3) == {}


def test_an_alert_of_one_day_is_asked_for_again_where_its_training_failed_and_not_where_it_was_trained(shop: Shop) -> None:
    assert shop.score(0)
    assert [day for day in range(1, 10) if shop.score(day, alert=False)] == [7]
    shop.train(9)
    assert [day for day in range(10, 30) if shop.score(day, alert=False)] == []


def test_an_alert_that_nobody_heard_of_is_told_by_the_next_scoring_under_prefect(shop: Shop) -> None:
    assert shop.score(0, prefect=False)
    assert shop.score(1, alert=False, prefect=False)
    assert shop.score(1, alert=False)
    assert shop.score(2, alert=False) == {}


def test_what_the_last_training_has_seen_is_no_reason_for_another(shop: Shop) -> None:
    shop.train(5)
    assert shop.score(5) == {}
    assert shop.score(6) == {NAME: "2026-10-07: prices on day 6"}  # a training of yesterday does not know it


def test_one_model_s_request_says_nothing_of_another() -> None:
    alerts: Any = {"model": ["a", "b"], "date": [FIRST, FIRST], "detail": ["worse", "worse too"]}
    found = requests.wanted(pl.DataFrame(alerts), {}, {"a": FIRST}, FIRST + timedelta(days=1))
    assert found == {"b": "2026-10-01: worse too"}
