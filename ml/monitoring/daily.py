"""Drift of the shop's sales, day by day: prices that moved, categories that stopped. Each day is judged by its past alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import polars as pl

PAST = 42  # days that a day is held against: longer than a promotion
RISE, FALL = 0.08, -0.40  # log ratio of prices that is an alert: 8 % up, or 33 % down, which is deeper than promotions go
# Lines, of ten, below the one that a rise is judged by: a promotion hides a rise of most lines, but no promotion is of all.
DEARER = 0.7
LEAST_LINES = 12  # of a day, with a known price before: fewer tell nothing of a price
PAST_MIX = 28  # days that the mix of categories is held against: it follows the season
UNLIKELY = 1e-6  # p-value of a day's mix that is an alert, where
APART = 0.3  # w is as much too: on Black Friday, when each category sells more by its own factor, it is 0.24 beyond chance
SILENCE = 1e-4  # chance that a category sells nothing for so long, below which it is an alert
TOLD = 7  # days for which a silence is an alert


@dataclass(frozen=True)
class Found:
    """One measurement of one day."""

    date: date
    metric: str
    subject: str
    value: float
    threshold: float
    alert: bool
    detail: str


def price_index(lines: "pl.DataFrame", days: list[date]) -> "pl.DataFrame":
    """Like-for-like prices: per day, how far the lines' prices are outside what the same products cost in the PAST days.

    `lines` has date, product_id and price (paid per unit, before discount). Columns date, shift and lines.

    `shift` is the log ratio of the price to the product's highest daily price where it is above that, to its lowest where it is
    below, else 0: of the line at DEARER where that rose, else of the median line. The mean price of a mix moves with what is
    bought; a product against itself does not. After a promotion the old price is no rise.
    """
    import polars as pl

    daily = (
        lines.filter(pl.col("price") > 0).group_by("product_id", "date").agg(pl.col("price").cast(pl.Float64).median(), pl.len())
    )
    rows = []
    for day in days:
        past = daily.filter(pl.col("date").is_between(day - timedelta(days=PAST), day - timedelta(days=1)))
        usual = past.group_by("product_id").agg(pl.col("price").min().alias("low"), pl.col("price").max().alias("high"))
        both = daily.filter(pl.col("date") == day).join(usual, on="product_id")
        price, low, high = (both[name].to_numpy() for name in ("price", "low", "high"))
        outside = np.where(price > high, np.log(price / high), np.where(price < low, np.log(price / low), 0.0))
        every = np.repeat(outside, both["len"].to_numpy())
        dearer, middle = np.quantile(every, (DEARER, 0.5)) if len(every) else (0.0, 0.0)
        rows.append((day, float(dearer if dearer > 0 else middle), len(every)))
    return pl.DataFrame(rows, schema={"date": pl.Date, "shift": pl.Float64, "lines": pl.Int64}, orient="row")


def prices(lines: "pl.DataFrame", days: list[date]) -> list[Found]:
    """Whether much of what was bought costs more, or most of it much less, than it ever did lately."""
    found = []
    for day, shift, count in price_index(lines, days).iter_rows():
        limit = RISE if shift >= 0 else FALL
        percent = 100 * (np.exp(shift) - 1)
        detail = f"prices are {percent:+.1f} % outside what the same products cost in the {PAST} days before ({count} lines)"
        found.append(Found(day, "price_shift", "all", shift, limit, count >= LEAST_LINES and abs(shift) >= abs(limit), detail))
    return found


def mix(sales: "pl.DataFrame", days: list[date]) -> list[Found]:
    """Whether the day's orders are spread over the categories as in the PAST_MIX days before (chi-square test of shares)."""
    import polars as pl

    from ml.monitoring import drift

    found = []
    for day in days:
        before = pl.col("date").is_between(day - timedelta(days=PAST_MIX), day - timedelta(days=1))
        past = sales.filter(before).group_by("category").agg(pl.col("orders").sum().alias("usual"))
        own = sales.filter(pl.col("date") == day).group_by("category").agg(pl.col("orders").sum())
        both = past.join(own, on="category", how="left").with_columns(pl.col("orders").fill_null(0)).sort("category")
        usual, orders = (both[name].to_numpy().astype(float) for name in ("usual", "orders"))
        chance, apart = drift.unlikely(orders, usual) if usual.sum() else (1.0, 0.0)
        rare = f"once in {1 / max(chance, 1e-12):,.0f} days"
        detail = f"{orders.sum():,.0f} orders are spread over the categories as chance would do it {rare} (w {apart:.2f})"
        found.append(Found(day, "category_test", "all", chance, UNLIKELY, chance < UNLIKELY and apart >= APART, detail))
    return found


def silence(sales: "pl.DataFrame", days: list[date]) -> list[Found]:
    """Whether a category has stopped: the chance of so many days without a single order, under a Poisson law.

    `sales` has date, category, orders. The rate is from before the silence, the lowest of the means of a week, of six weeks, of
    a year and of the weekday on which it began: a quiet season has no alarm. A silence is told for a week: then it is known.
    """
    import polars as pl

    found = []
    for category in sales["category"].unique().sort().to_list():
        sold = sales.filter((pl.col("category") == category) & (pl.col("orders") > 0))
        own: dict[date, int] = dict(sold.select("date", "orders").iter_rows())
        for day in days:
            last = max((known for known in own if known <= day), default=None)
            if last is None or (last - min(own)).days < PAST:
                continue  # a category that has just begun is not known yet
            silent, rate = (day - last).days, _rate(own, last)
            chance = float(np.exp(-rate * silent))
            told = chance < SILENCE <= np.exp(-rate * (silent - TOLD))
            detail = f"{category}: {own.get(day, 0)} orders, about {rate:.2g} a day were usual"
            detail += f"; it has sold nothing for {silent} days" if chance < SILENCE else ""
            found.append(Found(day, "missing_sales", category, chance, SILENCE, told, detail))
    return found


def _rate(own: Mapping[date, int], last: date) -> float:
    """Orders a day up to the last day with any."""
    before = np.array([own.get(last - timedelta(days=back), 0) for back in range(364)])
    spans = [before[:7], before[:PAST], before[6:PAST:7], before[: min(364, (last - min(own)).days + 1)]]
    return float(min(span.mean() for span in spans))
