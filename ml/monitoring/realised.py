"""What came true of what the models said."""

from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np

from ml.forecast.panel import TOTAL
from ml.forecast.pool import RARE
from ml.monitoring.daily import Found

if TYPE_CHECKING:
    import polars as pl

WINDOW = 28  # days of truth that are judged together, and the leads of the backtest
LEAST_DAYS = 7
_YEAR = 364
_WORSE = 1.5  # times the backtest's error: six cuts of a backtest differ by less
_INSIDE = 0.6  # share of days inside an interval that promises 80 %
_OFF = 0.3  # relative distance of buyers said and come, which is an alert
REPEAT_DAYS = 30
REPEAT_LAG = timedelta(days=REPEAT_DAYS - 1)  # from as_of_date, the first of these days, to the last


def forecast(history: "pl.DataFrame", sales: "pl.DataFrame", day: date, backtest: float, version: int) -> list[Found]:
    """Error and coverage of the forecasts of the WINDOW days up to `day`, as the backtest has them.

    `history` has as_of_date (the first day not known), date, category ('All': the total), forecast, lower, upper and
    model_version; `sales` has date, category and net_amount. Each day counts as often as it was forecast, 1 to WINDOW days ahead,
    and each lead as much as another. MASE has the scale of the days before the window (Hyndman and Koehler 2006).

    A new `version` is judged by its own forecasts once LEAST_DAYS of them came true. Before that an alert takes both: what the
    versions before it said, and what it said itself, so that nobody is charged with the errors of others.
    """
    import polars as pl

    inside = pl.col("date").is_between(day - timedelta(days=WINDOW - 1), day)
    made = history.filter(inside & (pl.col("as_of_date") <= pl.col("date")))
    money = sales.select("date", "category", pl.col("net_amount").cast(pl.Float64))
    total = money.group_by("date").agg(pl.lit(TOTAL).alias("category"), pl.col("net_amount").sum())
    truth = pl.concat([money, total.select(money.columns)])
    every = made.join(truth, on=["date", "category"]).with_columns(pl.col("forecast", "lower", "upper").cast(pl.Float64))
    own = every.filter(pl.col("model_version") == version)
    days, mine = every["date"].n_unique(), own["date"].n_unique()
    if days < LEAST_DAYS:
        return []
    said, whose = (own, f"{mine} days") if mine >= LEAST_DAYS else (every, f"{days} days, {mine} of them of version {version}")
    hit, ours = _coverage(said, truth, day), _coverage(own, truth, day)
    off = hit < _INSIDE and ours < _INSIDE
    found = [
        Found(day, "realised_coverage", "80 %", hit, _INSIDE, off, f"{hit:.0%} of the sales of {whose} were inside the interval")
    ]
    mase, ours = _mase(said, truth, day), _mase(own, truth, day)
    if np.isfinite(backtest) and np.isfinite(mase):
        limit = _WORSE * backtest
        detail = f"MASE {mase:.2f} over {whose} that came true, {backtest:.2f} in the backtest"
        found.append(Found(day, "realised_mase", "all", mase, limit, mase > limit and ours > limit, detail))
    return found


def _coverage(said: "pl.DataFrame", truth: "pl.DataFrame", day: date) -> float:
    """Share inside the interval, of the series that sell on most days: no interval holds just 80 % of the days of a rare one."""
    import polars as pl

    year = truth.filter(pl.col("date").is_between(day - timedelta(days=_YEAR - 1), day))
    known = max(year["date"].n_unique(), 1)
    sold = year.filter(pl.col("net_amount") > 0).group_by("category").agg(pl.col("date").n_unique().alias("days"))
    usual = sold.filter((pl.col("days") >= RARE * known) | (pl.col("category") == TOTAL))["category"].to_list()
    asked = said.filter(pl.col("category").is_in(usual))
    share = asked.select(pl.col("net_amount").is_between(pl.col("lower"), pl.col("upper")).mean()).item()
    return float("nan") if share is None else float(share)


def _mase(said: "pl.DataFrame", truth: "pl.DataFrame", day: date) -> float:
    """Mean over the series of their mean error at each lead; NaN where there is nothing to tell it from."""
    import polars as pl

    errors = []
    for category in said["category"].unique().sort().to_list():
        past = truth.filter((pl.col("category") == category) & (pl.col("date") <= day - timedelta(days=WINDOW))).sort("date")
        series = past["net_amount"].to_numpy()
        scale = float(np.abs(series[7:] - series[:-7]).mean()) if len(series) > 7 else 0.0
        if scale > 0:
            missed = said.filter(pl.col("category") == category).select(
                (pl.col("date") - pl.col("as_of_date")).alias("lead"),
                (pl.col("net_amount") - pl.col("forecast")).abs().alias("error"),
            )
            errors.append(float(missed.group_by("lead").agg(pl.col("error").mean())["error"].mean()) / scale)  # type: ignore[arg-type]
    return float(np.mean(errors)) if errors else float("nan")


def repeat(history: "pl.DataFrame", customers: "pl.DataFrame", day: date) -> list[Found]:
    """Buyers that were expected 30 days ago against those who came: `history` has as_of_date, customer_id, repeat_probability."""
    import polars as pl

    from ml.customers.features import bought

    said = history.filter(pl.col("as_of_date") == day - REPEAT_LAG)
    if said.is_empty():
        return []
    came = bought(customers, day - REPEAT_LAG, day).select("customer_id", pl.lit(1.0).alias("came"))
    both = said.join(came, on="customer_id", how="left").with_columns(pl.col("came").fill_null(0.0))
    expected, real = float(both["repeat_probability"].sum()), float(both["came"].sum())
    off = real / expected - 1 if expected else 0.0
    detail = f"{real:,.0f} customers came back in {REPEAT_DAYS} days, {expected:,.0f} were expected"
    return [Found(day, "realised_calibration", "all", off, _OFF, abs(off) > _OFF, detail)]
