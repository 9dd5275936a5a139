"""Features of one (category, origin, day to come): everything known at the end of the origin day, and nothing later.

Direct forecasting: the horizon is a feature, so one model serves every day ahead. Ratios are in logs, relative to `level`
(mean daily revenue of the last 28 days at the origin), so that categories of any size train together. What depends on the
origin alone is read from gold.feature_sales_daily.
"""

from datetime import date, timedelta
from functools import lru_cache

import numpy as np

from ml.forecast.panel import Floats, Ints, Panel

YEAR = 364  # days: 52 whole weeks, so that the weekday agrees
LEAST_KNOWN = 14  # days of a series behind an origin that is trained on
MOST_ROWS = 10_000  # of training rows, 60 origins of 6 categories: with 40,000 MASE moved by 0.002 and a fit took 3 times as long
_FOURIER = 4

WEEKDAY, CATEGORY = "weekday", "category"  # one-hot encoded
WAVES = tuple(f"{wave}_{k}" for k in range(1, _FOURIER + 1) for wave in ("sin", "cos"))
EVENTS = ("month_start", "month_end", "before_black_friday", "black_friday", "before_christmas", "after_christmas", "new_year")
NUMERIC = (
    "horizon",
    "recent",
    "slope",
    "slow",
    "same_weekday",
    "same_weekday_long",
    "year_ago",
    "year_ago_day",
    "two_years_ago",
    "growth",
    "has_year",
    "has_two_years",
    "price_7",
    "price_28",
    "promotion_7",
    "promotion_28",
    "promotion_year_ago",
    "trend",
    *EVENTS,
    *WAVES,
)
IDENTITY = ("origin", "day", "series")  # integers that say which row it is

Columns = dict[str, Floats | Ints]


def rows(panel: Panel, origins: Ints, horizon: int) -> Columns:
    """Feature rows of each category at each origin for the next `horizon` days.

    Beside the features and IDENTITY: `level` in money and `truth` (net) in money, NaN for days that the panel does not have.
    """
    parts: list[Columns] = []
    for series in range(len(panel.categories)):
        known = origins[origins >= panel.starts[series]]
        origin = np.repeat(known, horizon)
        day = origin + np.tile(np.arange(1, horizon + 1), len(known))
        part = _of_series(panel, series, origin, day)
        parts.append(part | {"series": np.full(len(origin), series), "origin": origin, "day": day})
    table = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    ahead: Floats = (table["day"] - table["origin"]).astype(float)
    return table | calendar(panel.first, table["day"].astype(np.int64)) | {"horizon": ahead}


def matrix(table: Columns, numeric: tuple[str, ...], panel: Panel, categories: tuple[str, ...]) -> Floats:
    """Feature vectors as the Spark pipeline assembles them: the numbers, the weekdays, the `categories` that it was fitted on.

    A category that is none of them has zeros.
    """
    place = {name: i for i, name in enumerate(categories)}
    of = np.array([place.get(name, len(categories)) for name in panel.categories])
    weekdays = np.eye(7)[table[WEEKDAY].astype(np.int64)]
    named = np.eye(len(categories) + 1)[of[table["series"].astype(np.int64)], : len(categories)]
    return np.column_stack([*(table[name] for name in numeric), weekdays, named])


