"""Who becomes the champion: decided on the losses of one backtest, that all took part in."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.model import Tried

_CONFIDENCE = 0.90


@dataclass(frozen=True)
class Rival:
    """The present champion: its version, and the recipe it was fitted by."""

    version: int
    recipe: str


@dataclass(frozen=True)
class Verdict:
    """What to fit and under which alias. `champion` None: nobody has earned it, or the present one stays as it is."""

    champion: Tried | None
    challenger: Tried | None
    reason: str


def decide(metric: str, tried: tuple[Tried, ...], naive: Tried, rival: Rival | None) -> Verdict:
    """The first champion must beat the naive rule; a later one must beat the champion by more than the noise between folds.

    The champion's own recipe is fitted anew on what is known by now: that is the same model on more data, not a challenge. Folds
    in which its loss is no number say nothing of the others either: all are compared on the rest.
    """
    holder = next((one for one in tried if rival and one.recipe == rival.recipe), None)
    folds: Any = np.isfinite(holder.losses) if holder else slice(None)

    def loss(one: Tried) -> float:
        return float(one.losses[folds].mean())

    fit = [one for one in tried if len(one.losses[folds]) and np.isfinite(one.losses[folds]).all()]
    if not fit:
        return Verdict(None, tried[0] if tried else None, f"its {metric} cannot be told: the backtest has nothing that varies")
    best = min(fit, key=loss)
    told = f"{best.name}: {metric} {loss(best):.4g} in the backtest"
    if rival is None or holder is None:
        against = f"{naive.name} {loss(naive):.4g}"
        if loss(best) < loss(naive):
            return Verdict(best, None, f"{told} beats {against}")
        return Verdict(None, best, f"{told} does not beat {against}")
    if best is holder:
        return Verdict(holder, None, f"{told}; no other recipe does better than the champion's, fitted anew on all that is known")
    gain, noise = gap(best.losses[folds], holder.losses[folds])
    against = f"the recipe of champion version {rival.version} ({holder.name}) by {gain:.2g}, noise ±{noise:.2g}"
    if gain > noise:
        return Verdict(best, None, f"{told} beats {against}")
    return Verdict(holder, best, f"{told} does not beat {against}: that recipe stays, fitted anew on all that is known")


def gap(challenger: NDArray[np.float64], champion: NDArray[np.float64]) -> tuple[float, float]:
    """Mean of what the challenger loses less per fold, and half the width of its 90 % interval (paired t, n - 1 degrees).

    With a single fold nothing can be told: the noise is infinite.
    """
    from scipy import stats

    less = champion - challenger
    if len(less) < 2:
        return float(less.mean()), float("inf")
    quantile = float(stats.t.ppf((1 + _CONFIDENCE) / 2, len(less) - 1))
    return float(less.mean()), quantile * float(less.std(ddof=1)) / float(np.sqrt(len(less)))
