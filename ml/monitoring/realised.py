"""What came true of what the models said."""

from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np

from ml.monitoring.daily import Found

if TYPE_CHECKING:
    import polars as pl

WINDOW = 28  # days of truth that are judged together
LEAST_DAYS = 7
_WORSE = 1.5  # times the backtest's error: six cuts of a backtest differ by less
_INSIDE = 0.6  # share of days inside an interval that promises 80 %
_OFF = 0.3  # relative distance of buyers said and come, which is an alert
REPEAT_DAYS = 30


def forecast(history: "pl.DataFrame", sales: "pl.DataFrame", day: date, backtest: float) -> list[Found]:
    """Error and coverage of the categories' forecasts for the WINDOW days up to `day`, each as it was made last before it.

    `history` has as_of_date (the first day not known), date, category, forecast, lower, upper; `sales` has date, category and
    net_amount.
    MASE has the scale of the days before the window (Hyndman and Koehler 2006), so that it compares with the backtest's.
    """
    import polars as pl

    inside = pl.col("date").is_between(day - timedelta(days=WINDOW - 1), day)
    made = history.filter(inside & (pl.col("as_of_date") <= pl.col("date")))
    said = made.sort("as_of_date").group_by("date", "category").last()
    truth = sales.with_columns(pl.col("net_amount").cast(pl.Float64))
    both = said.join(truth, on=["date", "category"])
    if both["date"].n_unique() < LEAST_DAYS:
        return []
    errors = []
    for category in both["category"].unique().to_list():
        past = truth.filter((pl.col("category") == category) & (pl.col("date") <= day - timedelta(days=WINDOW))).sort("date")
        series = past["net_amount"].to_numpy()
        scale = float(np.abs(series[7:] - series[:-7]).mean()) if len(series) > 7 else 0.0
        own = both.filter(pl.col("category") == category)
        if scale > 0:
            errors.append(
                float(np.abs(own["net_amount"].to_numpy() - own["forecast"].cast(pl.Float64).to_numpy()).mean()) / scale
            )
    hit = both.select(
        pl.col("net_amount").is_between(pl.col("lower").cast(pl.Float64), pl.col("upper").cast(pl.Float64)).mean()
    ).item()
    days = both["date"].n_unique()
    found = [
        Found(
            day,
            "realised_coverage",
            "80 %",
            float(hit),
            _INSIDE,
            hit < _INSIDE,
            f"{hit:.0%} of {days} days were inside the interval",
        )
    ]
    if errors and np.isfinite(backtest):
        mase, limit = float(np.mean(errors)), _WORSE * backtest
        detail = f"MASE {mase:.2f} over {days} days that came true, {backtest:.2f} in the backtest"
        found.append(Found(day, "realised_mase", "all", mase, limit, mase > limit, detail))
    return found


def repeat(history: "pl.DataFrame", customers: "pl.DataFrame", day: date) -> list[Found]:
    """Buyers that were expected 30 days ago against those who came: `history` has as_of_date, customer_id, repeat_probability."""
    import polars as pl

    from ml.customers.features import bought

    said = history.filter(pl.col("as_of_date") == day - timedelta(days=REPEAT_DAYS - 1))
    if said.is_empty():
        return []
    came = bought(customers, day - timedelta(days=REPEAT_DAYS - 1), day).select("customer_id", pl.lit(1.0).alias("came"))
    both = said.join(came, on="customer_id", how="left").with_columns(pl.col("came").fill_null(0.0))
    expected, real = float(both["repeat_probability"].sum()), float(both["came"].sum())
    off = real / expected - 1 if expected else 0.0
    detail = f"{real:,.0f} customers came back in {REPEAT_DAYS} days, {expected:,.0f} were expected"
    return [Found(day, "realised_calibration", "all", off, _OFF, abs(off) > _OFF, detail)]
