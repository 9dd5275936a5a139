"""What the page Forecast asks: the forecast, what was sold, and how far apart they were."""

import json
from datetime import timedelta
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
_MODEL = "sales_forecast"
_DAYS = 90  # of history beside the forecast


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


def made_by(page: Page) -> dict[str, Any]:
    """Which model, of which version, trained to which day, on which release, scored when."""
    rows = page.reader.rows(f"SELECT model, model_version, release, trained_to, scored_on FROM {FORECAST} LIMIT 1")
    return rows.row(0, named=True) if rows.height else {}


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


def backtest(settings: Settings) -> dict[str, Any]:
    """What the last training found on days it had not seen, as ml/life/facts.py notes it; empty where nobody trained."""
    lake = Lake(settings.lake_root)
    if not lake.exists(_TRAININGS):
        return {}
    rows = [row for row in lake.read(_TRAININGS).to_pylist() if row["model"] == _MODEL]
    return json.loads(max(rows, key=lambda row: row["trained_at"])["fact"]) if rows else {}
