"""The rows of the forecast's tables, from the newest panel."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.forecast import backtest, intervals, months
from ml.forecast.panel import Floats, Panel
from ml.forecast.served import ANSWERS, SalesForecast, told
from ml.forecast.tables import FORECAST, HISTORY, MONTHLY

if TYPE_CHECKING:
    import polars as pl


def of(panel: Panel, horizon: int, served: SalesForecast | None) -> "dict[str, pl.DataFrame]":
    """Every table's rows, by the champion or, where there is none, the seasonal naive rule for `horizon` days."""
    import polars as pl

    if served is None:
        net, spread, of_months = backtest.naive(panel, horizon), naive_spread(panel, horizon), months.tested(panel).spread
    else:
        net, spread, of_months = served.forecast(panel), served.spread, served.monthly
    daily = days(panel, told(panel, net, spread))
    gross = pl.Series("gross_forecast", before_discounts(panel, net).ravel()).round(2).cast(pl.Decimal(18, 2))
    as_of = pl.lit(panel.last + timedelta(days=1)).alias("as_of_date")
    return {
        FORECAST: daily.with_columns(gross, pl.lit(panel.last).alias("trained_to")),
        HISTORY: daily.select(as_of, *daily.columns),
        MONTHLY: monthly(panel, of_months),
    }


def naive_spread(panel: Panel, horizon: int) -> intervals.Intervals:
    """Intervals around the seasonal naive rule."""
    asked = backtest.origins(panel.days, horizon).days
    return intervals.calibrated(panel, asked, backtest.asked(panel, asked, lambda known: backtest.naive(known, horizon)))


def days(panel: Panel, said: Mapping[str, Mapping[str, list[float]]]) -> "pl.DataFrame":
    """A row per series, the total first, and day."""
    import polars as pl

    rows: list[dict[str, Any]] = [
        {"date": date.fromisoformat(day), "category": name, **dict(zip(ANSWERS, answer, strict=True))}
        for name, line in said.items()
        for day, answer in line.items()
    ]
    key = pl.col("date").dt.strftime("%Y%m%d").cast(pl.Int32).alias("date_key")
    return pl.DataFrame(rows).select(key, "date", "category", pl.col(ANSWERS).round(2).cast(pl.Decimal(18, 2)))


def before_discounts(panel: Panel, net: Floats) -> Floats:
    """Gross forecasts in whole cents, the total first, shape (1 + categories, horizon)."""
    share = np.nan_to_num(panel.known["discount_share_91"][:, -1]).clip(0, 0.9)
    return backtest.with_total(np.round(np.maximum(net, 0) / (1 - share[:, None]), 2))


def monthly(panel: Panel, spread: intervals.Intervals | None) -> "pl.DataFrame":
    """A row per series, the total first, and month to come; without intervals where `spread` is None."""
    import polars as pl

    sold = np.round(months.sold(panel), 2)
    rest = backtest.with_total(np.round(months.forecast(panel), 2))
    begun = backtest.with_total(np.column_stack([sold, np.zeros((len(sold), months.AHEAD - 1))]))
    rows: list[dict[str, Any]] = []
    for i, name in enumerate(backtest.series(panel)):
        low, high = spread.around(name, rest[i], months.WIDTH) if spread else (None, None)
        for place, (first, _) in enumerate(months.bounds(panel)):
            already = begun[i, place]
            rows.append(
                {
                    "month": panel.day(first),
                    "category": name,
                    "forecast": already + rest[i, place],
                    "lower": None if low is None else already + low[place],
                    "upper": None if high is None else already + high[place],
                    "sold": already,
                }
            )
    money = pl.col("forecast", "lower", "upper", "sold").cast(pl.Float64).round(2).cast(pl.Decimal(18, 2))
    key = pl.col("month").dt.strftime("%Y%m").cast(pl.Int32).alias("month_key")
    return pl.DataFrame(rows, infer_schema_length=None).select(
        key, "month", "category", money, pl.lit(panel.last).alias("trained_to")
    )
