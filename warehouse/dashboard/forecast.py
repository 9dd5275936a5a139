"""What the page Forecast asks: the forecast, what was sold, and how far apart they were."""

import json
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl

from lake.config import Settings
from lake.delta import Lake
from warehouse.dashboard.filters import is_in
from warehouse.dashboard.page import Page
from warehouse.dashboard.periods import Span

FORECAST, MONTHS, HISTORY = "gold.forecast_sales", "gold.forecast_sales_monthly", "gold.forecast_sales_history"
ALL = "All"
_TRAININGS = "meta.model_trainings"
_DAYS = 90  # of history beside the forecast
_BESIDE = (
    "How far the forecasts were off, beside the naive forecast: that a day sells as the same weekday did a week before. "
    "Below 100 % is better than it."
)
_BIAS = "By how much all forecasts together were above (+) or below (-) what was sold."


@dataclass(frozen=True)
class Made:
    """Who made the forecast that a release shows: `model` of `version`, or the plain rule of that name as version 0.

    `data_to`: the last day that was known; `after`: the release that was the newest then, None before the first.
    """

    shown_by: int
    model: str
    version: int
    data_to: date
    after: int | None
    made_on: date


def series(page: Page) -> list[str]:
    """What there is a forecast of: the total first, then each category."""
    found = page.reader.rows(f"SELECT DISTINCT category FROM {FORECAST} ORDER BY category")["category"].to_list()
    return [ALL, *(name for name in found if name != ALL)]


def ahead(page: Page, category: str) -> pl.DataFrame:
    """The days ahead: date, forecast, lower, upper (80 %), lower_95, upper_95."""
    return page.reader.rows(
        f"SELECT date, forecast, lower, upper, lower_95, upper_95 FROM {FORECAST} WHERE category = ? ORDER BY date", (category,)
    )


def sold(page: Page, category: str, span: Span | None = None) -> pl.DataFrame:
    """Net revenue by day: date, revenue. Without a span, of the last days that are known."""
    known = page.known
    span = span or Span(known.last - timedelta(days=_DAYS - 1), known.last)
    where = span.where() if category == ALL else f"{span.where()} AND {is_in('category', [category])}"
    return page.reader.ask("revenue", by=["day"], where=where, order=["day"]).rename({"day": "date"})


def months(page: Page, category: str) -> pl.DataFrame:
    """Months ahead, the one under way first: month, forecast, lower, upper, sold."""
    return page.reader.rows(
        f"SELECT strftime(month, '%Y-%m') AS month, forecast, lower, upper, sold FROM {MONTHS} WHERE category = ? ORDER BY month",
        (category,),
    )


def made_by(page: Page) -> Made | None:
    """Who made the forecast; None where the release holds none. Rows that said the same before keep the day they were made on."""
    rows = page.reader.rows(
        f"SELECT model, model_version, max(trained_to), max(release), max(scored_on) FROM {FORECAST} "
        "GROUP BY model, model_version ORDER BY max(scored_on) DESC LIMIT 1"
    )
    return Made(page.reader.release.number, *rows.row(0)) if rows.height else None


def came_true(page: Page, category: str) -> pl.DataFrame:
    """Days that were forecast and have passed, by the newest forecast before: date, forecast, lower, upper, revenue."""
    if not page.reader.has(HISTORY):
        return pl.DataFrame()
    said = page.reader.rows(
        f"SELECT date, forecast, lower, upper FROM {HISTORY} WHERE category = ? AND as_of_date <= date AND date <= ? "
        "QUALIFY row_number() OVER (PARTITION BY date ORDER BY as_of_date DESC) = 1 ORDER BY date",
        (category, page.known.last),
    )
    if said.is_empty():
        return said
    days = said["date"].to_list()
    return said.join(sold(page, category, Span(days[0], days[-1])), on="date", how="inner").sort("date")


def training(settings: Settings, made: Made) -> dict[str, Any]:
    """What the training of that very version found on days it had not seen, as ml/life/facts.py notes it.

    Empty for the plain rule, which is not trained, and where the lake does not remember it. Later trainings say nothing of what
    is shown: they may not have been promoted, or the release is an old one.
    """
    lake = Lake(settings.lake_root)
    if not made.version or not lake.exists(_TRAININGS):
        return {}
    rows = sorted(lake.read(_TRAININGS).to_pylist(), key=lambda row: row["trained_at"])
    facts = [json.loads(row["fact"]) for row in rows if row["model"] == made.model]
    found = [fact for fact in facts if fact.get("version") == made.version]
    return found[-1] if found else {}


def provenance(made: Made, learned_to: date | None) -> str:
    """In a sentence: which release shows the forecast, who made it, when, and from which data. `learned_to`: of its training."""
    when = "before the first release" if made.after is None else f"after release {made.after}"
    what = f"made on {_day(made.made_on)}, {when}, from data to {_day(made.data_to)}"
    if not made.version:
        return (
            f"Shown by release {made.shown_by}; {what}, by the plain rule {made.model}: a day sells as the same weekday did a "
            "week before. It answers while no model has earned its place."
        )
    learned = f", which learned from data to {_day(learned_to)}" if learned_to else ""
    return f"Shown by release {made.shown_by}; {what}, by model {made.model}, version {made.version}{learned}."


def goodness(found: dict[str, Any]) -> list[tuple[str, str, str | None, str]]:
    """What a training found, for people: name, value, change, help. Empty where it was not tested."""
    metrics: dict[str, float] = found.get("metrics", {})
    if "mase" not in metrics:
        return []
    naive = found.get("naive", {}).get("mase")
    beside = metrics["mase"] / naive if naive else metrics["mase"]
    measured = f"MASE {metrics['mase']:.2f}" + (f", naive {naive:.2f}." if naive else ".")
    tiles: list[tuple[str, str, str | None, str]] = [
        ("Error beside naive", f"{100 * beside:.0f} %", f"{100 * (beside - 1):+.0f} %", f"{_BESIDE} {measured}")
    ]
    if "bias" in metrics:
        tiles.append(("Too high or low", f"{100 * metrics['bias']:+.1f} %", None, _BIAS))
    for width in (80, 95):
        if f"coverage_{width}" in metrics:
            told = f"Of the days tested, those that sold within the band: {width} % is what it promises."
            tiles.append((f"Days in {width} % band", f"{100 * metrics[f'coverage_{width}']:.1f} %", None, told))
    return tiles


def _day(day: date) -> str:
    return Span(day, day).text()
