"""Sales of the next twelve months: each category's level, times the calendar, times its growth. No Spark, no training."""

from dataclasses import dataclass

import numpy as np

from ml.forecast.backtest import mean, series, with_total
from ml.forecast.intervals import Intervals
from ml.forecast.panel import Floats, Panel
from ml.forecast.pool import RARE
from ml.forecast.season import season

AHEAD = 12
WIDTH = 80
_LEVEL_DAYS, _RARE_DAYS = 91, 364
_GROWTH = (-0.3, 0.5)  # in logs a year: what a shop did for a year at most goes on that fast
_LEAST_BEHIND = 420  # days behind an origin of the backtest, so that a year ago has been seen
_MOST_ORIGINS = 12


@dataclass(frozen=True)
class Errors:
    """How the months' forecasts did at the ends of past months. `values` for MLflow, in shares; `spread` of 80 % intervals."""

    values: dict[str, float]
    spread: Intervals | None


def bounds(panel: Panel) -> list[tuple[int, int]]:
    """First day and the day after the last (indices) of each of the months to come, the one that goes on first."""
    first, made = panel.days - panel.day(panel.days).day + 1, []
    for _ in range(AHEAD):
        end = first + 28
        while panel.day(end).day != 1:
            end += 1
        made.append((first, end))
        first = end
    return made


def sold(panel: Panel) -> Floats:
    """What the month that goes on has sold already, shape (categories,); zero where it has not begun."""
    return np.asarray(panel.values["net"][:, max(bounds(panel)[0][0], 0) :].sum(axis=1))


def forecast(panel: Panel) -> Floats:
    """Net sales of the days to come of each month, shape (categories, AHEAD): what is sold already is not in it."""
    net, days, months = panel.values["net"], panel.days, bounds(panel)
    ahead = months[-1][1] - days
    found = season(panel, ahead)
    daily = np.zeros((len(net), ahead))
    for i, start in enumerate(panel.starts):
        known = net[i, start:]
        if not len(known):
            continue
        if np.mean(known[-91:] > 0) < RARE:
            daily[i] = known[-_RARE_DAYS:].mean()
            continue
        window = min(_LEVEL_DAYS, len(known))
        level = np.mean(known[-window:] / found.factors[i, days - window : days])
        years = (np.arange(ahead) + window / 2) / 365.25
        daily[i] = level * found.factors[i, days:] * np.exp(np.clip(found.growth[i], *_GROWTH) * years)
    return np.column_stack([daily[:, max(first - days, 0) : end - days].sum(axis=1) for first, end in months])


def tested(panel: Panel) -> Errors:
    """The same question asked at the ends of past months, held against the months that came true and against the year before."""
    ends = [day for day in range(_LEAST_BEHIND - 1, panel.days - 28) if panel.day(day + 1).day == 1][-_MOST_ORIGINS:]
    truths, expected, plain = [], [], []
    for end in ends:
        known = panel.upto(end)
        net, made = panel.values["net"], forecast(known)
        for place, (first, after) in enumerate(bounds(known)):
            if after > panel.days:
                break
            truths.append(net[:, first:after].sum(axis=1))
            expected.append(made[:, place])
            plain.append(net[:, first - 365 : after - 365].sum(axis=1))
    if not truths:
        return Errors({}, None)
    true, said, year_ago = (with_total(np.array(of).T) for of in (truths, expected, plain))
    total = true[0].sum()
    values = {
        "monthly/wape": float(np.abs(said - true)[0].sum() / total),
        "monthly/bias": float((said - true)[0].sum() / total),
        "monthly/naive_wape": float(np.abs(year_ago - true)[0].sum() / total),
    }
    shares, held = {}, []
    for i, name in enumerate(series(panel)):
        errors = np.sort((true[i] - said[i])[said[i] > 0] / said[i][said[i] > 0])
        if len(errors):
            low, high = np.quantile(errors, [(100 - WIDTH) / 200, (100 + WIDTH) / 200])
            shares[name] = (float(low), float(high))
            held.append(float(np.mean((errors >= min(low, 0)) & (errors <= max(high, 0)))))
    return Errors(values | {f"monthly/fitted_coverage_{WIDTH}": mean(held)}, Intervals({WIDTH: shares}))
