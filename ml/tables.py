"""The tables that models write into gold, described as declared tables are, so that the warehouse can publish them."""

from collections.abc import Mapping
from dataclasses import dataclass

FORECAST = "gold.forecast_sales"


@dataclass(frozen=True)
class Scored:
    """A table that a model fills; the names are those of transforms.declaration.Table."""

    name: str
    grain: str
    key: tuple[str, ...]
    doc: str
    comments: Mapping[str, str]
    pii: tuple[str, ...] = ()


def tables() -> dict[str, Scored]:
    """Every table that a model writes, by name."""
    return {
        FORECAST: Scored(
            name=FORECAST,
            grain="one row per day to come and category, and per day for all of them together",
            key=("date_key", "category"),
            doc="Forecast revenue of the days after the last complete one. The categories add up to 'All': never sum both.",
            comments={
                "date_key": "The day as yyyymmdd, in the shop's time zone.",
                "date": "The day.",
                "category": "Product category, or 'All' for the whole shop.",
                "forecast": "Expected net revenue (after discounts).",
                "lower": "Net revenue falls below this on one day in ten.",
                "upper": "Net revenue rises above this on one day in ten.",
                "gross_forecast": "Expected revenue before discounts.",
                "model": "Registered model in MLflow, or 'seasonal_naive' while no model has beaten that.",
                "model_version": "Its version; 0 for 'seasonal_naive'.",
                "trained_to": "The last day that was known.",
                "source_version": "Delta version of gold.agg_sales_daily that the forecast starts from.",
                "made_on": "The day, in UTC, on which this forecast was made.",
            },
        )
    }
