"""How good probabilities are: loss, ranking, calibration, and what a campaign to the best tenth would find."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BINS = 10


def log_loss(truth: Floats, probability: Floats) -> float:
    """Mean negative log-likelihood, in nats."""
    held = np.clip(probability, 1e-12, 1 - 1e-12)
    return float(-np.mean(truth * np.log(held) + (1 - truth) * np.log(1 - held)))


def auc(truth: Floats, probability: Floats) -> float:
    """The chance that a buyer is ranked above a non-buyer (Mann-Whitney); ties count half. NaN where all are of one kind."""
    from scipy import stats

    buyers = truth > 0
    count, others = int(buyers.sum()), int((~buyers).sum())
    if not count or not others:
        return float("nan")
    ranks = stats.rankdata(probability)
    return float((ranks[buyers].sum() - count * (count + 1) / 2) / (count * others))


def lift(truth: Floats, probability: Floats, share: float = 0.1) -> float:
    """How many times as many buyers are among the best `share` as among all."""
    best = np.argsort(-probability, kind="stable")[: max(1, round(len(truth) * share))]
    return float(truth[best].mean() / truth.mean()) if truth.any() else float("nan")


def reliability(truth: Floats, probability: Floats) -> list[tuple[float, float, int]]:
    """(mean probability, share that bought, customers) of each tenth by probability, lowest first."""
    order = np.argsort(probability, kind="stable")
    return [
        (float(probability[part].mean()), float(truth[part].mean()), len(part))
        for part in np.array_split(order, BINS)
        if len(part)
    ]


def calibration_error(truth: Floats, probability: Floats) -> float:
    """Expected calibration error over tenths: the mean distance between what was said and what came, weighted by customers."""
    parts = reliability(truth, probability)
    return sum(abs(said - came) * count for said, came, count in parts) / sum(count for *_, count in parts)


def all_of(truth: Floats, probability: Floats) -> dict[str, float]:
    """Every figure, by name."""
    return {
        "log_loss": log_loss(truth, probability),
        "brier": float(np.mean((probability - truth) ** 2)),
        "auc": auc(truth, probability),
        "lift_10": lift(truth, probability),
        "calibration_error": calibration_error(truth, probability),
        "bias": float(probability.sum() / max(truth.sum(), 1) - 1),
    }
