"""The calendar's part of sales: weekdays, the year's course and its holidays, as a factor for each category and day.

One ridge regression of log sales over all categories. Weekdays and waves have a part that all share and one of each
category's own, shrunk more; each category has its own level and growth.
"""

from dataclasses import dataclass

import numpy as np

from ml.forecast.features import EVENTS, WAVES, WEEKDAY, calendar
from ml.forecast.panel import Floats, Panel

LEAST_DAYS = 180  # of a category with a sale, to take part
_LEAST_YEARLY = 540  # days of history from which the year's course can be told from growth
_SHARED, _OWN = 1.0, 20.0  # ridge penalties: between 0.1 and 10, and 5 and 100, MASE moved by 0.002


@dataclass(frozen=True)
class Season:
    """`factors` has shape (categories, days + ahead), near 1 on average; `growth` is in logs a year, by category."""

    factors: Floats
    growth: Floats


def season(panel: Panel, ahead: int) -> Season:
    """The factors of all days of the panel and of `ahead` days after it; 1 throughout where there is too little to learn from."""
    sold, days, count = panel.values["net"], panel.days, len(panel.categories)
    learned = [i for i in range(count) if (sold[i] > 0).sum() >= LEAST_DAYS]
    if not learned:
        return Season(np.ones((count, days + ahead)), np.zeros(count))
    dates = calendar(panel.first, np.arange(days + ahead))
    weekdays = np.eye(7)[dates[WEEKDAY].astype(np.int64)] - 1 / 7
    yearly = days >= _LEAST_YEARLY
    waves = np.column_stack([dates[name] for name in WAVES]) * yearly
    events = np.column_stack([dates[name] for name in EVENTS]) * yearly
    shared = np.hstack([weekdays, waves, events])
    own = np.hstack([weekdays, waves])
    blocks, logs = [], []
    for place, i in enumerate(learned):
        day = np.flatnonzero(sold[i] > 0)
        block = np.zeros((len(day), len(learned), 2 + own.shape[1]))
        block[:, place, 0], block[:, place, 1], block[:, place, 2:] = 1, (day - days) / 365.25, own[day]
        blocks.append(np.hstack([shared[day], block.reshape(len(day), -1)]))
        logs.append(np.log(sold[i][day]))
    design, target = np.vstack(blocks), np.concatenate(logs)
    penalty = np.concatenate([np.full(shared.shape[1], _SHARED), np.tile([1e-3, 1e-3, *[_OWN] * own.shape[1]], len(learned))])
    fitted = np.linalg.solve(design.T @ design + np.diag(penalty), design.T @ target)
    each = fitted[shared.shape[1] :].reshape(len(learned), -1)
    common = shared @ fitted[: shared.shape[1]]
    logged, growth = np.tile(common, (count, 1)), np.zeros(count)
    logged[learned] += each[:, 2:] @ own.T
    growth[learned] = each[:, 1] if yearly else 0.0
    return Season(np.exp(logged), growth)
