"""Prediction intervals: how far the truth lay from the forecasts of the backtest (split conformal prediction).

Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005. Errors count as shares of the forecast, so that an
interval is wide before Christmas and narrow in February.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ml.forecast.backtest import Origins, mean, series, steady, truth, with_total
from ml.forecast.metrics import coverage
from ml.forecast.panel import TOTAL, Floats, Panel

WIDTHS = (80, 95)  # per cent of days that an interval promises to hold


@dataclass(frozen=True)
class Intervals:
    """The (low, high) errors as shares of the forecast; by width and series."""

    shares: Mapping[int, Mapping[str, tuple[float, float]]]

    def around(self, name: str, forecast: Floats, width: int) -> tuple[Floats, Floats]:
        """Bounds of an interval, never below zero, never on the wrong side of the forecast."""
        known = self.shares[width]
        low, high = known.get(name, known.get(TOTAL, (0.0, 0.0)))  # a category that no cut had yet is as unsure as the total
        return np.clip(forecast * (1 + min(low, 0.0)), 0, None), forecast * (1 + max(high, 0.0))

    def to_json(self) -> dict[str, dict[str, list[float]]]:
        return {str(width): {name: list(share) for name, share in of.items()} for width, of in self.shares.items()}

    @staticmethod
    def from_json(said: Mapping[str, Mapping[str, list[float]]]) -> "Intervals":
        return Intervals({int(width): {name: (low, high) for name, (low, high) in of.items()} for width, of in said.items()})


def calibrated(panel: Panel, days: tuple[int, ...], forecast: Floats) -> Intervals:
    """Intervals from what forecasts of the categories at past days, shape (days, categories, horizon), missed by."""
    expected = with_total(forecast)
    missed = with_total(truth(panel, days, forecast.shape[-1])) - expected
    shares: dict[int, dict[str, tuple[float, float]]] = {width: {} for width in WIDTHS}
    for i, name in enumerate(series(panel)):
        told = expected[:, i] > 0
        if told.any():
            errors = np.sort(missed[:, i][told] / expected[:, i][told])
            for width in WIDTHS:
                shares[width][name] = _tails(errors, width)
    return Intervals(shares)


def _tails(ordered: Floats, width: int) -> tuple[float, float]:
    # One more than the sample, so that n residuals promise the width for the next one.
    outside = (1 - width / 100) / 2
    down = int(np.floor((len(ordered) + 1) * outside)) - 1
    up = int(np.ceil((len(ordered) + 1) * (1 - outside))) - 1
    return float(ordered[max(down, 0)]), float(ordered[min(up, len(ordered) - 1)])


def honest(panel: Panel, asked: Origins, forecast: Floats) -> dict[str, float]:
    """Share of the days after each cut inside intervals made only from origins that share no day with it.

    Keys: `coverage_80`, `coverage_95` over the steady series, and each per series as `coverage_80/All` … NaN with a single cut.
    """
    horizon, made = forecast.shape[-1], dict[str, list[float]]()
    known, expected = with_total(truth(panel, asked.days, horizon)), with_total(forecast)
    often = steady(panel)
    for place, day in enumerate(asked.days):
        apart = [k for k, other in enumerate(asked.days) if abs(other - day) >= horizon and asked.fitted[k] != day]
        if day != asked.fitted[place] or not apart:
            continue
        spread = calibrated(panel, tuple(asked.days[k] for k in apart), forecast[apart])
        for i, name in enumerate(series(panel)):
            for width in WIDTHS:
                held = coverage(known[place, i], *spread.around(name, expected[place, i], width))
                made.setdefault(f"coverage_{width}/{name}", []).append(held)
                if often[i]:
                    made.setdefault(f"coverage_{width}", []).append(held)
    return {name: mean(held) for name, held in sorted(made.items())} or {f"coverage_{w}": float("nan") for w in WIDTHS}
