"""The customers: when each came, how often each buys, and when each stopped coming back.

Ids are 1..n in the order of `created_at`, so those who exist on a day are a prefix. A quarter came before the opening day.
"""

import unicodedata
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from lake.sandbox.shop import names
from lake.sandbox.shop.demand import Timeline
from lake.sandbox.shop.seeds import choose, stream

if TYPE_CHECKING:
    import polars as pl

_DAY = 86_400
_PLAIN = str.maketrans("łŁø", "lLo", "'")  # what decomposing an accent does not make plain
_BEFORE = 400  # days before the opening in which the first customers signed up
# share of the customers, how often they buy, chance a month to stay away for ever
_SORTS = np.array([[0.10, 6.0, 0.01], [0.35, 1.6, 0.03], [0.40, 0.6, 0.05], [0.15, 0.4, 0.6]])


@dataclass(frozen=True)
class Customers:
    """Arrays by customer, in id order."""

    created: np.ndarray  # datetime64[s]
    first_month: np.ndarray  # of the timeline; -1 for those from before
    last_month: np.ndarray
    rate: np.ndarray

    def __len__(self) -> int:
        return len(self.created)

    def active_in(self, month: int) -> np.ndarray:
        """Weight of each in that month: who has just come buys more, who has left nothing."""
        fresh = np.where((month - self.first_month <= 1) & (self.first_month >= 0), 6.0, 1.0)
        return np.where((self.first_month <= month) & (month <= self.last_month), self.rate * fresh, 0.0)


def make(seed: int, timeline: Timeline, scale: int) -> Customers:
    """About one customer for ten sales."""
    random = stream(seed, "customers")
    count = max(400, scale // 10)
    days = len(timeline.days)
    before = np.full(_BEFORE, 0.25 / 0.75 * days * 1.25 / _BEFORE)
    growth = np.concatenate([before, np.linspace(1.0, 1.5, days)[:-1]])
    day = np.sort(choose(random, growth, count)) - _BEFORE
    second = np.sort(day * _DAY + random.integers(0, _DAY, count))
    created = np.datetime64(timeline.opening, "s") + second
    first = timeline.month_of(created.astype("datetime64[D]"))
    sort = choose(random, _SORTS[:, 0], count)
    rate = _SORTS[sort, 1] * random.gamma(2.0, 0.5, count)
    stayed = random.geometric(_SORTS[sort, 2])
    first_month = np.where(second < 0, -1, first)
    # Some are left from the start for every month: an order always finds a customer.
    last_month = np.where(np.arange(count) % 50 == 0, 10_000, np.maximum(first, 0) + stayed - 1)
    return Customers(created, first_month, last_month, rate)


def frame(seed: int, created: np.ndarray, first_id: int, until: date) -> "pl.DataFrame":
    """Rows of table `customers` for ids from `first_id` on, created at the given times."""
    import polars as pl

    random = stream(seed, "people", first_id)
    count = len(created)
    first, last = choose(random, np.ones(len(names.FIRST)), count), choose(random, np.ones(len(names.LAST)), count)
    country = choose(random, np.array([share for share, _ in names.COUNTRIES.values()]), count)
    places = [cities for _, cities in names.COUNTRIES.values()]
    sizes = np.array([len(cities) for cities in places])
    city = (np.cumsum(sizes) - sizes)[country] + (random.random(count) * sizes[country]).astype(np.int64)
    born = np.datetime64(until, "D") - random.integers(18 * 365, 85 * 365, count)
    edited = np.where(random.random(count) < 0.25, random.integers(1, 200 * _DAY, count), 0)
    updated = np.minimum(created + edited, np.maximum(np.datetime64(until, "s") + _DAY - 1, created))
    domain = pl.Series(names.MAIL_DOMAINS).gather(random.integers(0, len(names.MAIL_DOMAINS), count))
    consent = (random.random(count) < 0.55).astype(np.int8)
    known = pl.Series(random.random(count) < 0.93)
    made = pl.DataFrame(
        {
            "customer_id": np.arange(first_id, first_id + count),
            "first": pl.Series(names.FIRST).gather(first),
            "last": pl.Series(names.LAST).gather(last),
        }
    )
    slug_first, slug_last = (pl.Series([slug(word) for word in words]) for words in (names.FIRST, names.LAST))
    return made.select(
        "customer_id",
        name=pl.concat_str("first", "last", separator=" "),
        email=pl.concat_str(slug_first.gather(first), pl.lit("."), slug_last.gather(last), "customer_id", pl.lit("@"), domain),
        city=pl.Series([name for cities in places for name in cities]).gather(city),
        country=pl.Series(list(names.COUNTRIES)).gather(country),
        birth_date=pl.when(known).then(pl.Series(born)).otherwise(None),
        marketing_consent=pl.Series(consent),
        created_at=pl.Series(created.astype("datetime64[us]")),
        updated_at=pl.Series(updated.astype("datetime64[us]")),
    )


def slug(word: str) -> str:
    """The word in plain small letters, for an address."""
    plain = word.translate(_PLAIN)
    return unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode().lower()
