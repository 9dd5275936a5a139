"""How far today's values are from a profile's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ml.monitoring import profile

if TYPE_CHECKING:
    import polars as pl

WARN, ALERT = 0.1, 0.25  # of the PSI, as banks use it (Siddiqi, Credit Risk Scorecards, 2006)
# Chance of a PSI that is an alert although nothing has drifted: few rows differ from each other by more than banks would allow.
CHANCE = 1e-5
MARGIN = 2.0  # times the PSI that was usual
_FLOOR = 1e-4  # of a share: an empty bin would make the logarithm infinite


@dataclass(frozen=True)
class Measured:
    """The PSI of a column, and from where on it is an alert."""

    psi: float
    limit: float


def psi(expected: NDArray[np.float64], actual: NDArray[np.float64]) -> float:
    """Population stability index: the sum over bins of (actual - expected) ln(actual / expected), at least 0."""
    one, other = np.maximum(expected, _FLOOR), np.maximum(actual, _FLOOR)
    return float(((other - one) * np.log(other / one)).sum())


def limit(bins: int, known: float, asked: float) -> float:
    """The PSI that is an alert: ALERT, or with few rows what chance alone reaches once in 1 / CHANCE times.

    Without drift, PSI is (1 / known + 1 / asked) times chi-square with `bins` - 1 degrees of freedom, where these are the rows
    of both samples (Yurdakul, Statistical Properties of Population Stability Index, 2018).
    """
    from scipy import stats

    if bins < 2 or not known or not asked:
        return ALERT
    return max(ALERT, float(stats.chi2.isf(CHANCE, bins - 1)) * (1 / known + 1 / asked))


def of(known: Mapping[str, Any], frame: "pl.DataFrame") -> dict[str, Measured]:
    """Each column that a profile knows. An empty bin counts as half a row: none in 20 is no proof that there are none.

    Where the profile says how far its own windows were from all of it, that takes the place of chance (ml/monitoring/weeks.py).
    """
    found = {}
    for name, said in known.items():
        if name in frame.columns and frame.height:
            expected, actual = np.array(said["shares"]), profile.shares(said, frame[name])
            bins, rows = int(np.count_nonzero(np.maximum(expected, actual))), max(said["rows"], 1)
            value = psi(np.maximum(expected, 0.5 / rows), np.maximum(actual, 0.5 / frame.height))
            usual = max(ALERT, MARGIN * said["usual"]) if "usual" in said else limit(bins, rows, frame.height)
            found[name] = Measured(value if bins > 1 else 0.0, usual)
    return found


def unlikely(counts: NDArray[np.float64], shares: NDArray[np.float64]) -> tuple[float, float]:
    """p-value that counts per category come from these shares, and how far they are from them (w: Cohen 1988, 0.3 is medium).

    Pearson's chi-square, rare categories taken together. In a large shop every little difference is unlikely to be chance.
    """
    from scipy import stats

    total = float(counts.sum())
    expected = shares / shares.sum() * total
    usual = expected >= 1
    if not total or usual.sum() < 2:
        return 1.0, 0.0
    found = np.append(counts[usual], counts[~usual].sum())
    due = np.append(expected[usual], expected[~usual].sum())
    if due[-1] < 1:
        found, due = found[:-1], due[:-1] * found[:-1].sum() / due[:-1].sum()
    tested = stats.chisquare(found, due)
    return float(tested.pvalue), float(np.sqrt(tested.statistic / found.sum()))