def training_origins(panel: Panel, horizon: int) -> Ints:
    """Origins to train on, evenly spread and ending at the last day that has a next one, at most MOST_ROWS rows in all."""
    budget = max(1, MOST_ROWS // (len(panel.categories) * horizon))
    known = panel.days - LEAST_KNOWN
    stride = max(1, -(-known // budget))
    stride += stride % 7 == 0  # else every origin would fall on one weekday
    return np.arange(panel.days - 2, LEAST_KNOWN - 2, -stride, dtype=np.int64)[::-1]


def _of_series(panel: Panel, series: int, origin: Ints, day: Ints) -> Columns:
    values, start = panel.values["net"][series], int(panel.starts[series])

    def known(name: str) -> Floats:
        return np.asarray(panel.known[name][series][origin])

    def sums(of: Floats, first: Ints, last: Ints) -> tuple[Floats, Ints]:
        """Sum over days first..last, both included, cut to what the series has up to the origin, and how many days that is."""
        total = np.concatenate([[0.0], np.cumsum(of)])
        low, high = np.maximum(first, start).clip(max=len(of)), (np.minimum(last, origin) + 1).clip(min=0)
        return np.where(high > low, total[np.maximum(high, low)] - total[low], 0.0), np.maximum(high - low, 0)

    def mean(first: Ints, last: Ints) -> Floats:
        total, count = sums(values, first, last)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    def same_weekday(weeks: int) -> Floats:
        newest = day - 7 * -(-(day - origin) // 7)  # the last day up to the origin that has the target's weekday
        past = newest[:, None] - 7 * np.arange(weeks)
        usable = past >= start
        kept = np.where(usable, values[past.clip(0)], 0.0).sum(axis=1)
        return np.where(usable.any(axis=1), kept / np.maximum(usable.sum(axis=1), 1), np.nan)

    def promotion(first: Ints, last: Ints) -> Floats:
        off, of = (sums(panel.values[name][series], first, last)[0] for name in ("discount", "gross"))
        return np.asarray(np.divide(off, of, out=np.full(len(of), np.nan), where=of > 0))

    level, usual_off = known("level_28"), known("discount_share_91")
    year_level, two_years_level = known("year_ago_level"), known("two_years_ago_level")
    year_week = mean(day - YEAR - 3, day - YEAR + 3)
    truth = np.where((origin < len(values)) & (day < len(values)), values[day.clip(0, len(values) - 1)], np.nan)
    return {
        "level": level,
        "truth": truth,
        "recent": log_ratio(known("mean_7"), level),
        "slope": log_ratio(level, mean(origin - 55, origin - 28)),
        "slow": log_ratio(level, known("mean_91")),
        "same_weekday": log_ratio(same_weekday(4), level),
        "same_weekday_long": log_ratio(same_weekday(10), mean(origin - 69, origin)),
        "year_ago": log_ratio(year_week, year_level),
        "year_ago_day": log_ratio(mean(day - YEAR, day - YEAR), year_week),
        "two_years_ago": log_ratio(mean(day - 2 * YEAR - 3, day - 2 * YEAR + 3), two_years_level),
        "growth": log_ratio(level, year_level),
        "has_year": (origin - YEAR - 27 >= start).astype(float),
        "has_two_years": (origin - 2 * YEAR - 27 >= start).astype(float),
        "price_7": log_ratio(known("price_7"), known("price_91")),
        "price_28": log_ratio(known("price_28"), known("price_91")),
        "promotion_7": _difference(known("discount_share_7"), usual_off),
        "promotion_28": _difference(known("discount_share_28"), usual_off),
        # How far the days around the target's were discounted last year, against that quarter: nobody knows next month's offers.
        "promotion_year_ago": _difference(
            promotion(day - YEAR - 3, day - YEAR + 3), promotion(origin - YEAR - 90, origin - YEAR)
        ),
    }


def log_ratio(above: Floats, below: Floats) -> Floats:
    """log(above / below), held within a factor of 8 either way; 0, that is "as usual", where either is unknown."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: Floats = np.log(np.maximum(above, 0) / below).clip(-np.log(8), np.log(8))
    return np.nan_to_num(ratio, nan=0.0)


def _difference(share: Floats, usual: Floats) -> Floats:
    return np.nan_to_num(share - usual, nan=0.0).clip(-0.5, 0.5)


def calendar(first: date, day: Ints) -> Columns:
    """What the date alone tells, for each day's index."""
    days, back = np.unique(day, return_inverse=True)
    known = [_of_date(first + timedelta(days=int(d))) for d in days]
    table: Columns = {name: np.array([k[name] for k in known], dtype=float)[back] for name in known[0]} if known else {}
    return table | {WEEKDAY: table[WEEKDAY].astype(np.int64), "trend": day / 365.25}


@lru_cache(maxsize=20_000)
def _of_date(day: date) -> dict[str, float]:
    friday = black_friday(day.year)
    to_friday, to_christmas = (friday - day).days, (date(day.year, 12, 25) - day).days
    phase = 2 * np.pi * day.timetuple().tm_yday / 365.25
    waves = {f"{wave}_{k}": float(f(k * phase)) for k in range(1, _FOURIER + 1) for wave, f in (("sin", np.sin), ("cos", np.cos))}
    return waves | {
        WEEKDAY: day.weekday(),
        "month_start": float(day.day <= 3),
        "month_end": float((day + timedelta(days=3)).month != day.month),
        "before_black_friday": float(0 < to_friday <= 7),
        "black_friday": float(-3 <= to_friday <= 0),
        "before_christmas": max(0.0, 1 - to_christmas / 28) if to_christmas > 0 else 0.0,
        "after_christmas": float(-6 <= to_christmas <= -1),
        "new_year": float((day.month, day.day) <= (1, 3)),
    }


def black_friday(year: int) -> date:
    """The day after the fourth Thursday of November."""
    november = date(year, 11, 1)
    return november + timedelta(days=(3 - november.weekday()) % 7 + 22)
