"""The tables in gold that the sales forecast fills."""

from ml.model import Scored
from ml.tables import STAMP

FORECAST, HISTORY, MONTHLY = "gold.forecast_sales", "gold.forecast_sales_history", "gold.forecast_sales_monthly"

_BOUNDS = {
    "lower": "Net revenue falls below this on one day in ten.",
    "upper": "Net revenue rises above this on one day in ten.",
    "lower_95": "Net revenue falls below this on one day in forty.",
    "upper_95": "Net revenue rises above this on one day in forty.",
}
_DAY = {
    "date_key": "The day as yyyymmdd, in the shop's time zone.",
    "date": "The day.",
    "category": "Product category, or 'All' for the whole shop.",
    "forecast": "Expected net revenue (after discounts, before returns).",
    **_BOUNDS,
}

TABLES = (
    Scored(
        name=FORECAST,
        grain="one row per day to come and category, and per day for all of them together",
        key=("date_key", "category"),
        doc="Forecast revenue of the days after the last complete one. The categories add up to 'All': never sum both.",
        comments={
            **_DAY,
            "gross_forecast": "Expected revenue before discounts, at the category's discount share of the last 91 days.",
            "trained_to": "The last day that was known.",
            **STAMP,
        },
    ),
    Scored(
        name=HISTORY,
        grain="one row per day on which a forecast was made, day to come and category, and for all of them together",
        key=("as_of_date", "date_key", "category"),
        doc="What gold.forecast_sales said each day, so that it can be held against what came.",
        comments={"as_of_date": "The first day that was not known.", **_DAY, **STAMP},
    ),
    Scored(
        name=MONTHLY,
        grain="one row per month to come and category, and per month for all of them together",
        key=("month_key", "category"),
        doc="Forecast net revenue of the next twelve months, the one that goes on first. The categories add up to 'All'. All "
        "versions of the model foretell months by one rule (level, season, growth), each with the intervals it was trained to.",
        comments={
            "month_key": "The month as yyyymm.",
            "month": "Its first day.",
            "category": "Product category, or 'All' for the whole shop.",
            "forecast": "Expected net revenue of the whole month.",
            "lower": "Net revenue falls below this in one month in ten. Null while the shop is too young to tell.",
            "upper": "Net revenue rises above this in one month in ten. Null while the shop is too young to tell.",
            "sold": "What of the forecast is sold already.",
            "trained_to": "The last day that was known.",
            **STAMP,
        },
    ),
)
