"""The products: which exist when, what they cost month by month, and how likely each is to be chosen.

Product ids are 1..n. Prices are whole cents. A product is sold from its first month up to (not including) its end month.
"""

from dataclasses import dataclass

import numpy as np

from lake.sandbox.shop import names
from lake.sandbox.shop.demand import TYPES, Timeline
from lake.sandbox.shop.seeds import stream

COUNTS = (180, 220, 120, 520, 300, 260, 200)  # products of each type
BUNDLE = 8  # products that are often bought together
_MEDIAN_CENTS = np.array([52_000, 95_000, 68_000, 1_600, 2_800, 5_500, 7_000])
_SPREAD = np.array([0.45, 0.35, 0.5, 0.4, 0.55, 0.6, 0.6])
_NEVER = 10_000  # an end month beyond every timeline


@dataclass(frozen=True)
class Catalog:
    """Arrays by product, in id order; `cents` and `share` are [month, product]."""

    kind: np.ndarray  # position in TYPES
    brand: np.ndarray  # position in names.BRANDS[type]
    bundle: np.ndarray
    start: np.ndarray  # month
    end: np.ndarray  # month
    cents: np.ndarray  # list price
    cost: np.ndarray  # cents
    promoted: np.ndarray  # takes part in promotions
    popularity: np.ndarray

    def __len__(self) -> int:
        return len(self.kind)

    def sold_in(self, month: int) -> np.ndarray:
        """Popularity in that month; 0 where the product is not sold. A newcomer needs two months to become known."""
        known = np.where(self.start == 0, 1.0, np.clip((month - self.start + 1) / 2.0, 0.0, 1.0))
        return np.where((self.start <= month) & (month < self.end), self.popularity * known, 0.0)


def make(seed: int, timeline: Timeline) -> Catalog:
    """The catalog of a shop; the same for the same seed and months."""
    random = stream(seed, "catalog")
    kind = np.repeat(np.arange(len(TYPES)), COUNTS)
    count = len(kind)
    brands = np.array([len(names.BRANDS[name]) for name in TYPES])
    brand = (random.random(count) * brands[kind]).astype(np.int64)
    start = np.where(random.random(count) < 0.3, random.integers(1, timeline.months, count), 0)
    end = np.where(random.random(count) < 0.08, start + random.integers(6, 40, count), _NEVER)
    popularity = random.lognormal(0, 0.9, count)
    launched = (kind == TYPES.index("smart phone")) & (brand == names.BRANDS["smart phone"].index(names.LAUNCHED_BRAND))
    ended = (kind == TYPES.index("toy")) & (brand == names.BRANDS["toy"].index(names.ENDED_BRAND))
    start = np.where(launched, timeline.launch_month, np.where(ended, 0, start))
    end = np.where(launched, _NEVER, np.where(ended, timeline.end_month, end))
    popularity = np.where(launched, popularity * 2.5, popularity)
    cents = _prices(random, kind, timeline.months)
    cost = (cents[0] * random.uniform(0.5, 0.72, count)).astype(np.int64)
    promoted = random.random(count) < 0.6
    return Catalog(kind, brand, _bundles(kind), start, end, cents, cost, promoted, popularity)


def _prices(random: np.random.Generator, kind: np.ndarray, months: int) -> np.ndarray:
    """List prices, [month, product]: about one change a year, electronics slowly down, the rest slowly up, all ending in .99."""
    base = _MEDIAN_CENTS[kind] * np.exp(random.normal(0, _SPREAD[kind]))
    changes = random.random((months, len(kind))) < 0.08
    step = np.exp(random.normal(np.where(kind < 3, -0.025, 0.02), 0.06, (months, len(kind))))
    path = base * np.cumprod(np.where(changes, step, 1.0), axis=0)
    return np.asarray(np.maximum(path.astype(np.int64) // 100 * 100 + 99, 199))


def _bundles(kind: np.ndarray) -> np.ndarray:
    """Neighbours of one type form a bundle: bundle b holds the ids around b * BUNDLE."""
    first = np.searchsorted(kind, kind)  # kinds are in order
    return (first + (np.arange(len(kind)) - first) // BUNDLE * BUNDLE).astype(np.int64)
