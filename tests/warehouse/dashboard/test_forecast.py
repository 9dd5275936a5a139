"""Who made the forecast that is shown, and how good that very model was."""

from collections.abc import Callable
from datetime import date
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from lake.config import Settings
from lake.delta import Lake
from ml.life import facts
from warehouse.dashboard import forecast
from warehouse.dashboard.forecast import Made

MODEL, PLAIN = "sales_forecast", "seasonal_naive"
MADE = Made(5, MODEL, 3, date(2026, 10, 31), 4, date(2026, 11, 1))


def page(rows: str) -> Any:
    """A page of release 5, whose forecast has these rows."""
    connection = duckdb.connect()
    connection.execute(f"CREATE SCHEMA gold; CREATE TABLE {forecast.FORECAST} AS FROM (VALUES {rows}) t({COLUMNS})")
    return SimpleNamespace(
        reader=SimpleNamespace(release=SimpleNamespace(number=5), rows=lambda text: connection.execute(text).pl())
    )


COLUMNS = "model, model_version, trained_to, release, scored_on"


def test_who_made_what_is_shown() -> None:
    rows = f"('{MODEL}', 3, DATE '2026-10-31', 4, DATE '2026-11-01'), ('{MODEL}', 3, DATE '2026-10-31', NULL, DATE '2026-10-30')"
    assert forecast.made_by(page(rows)) == MADE
    first = f"('{PLAIN}', 0, DATE '2026-10-31', NULL::BIGINT, DATE '2026-11-01')"
    assert forecast.made_by(page(first)) == Made(5, PLAIN, 0, date(2026, 10, 31), None, date(2026, 11, 1))


@pytest.mark.parametrize(
    ("made", "learned_to", "said"),
    [
        (
            MADE,
            date(2026, 9, 30),
            "Shown by release 5; made on 1 Nov 2026, after release 4, from data to 31 Oct 2026, by model sales_forecast, "
            "version 3, which learned from data to 30 Sep 2026.",
        ),
        (
            Made(1, MODEL, 1, date(2026, 10, 31), None, date(2026, 11, 1)),
            None,
            "Shown by release 1; made on 1 Nov 2026, before the first release, from data to 31 Oct 2026, by model "
            "sales_forecast, version 1.",
        ),
        (
            Made(1, PLAIN, 0, date(2026, 10, 31), None, date(2026, 11, 1)),
            None,
            "Shown by release 1; made on 1 Nov 2026, before the first release, from data to 31 Oct 2026, by the plain rule "
            "seasonal_naive: a day sells as the same weekday did a week before. It answers while no model has earned its place.",
        ),
    ],
)
def test_where_a_forecast_comes_from(made: Made, learned_to: date | None, said: str) -> None:
    assert forecast.provenance(made, learned_to) == said


def test_how_good_it_was_is_of_the_version_that_is_shown(make_settings: Callable[..., Settings]) -> None:
    """Neither of a newer one that was not promoted, nor of another model of the same number."""
    settings = make_settings()
    assert forecast.training(settings, MADE) == {}
    lake = Lake(settings.lake_root)
    for model, version, mase in ((MODEL, 2, 0.9), (MODEL, 3, 0.6), ("basket_rules", 3, 0.1), (MODEL, 4, 0.7)):
        facts.remember(lake, model, "f", {}, {"version": version, "metrics": {"mase": mase}, "last_day": "2026-09-30"})
    assert forecast.training(settings, MADE) == {"version": 3, "metrics": {"mase": 0.6}, "last_day": "2026-09-30"}
    assert forecast.training(settings, Made(1, MODEL, 9, MADE.data_to, None, MADE.made_on)) == {}
    assert forecast.training(settings, Made(1, PLAIN, 0, MADE.data_to, None, MADE.made_on)) == {}


def test_how_good_it_was_in_words() -> None:
    metrics = {"mase": 0.6, "bias": -0.019, "coverage_80": 0.827, "coverage_95": 0.958}
    tiles = forecast.goodness({"metrics": metrics, "naive": {"mase": 1.2}})
    assert [tile[:3] for tile in tiles] == [
        ("Error beside naive", "50 %", "-50 %"),
        ("Too high or low", "-1.9 %", None),
        ("Days in 80 % band", "82.7 %", None),
        ("Days in 95 % band", "95.8 %", None),
    ]
    assert tiles[0][3].endswith("MASE 0.60, naive 1.20.")
    assert forecast.goodness({}) == []


def test_the_newest_rows_are_those_of_the_release(trained_shop: Settings, reader: Any, sql: Any) -> None:
    made = forecast.made_by(SimpleNamespace(reader=reader))  # type: ignore[arg-type]
    [(model, version, data_to, after, made_on)] = sql(f"SELECT DISTINCT {COLUMNS} FROM gold.forecast_sales")
    assert made == Made(reader.release.number, model, version, data_to, after, made_on)
    assert made is not None
    assert after < made.shown_by
    assert forecast.training(trained_shop, made)["version"] == version
