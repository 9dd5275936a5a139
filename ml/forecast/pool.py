"""A pool of exponential smoothings from statsforecast, on sales without the calendar's part: no Spark, no training."""

from typing import Any

import numpy as np

from ml.forecast.panel import Floats, Panel
from ml.forecast.season import season

# Theta moved MASE by less than 0.002 and took a third of the time.
MEMBERS = ("SimpleExponentialSmoothing", "Holt")
RARE = 0.5  # share of the last 91 days with a sale, below which a category has no level to smooth
_SLOW = 0.05  # smoothing of a level that the calendar has been taken out of: halves in 14 days


def forecast(panel: Panel, horizon: int, members: tuple[str, ...] = MEMBERS) -> Floats:
    """Net sales of the days to come, shape (categories, horizon): the mean of the members, times the calendar.

    A category that seldom sells is forecast by Teunter, Syntetos and Babai's method (2011): a chance and a size.
    """
    from statsforecast import models

    made = np.zeros((len(panel.categories), horizon))
    found = season(panel, horizon).factors
    for i, start in enumerate(panel.starts):
        sold = panel.values["net"][i, start:]
        if not len(sold) or not sold.any():
            continue
        if np.mean(sold[-91:] > 0) < RARE:
            made[i] = models.TSB(_SLOW, _SLOW).forecast(y=sold, h=horizon)["mean"]
            continue
        past, ahead = found[i, start : panel.days], found[i, panel.days :]
        each = [_member(models, name, len(sold)).forecast(y=sold / past, h=horizon)["mean"] for name in members]
        made[i] = np.mean(each, axis=0) * ahead
    return np.maximum(made, 0)


def _member(models: Any, name: str, known: int) -> Any:
    if name == "SimpleExponentialSmoothing" or known < 2 * 14:
        return models.SimpleExponentialSmoothing(_SLOW)
    return getattr(models, name)()
