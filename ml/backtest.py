"""Rolling-origin backtest: the same question asked at several past days, answered with what was known then."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ml import metrics
from ml.panel import TOTAL, Floats, Panel

MOST_CUTS = 6
LEAST_TRAINED = 32  # days behind the earliest cut: 14 that an origin needs, and at least two weeks of origins
_WIDE_STEP = 56  # days between cuts when there is history for it: six of them see most of a year
_YEARLY = 392  # days that the yearly features need behind the earliest cut
TAILS = (0.1, 0.9)  # an 80 % interval


@dataclass(frozen=True)
class Scores:
    """Errors over all cuts. Keys: `mase`, `smape` (means over every series, the total included), `bias`, `rmse` (of the total,
    `rmse` in money), and each per series as `mase/Books`, `mase/All` …"""

    values: dict[str, float]

    @property
    def mase(self) -> float:
        return self.values["mase"]


def cuts(days: int, horizon: int) -> tuple[int, ...]:
    """Last known days (indices) of the backtest, oldest first; after each there is a whole horizon of truth."""
    last = days - 1 - horizon
    room = last - (LEAST_TRAINED - 1)
    if room < 0:
        raise ValueError(f"{days} days hold no cut with {LEAST_TRAINED} days before and {horizon} after it")
    wide = max(_WIDE_STEP, horizon)
    step = wide if room >= (MOST_CUTS - 1) * wide + _YEARLY - LEAST_TRAINED else horizon
    return tuple(last - step * k for k in reversed(range(min(MOST_CUTS, room // step + 1))))


def series(panel: Panel) -> tuple[str, ...]:
    """Names of what is forecast: the total, then each category."""
    return (TOTAL, *panel.categories)


def with_total(values: Floats) -> Floats:
    """(…, categories, days) -> (…, 1 + categories, days): the total is the sum, so that the forecasts always add up."""
    return np.concatenate([values.sum(axis=-2, keepdims=True), values], axis=-2)


def naive(panel: Panel, at: tuple[int, ...], horizon: int, measure: str = "net") -> Floats:
    """Seasonal naive forecasts of the categories at the cuts, shape (cuts, categories, horizon)."""
    return np.stack([metrics.seasonal_naive(panel.upto(cut).values[measure], horizon) for cut in at])


def truth(panel: Panel, at: tuple[int, ...], horizon: int, measure: str = "net") -> Floats:
    """What came true after each cut, shape (cuts, categories, horizon)."""
    return np.stack([panel.values[measure][:, cut + 1 : cut + 1 + horizon] for cut in at])


def score(panel: Panel, at: tuple[int, ...], forecast: Floats, measure: str = "net") -> Scores:
    """Errors of forecasts of the categories at the cuts, shape (cuts, categories, horizon)."""
    expected, known = with_total(forecast), with_total(truth(panel, at, forecast.shape[-1], measure))
    history = with_total(panel.values[measure])
    starts = [0, *panel.starts]
    values: dict[str, float] = {}
    for i, name in enumerate(series(panel)):
        begun = [c for c, cut in enumerate(at) if cut >= starts[i]]
        scales = [metrics.naive_scale(history[i, starts[i] : at[c] + 1]) for c in begun]
        each = {
            "mase": [metrics.mase(known[c, i], expected[c, i], scale) for c, scale in zip(begun, scales, strict=True)],
            "smape": [metrics.smape(known[c, i], expected[c, i]) for c in begun],
            "bias": [metrics.bias(known[begun, i], expected[begun, i])] if begun else [],
            "rmse": [metrics.rmse(known[begun, i], expected[begun, i])] if begun else [],
        }
        values |= {f"{metric}/{name}": _mean(of) for metric, of in each.items()}
    for metric in ("mase", "smape"):
        values[metric] = _mean([values[f"{metric}/{name}"] for name in series(panel)])
    for metric in ("bias", "rmse"):
        values[metric] = values[f"{metric}/{TOTAL}"]
    return Scores(dict(sorted(values.items())))


def _mean(values: list[float]) -> float:
    told = [value for value in values if np.isfinite(value)]
    return float(np.mean(told)) if told else float("nan")


@dataclass(frozen=True)
class Intervals:
    """How far the truth lay from the forecast, as (low, high) shares of the series' level at the origin; by series name."""

    shares: Mapping[str, tuple[float, float]]

    def around(self, name: str, forecast: Floats, level: float) -> tuple[Floats, Floats]:
        """Bounds of the 80 % interval, never below zero, never on the wrong side of the forecast."""
        low, high = self.shares.get(name, self.shares[TOTAL])  # a category that no cut had yet is as unsure as the total
        return np.clip(forecast + min(low, 0) * level, 0, None), forecast + max(high, 0) * level


def intervals(panel: Panel, at: tuple[int, ...], forecast: Floats, measure: str = "net") -> Intervals:
    """Conformal intervals: quantiles of what the backtest missed by."""
    missed = with_total(truth(panel, at, forecast.shape[-1], measure)) - with_total(forecast)
    levels = np.stack([level(panel.upto(cut), measure) for cut in at])
    shares = {}
    for i, name in enumerate(series(panel)):
        sold = levels[:, i] > 0
        if sold.any():
            shares[name] = _tails((missed[sold, i] / levels[sold, i, None]).ravel())
    return Intervals(shares)


def level(panel: Panel, measure: str = "net") -> Floats:
    """Mean daily revenue of the last 28 days of the total and each category, shape (1 + categories,)."""
    return with_total(panel.values[measure][:, -28:]).mean(axis=-1)  # type: ignore[no-any-return]


def _tails(errors: Floats) -> tuple[float, float]:
    # One more than the sample, so that n residuals promise 80 % of the next one (split conformal prediction).
    ordered = np.sort(errors)
    down = int(np.floor((len(ordered) + 1) * TAILS[0])) - 1
    up = int(np.ceil((len(ordered) + 1) * TAILS[1])) - 1
    return float(ordered[max(down, 0)]), float(ordered[min(up, len(ordered) - 1)])


def honest_coverage(panel: Panel, at: tuple[int, ...], forecast: Floats) -> float:
    """Share of days inside intervals made from the other cuts only; NaN with a single cut."""
    if len(at) < 2:
        return float("nan")
    hits = []
    known, expected = with_total(truth(panel, at, forecast.shape[-1])), with_total(forecast)
    for c, cut in enumerate(at):
        others = [k for k in range(len(at)) if k != c]
        made = intervals(panel, tuple(at[k] for k in others), forecast[others])
        levels = level(panel.upto(cut))
        for i, name in enumerate(series(panel)):
            low, high = made.around(name, expected[c, i], float(levels[i]))
            hits.append(metrics.coverage(known[c, i], low, high))
    return _mean(hits)
