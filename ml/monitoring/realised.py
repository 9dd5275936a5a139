"""What came true of what the models said."""

from collections.abc import Mapping
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
_OFF = 0.4  # relative distance of buyers said and come that is an alert: a Christmas, which the model is not told, has 0.31
REPEAT_DAYS = 30
REPEAT_LAG = timedelta(days=REPEAT_DAYS - 1)  # from as_of_date, the first of these days, to the last


def forecast(
    history: "pl.DataFrame", sales: "pl.DataFrame", day: date, backtest: Mapping[str, float], version: int
) -> list[Found]:
    """Error and coverage of the forecasts of the WINDOW days up to `day`, as the backtest has them.

    `history` has as_of_date (the first day not known), date, category ('All': the total), forecast, lower, upper and
    model_version; `sales` has date, category and net_amount; `backtest` has the metrics `mase/All`, `mase/Books` … and `mase`.
    Each day counts as often as it was forecast, 1 to WINDOW days ahead, and each lead as much as another. Series that sell on few
    days have no part: no interval holds just 80 % of their days, and one sale made MASE 4.5 in a quiet year.

    A new `version` is judged by its own forecasts once LEAST_DAYS of them came true. Before that an alert takes both: what the
    versions before it said, and what it said itself, so that nobody is charged with the errors of others.
    """
    import polars as pl

    money = sales.select("date", "category", pl.col("net_amount").cast(pl.Float64))
    total = money.group_by("date").agg(pl.lit(TOTAL).alias("category"), pl.col("net_amount").sum())
    truth = _usual(pl.concat([money, total.select(money.columns)]), day)
    inside = pl.col("date").is_between(day - timedelta(days=WINDOW - 1), day)
    made = history.filter(inside & (pl.col("as_of_date") <= pl.col("date")))
    every = made.join(truth, on=["date", "category"]).with_columns(pl.col("forecast", "lower", "upper").cast(pl.Float64))
    own = every.filter(pl.col("model_version") == version)
    days, mine = every["date"].n_unique(), own["date"].n_unique()
    if days < LEAST_DAYS:
        return []
    said, whose = (own, f"{mine} days") if mine >= LEAST_DAYS else (every, f"{days} days, {mine} of them of version {version}")
    hit, ours = _coverage(said), _coverage(own)
    off, detail = hit < _INSIDE and ours < _INSIDE, f"{hit:.0%} of the sales of {whose} were inside the interval"
    found = [Found(day, "realised_coverage", "80 %", hit, _INSIDE, off, detail)]
    mase, ours = _mase(said, truth, day), _mase(own, truth, day)
    tested = [backtest[f"mase/{name}"] for name in said["category"].unique().sort() if f"mase/{name}" in backtest]
    expected = float(np.mean(tested)) if tested else backtest.get("mase", float("nan"))
    if np.isfinite(expected) and np.isfinite(mase):
        limit = _WORSE * expected
        detail = f"MASE {mase:.2f} over {whose} that came true, {expected:.2f} in the backtest"
        found.append(Found(day, "realised_mase", "all", mase, limit, mase > limit and ours > limit, detail))
    return found


def _usual(truth: "pl.DataFrame", day: date) -> "pl.DataFrame":
    """The series that sold on most days of the year up to a day, by the rule of the backtest's intervals; and the total."""
    import polars as pl

    year = truth.filter(pl.col("date").is_between(day - timedelta(days=_YEAR - 1), day))
    sold = year.filter(pl.col("net_amount") > 0).group_by("category").agg(pl.col("date").n_unique().alias("days"))
    often = sold.filter(pl.col("days") >= RARE * max(year["date"].n_unique(), 1))["category"].to_list()
    return truth.filter(pl.col("category").is_in([*often, TOTAL]))


def _coverage(said: "pl.DataFrame") -> float:
    import polars as pl

    share = said.select(pl.col("net_amount").is_between(pl.col("lower"), pl.col("upper")).mean()).item()
    return float("nan") if share is None else float(share)


def _mase(said: "pl.DataFrame", truth: "pl.DataFrame", day: date) -> float:
    """Mean over the series of their mean error at each lead; NaN where there is nothing to tell it from.

    The scale is that of the days before the window (Hyndman and Koehler 2006), and grows with the sales: errors are factors, and
    a December sells twice as much as the year that it is held against (MASE 1.09 instead of 0.72 in a quiet one).
    """
    import polars as pl

    errors, first = [], day - timedelta(days=WINDOW - 1)
    for category in said["category"].unique().sort().to_list():
        known = truth.filter((pl.col("category") == category) & (pl.col("date") <= day)).sort("date")
        past, now = (known.filter(part)["net_amount"].to_numpy() for part in (pl.col("date") < first, pl.col("date") >= first))
        if len(past) <= 7 or not past[-_YEAR:].mean() > 0:
            continue
        scale = float(np.abs(past[7:] - past[:-7]).mean()) * max(1.0, float(now.mean() / past[-_YEAR:].mean()))
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
