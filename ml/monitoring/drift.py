"""How far today's values are from a profile's."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ml.monitoring import profile

if TYPE_CHECKING:
    import polars as pl

WARN, ALERT = 0.1, 0.25  # of the PSI, as banks use it (Siddiqi, Credit Risk Scorecards, 2006)
_FLOOR = 1e-4  # of a share: an empty bin would make the logarithm infinite


def psi(expected: NDArray[np.float64], actual: NDArray[np.float64]) -> float:
    """Population stability index: the sum over bins of (actual - expected) ln(actual / expected), at least 0."""
    one, other = np.maximum(expected, _FLOOR), np.maximum(actual, _FLOOR)
    return float(((other - one) * np.log(other / one)).sum())


def of(known: Mapping[str, Any], frame: "pl.DataFrame") -> dict[str, float]:
    """PSI of each column that a profile knows."""
    return {
        name: psi(np.array(said["shares"]), profile.shares(said, frame[name]))
        for name, said in known.items()
        if name in frame.columns
    }


def unlikely(counts: NDArray[np.float64], shares: NDArray[np.float64]) -> float:
    """p-value that counts per category come from these shares: Pearson's chi-square, rare categories taken together."""
    from scipy import stats

    total = float(counts.sum())
    expected = shares / shares.sum() * total
    usual = expected >= 1
    if not total or usual.sum() < 2:
        return 1.0
    found = np.append(counts[usual], counts[~usual].sum())
    due = np.append(expected[usual], expected[~usual].sum())
    if due[-1] < 1:
        found, due = found[:-1], due[:-1] * found[:-1].sum() / due[:-1].sum()
    return float(stats.chisquare(found, due).pvalue)
