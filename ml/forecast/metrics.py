"""How wrong a forecast was. Every function takes arrays of equal shape, days last; money in, money or a ratio out."""

import numpy as np

from ml.forecast.panel import Floats

SEASON = 7  # days: a shop's week


def seasonal_naive(history: Floats, horizon: int, season: int = SEASON) -> Floats:
    """The last known week again and again, shape (..., horizon): the forecast that every model must beat."""
    steps = np.arange(horizon) % season
    return history[..., history.shape[-1] - season + steps]


def naive_scale(history: Floats, season: int = SEASON) -> float:
    """Mean absolute error of the seasonal naive forecast inside the history: the unit of MASE. NaN where it cannot be told."""
    if history.shape[-1] <= season:
        return float("nan")
    scale = float(np.mean(np.abs(history[..., season:] - history[..., :-season])))
    return scale if scale > 0 else float("nan")


def mase(truth: Floats, forecast: Floats, scale: float) -> float:
    """Mean absolute error in units of `naive_scale` of what was known."""
    return float(np.mean(np.abs(truth - forecast)) / scale)


def smape(truth: Floats, forecast: Floats) -> float:
    """Symmetric mean absolute percentage error, 0 to 2; a day on which both are 0 counts as right."""
    size = np.abs(truth) + np.abs(forecast)
    return float(np.mean(np.divide(2 * np.abs(truth - forecast), size, out=np.zeros_like(size), where=size > 0)))


def bias(truth: Floats, forecast: Floats) -> float:
    """What the forecast was too high by, as a share of the truth's sum; negative when too low. NaN when nothing was sold."""
    total = float(np.sum(truth))
    return float(np.sum(forecast - truth)) / total if total else float("nan")


def rmse(truth: Floats, forecast: Floats) -> float:
    """Root mean squared error, in money."""
    return float(np.sqrt(np.mean((truth - forecast) ** 2)))


def coverage(truth: Floats, lower: Floats, upper: Floats) -> float:
    """Share of the days that fell inside the interval."""
    return float(np.mean((truth >= lower) & (truth <= upper)))
