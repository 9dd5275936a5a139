"""Features of one (category, origin, day to come): everything known at the end of the origin day, and nothing later.

Direct forecasting: the horizon is a feature, so one model serves every day ahead. Ratios are in logs, relative to `level`
(mean daily revenue of the last 28 days at the origin), so that categories of any size train together.
"""

from datetime import date, timedelta
from functools import lru_cache

import numpy as np

from ml.panel import MEASURES, Floats, Ints, Panel

YEAR = 364  # days: 52 whole weeks, so that the weekday agrees
LEAST_KNOWN = 14  # days of a series behind an origin that is trained on
MOST_ROWS = 10_000  # of training rows, 60 origins of 6 categories: with 40,000 MASE moved by 0.002 and a fit took 3 times as long
_FOURIER = 4

WEEKDAY, CATEGORY = "weekday", "category"  # one-hot encoded in the pipeline
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
    "trend",
    "month_start",
    "month_end",
    "before_black_friday",
    "black_friday",
    "before_christmas",
    "after_christmas",
    "new_year",
    *(f"{wave}_{k}" for k in range(1, _FOURIER + 1) for wave in ("sin", "cos")),
)
IDENTITY = ("measure", "origin", "day", "series")  # integers that say which row it is; measure is a position in MEASURES

Columns = dict[str, Floats | Ints]


def rows(panel: Panel, origins: Ints, horizon: int, measures: tuple[str, ...] = tuple(MEASURES)) -> Columns:
    """Feature rows of each measure and category at each origin for the next `horizon` days.

    Beside the features and IDENTITY: `level` in money and `truth` in money, NaN for days that the panel does not have.
    """
    parts: list[Columns] = []
    for measure, name in enumerate(MEASURES):
        if name not in measures:
            continue
        for series in range(len(panel.categories)):
            start = int(panel.starts[series])
            known = origins[origins >= start]
            origin = np.repeat(known, horizon)
            day = origin + np.tile(np.arange(1, horizon + 1), len(known))
            part = _of_series(panel.values[name][series], start, origin, day)
            count = len(origin)
            place = {"measure": np.full(count, measure), "series": np.full(count, series), "origin": origin, "day": day}
            parts.append(part | place)
    table = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    ahead: Floats = (table["day"] - table["origin"]).astype(float)
    return table | calendar(panel.first, table["day"].astype(np.int64)) | {"horizon": ahead}


def training_origins(panel: Panel, horizon: int) -> Ints:
    """Origins to train on, evenly spread and ending at the last day that has a next one, at most MOST_ROWS rows in all."""
    budget = max(1, MOST_ROWS // (len(panel.categories) * horizon))
    known = panel.days - LEAST_KNOWN
    stride = max(1, -(-known // budget))
    stride += stride % 7 == 0  # else every origin would fall on one weekday
    return np.arange(panel.days - 2, LEAST_KNOWN - 2, -stride, dtype=np.int64)[::-1]


def _of_series(values: Floats, start: int, origin: Ints, day: Ints) -> Columns:
    total = np.concatenate([[0.0], np.cumsum(values)])

    def mean(first: Ints, last: Ints) -> Floats:
        """Mean of days first..last, both included, cut to what the series has up to the origin; NaN when nothing is left."""
        low, high = np.maximum(first, start).clip(max=len(values)), (np.minimum(last, origin) + 1).clip(min=0)
        return np.where(high > low, (total[high] - total[low]) / np.maximum(high - low, 1), np.nan)

    def same_weekday(weeks: int) -> Floats:
        newest = day - 7 * -(-(day - origin) // 7)  # the last day up to the origin that has the target's weekday
        past = newest[:, None] - 7 * np.arange(weeks)
        usable = past >= start
        kept = np.where(usable, values[past.clip(0)], 0.0).sum(axis=1)
        return np.where(usable.any(axis=1), kept / np.maximum(usable.sum(axis=1), 1), np.nan)

    level = mean(origin - 27, origin)
    year_level = mean(origin - YEAR - 27, origin - YEAR)
    two_years_level = mean(origin - 2 * YEAR - 27, origin - 2 * YEAR)
    year_week = mean(day - YEAR - 3, day - YEAR + 3)
    known = np.where((origin < len(values)) & (day < len(values)), values[day.clip(0, len(values) - 1)], np.nan)
    return {
        "level": level,
        "truth": known,
        "recent": log_ratio(mean(origin - 6, origin), level),
        "slope": log_ratio(level, mean(origin - 55, origin - 28)),
        "slow": log_ratio(level, mean(origin - 90, origin)),
        "same_weekday": log_ratio(same_weekday(4), level),
        "same_weekday_long": log_ratio(same_weekday(10), mean(origin - 69, origin)),
        "year_ago": log_ratio(year_week, year_level),
        "year_ago_day": log_ratio(mean(day - YEAR, day - YEAR), year_week),
        "two_years_ago": log_ratio(mean(day - 2 * YEAR - 3, day - 2 * YEAR + 3), two_years_level),
        "growth": log_ratio(level, year_level),
        "has_year": (origin - YEAR - 27 >= start).astype(float),
        "has_two_years": (origin - 2 * YEAR - 27 >= start).astype(float),
    }


def log_ratio(above: Floats, below: Floats) -> Floats:
    """log(above / below), held within a factor of 8 either way; 0, that is "as usual", where either is unknown."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: Floats = np.log(np.maximum(above, 0) / below).clip(-np.log(8), np.log(8))
    return np.nan_to_num(ratio, nan=0.0)


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
