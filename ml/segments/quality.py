"""How good a clustering is: how far apart its groups are, and whether other customers would have led to the same one."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.segments.space import Floats

Labels = NDArray[np.int64]
_SAMPLE = 1500  # customers of a silhouette: it compares each with each


def adjusted_rand(one: Labels, other: Labels) -> float:
    """Agreement of two partitions of the same customers, 1 when equal, 0 as by chance (Hubert and Arabie 1985)."""
    table = np.zeros((one.max() + 1, other.max() + 1))
    np.add.at(table, (one, other), 1)

    def pairs(counts: Floats) -> float:
        return float((counts * (counts - 1) / 2).sum())

    together, rows, columns = pairs(table), pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    chance = rows * columns / pairs(np.array([float(len(one))]))
    most = (rows + columns) / 2
    return 1.0 if most == chance else (together - chance) / (most - chance)


def silhouette(places: Floats, labels: Labels, seed: int = 7) -> float:
    """Mean silhouette (Rousseeuw 1987) of a sample of customers, -1 to 1; 0 where there is one group only."""
    chosen = np.random.default_rng(seed).permutation(len(places))[:_SAMPLE]
    near, own = places[chosen], labels[chosen]
    groups = np.unique(own)
    if len(groups) < 2:
        return 0.0
    distance = np.sqrt(((near[:, None, :] - near[None]) ** 2).sum(axis=2))
    inside: Any = own[None, :] == groups[:, None]
    sizes = inside.sum(axis=1)
    means = distance @ inside.T / sizes  # of each customer to each group
    place = np.searchsorted(groups, own)
    every = np.arange(len(own))
    size = sizes[place]
    within = means[every, place] * size / np.maximum(size - 1, 1)
    means[every, place] = np.inf
    other = means.min(axis=1)
    score = np.where(size > 1, (other - within) / np.maximum(np.maximum(other, within), 1e-12), 0.0)
    return float(score.mean())
