"""What the shop would sell on a day: trend x week x year x promotion, by product type, before chance enters.

The calendar alone gives it, so a model with calendar features can find it; chance is a mild daily factor (5 %) and
the counting noise.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

TYPES = ("smart phone", "laptop", "television", "book", "toy", "sports", "software")
CATEGORIES = ("Electronics", "Books", "Toys", "Sports", "Software")
CATEGORY_OF = np.array([0, 0, 0, 1, 2, 3, 4])  # of each type
DAILY_NOISE = 0.05

_SHARE = np.array([0.12, 0.08, 0.05, 0.30, 0.18, 0.17, 0.10])
_GROWTH = np.array([1.22, 1.15, 1.10, 1.08, 1.16, 1.25, 1.30])  # a year
_PEAK_DAY = np.array([290, 250, 340, 310, 320, 170, 265])  # of the year
_AMPLITUDE = np.array([0.08, 0.12, 0.12, 0.15, 0.15, 0.30, 0.10])
_CHRISTMAS = np.array([0.8, 0.5, 0.8, 0.9, 1.7, 0.4, 0.25])
# Monday first. Books and software sell in the week too, toys and sports at its end.
_WEEK = np.array(
    [
        [0.96, 0.90, 0.88, 0.92, 1.02, 1.20, 1.12],
        [1.02, 0.98, 0.96, 0.97, 0.98, 1.02, 1.07],
        [0.88, 0.84, 0.85, 0.90, 1.05, 1.30, 1.18],
        [0.98, 0.95, 0.95, 0.97, 1.00, 1.05, 1.10],
        [0.85, 0.82, 0.84, 0.90, 1.05, 1.32, 1.22],
        [0.90, 0.86, 0.86, 0.90, 1.02, 1.28, 1.18],
        [1.10, 1.06, 1.04, 1.02, 0.98, 0.88, 0.92],
    ]
)


@dataclass(frozen=True)
class Promotion:
    """Days (month, day of its start, length), types it is for, percent off, and what it does to demand."""

    name: str
    month: int
    day: int
    days: int
    types: tuple[int, ...]
    percent: int
    uplift: float


_ALL = tuple(range(len(TYPES)))
PROMOTIONS = (
    Promotion("winter sale", 1, 2, 15, _ALL, 15, 1.35),
    Promotion("spring sports", 4, 8, 10, (5,), 20, 1.6),
    Promotion("summer sale", 6, 25, 18, _ALL, 15, 1.3),
    Promotion("back to school", 8, 24, 16, (1, 3, 6), 12, 1.45),
    Promotion("toy week", 10, 12, 7, (4,), 18, 1.5),
    Promotion("black friday", 11, 0, 4, _ALL, 25, 2.1),  # day 0: the Friday after the fourth Thursday
)


@dataclass(frozen=True)
class Timeline:
    """The shop's days: from `opening` to `until`, both traded. A phone line is launched, a line of toys ends, on month starts."""

    opening: date
    until: date

    @classmethod
    def ending(cls, until: date) -> "Timeline":
        """Three years that end with `until`."""
        leap_day = (until.month, until.day) == (2, 29)
        before = until.replace(year=until.year - 3, day=28 if leap_day else until.day)
        return cls(before + timedelta(days=1), until)

    @property
    def days(self) -> np.ndarray:
        """datetime64[D] of each day."""
        return np.arange(np.datetime64(self.opening), np.datetime64(self.until) + 1)

    @property
    def months(self) -> int:
        """Calendar months that the days touch."""
        return int(self.month_of(np.array([np.datetime64(self.until)]))[0]) + 1

    def month_of(self, days: np.ndarray) -> np.ndarray:
        """Month number of each day; 0 is the opening's."""
        return (days.astype("datetime64[M]") - np.datetime64(self.opening, "M")).astype(np.int64)

    @property
    def launch_month(self) -> int:
        return self.months - 9

    @property
    def end_month(self) -> int:
        """The first month in which the discontinued line is no longer sold."""
        return self.months - 14

    def month_start(self, month: int) -> np.datetime64:
        return np.datetime64(self.opening, "M") + month


def weights(timeline: Timeline, days: np.ndarray) -> np.ndarray:
    """Relative demand, [day, type]; days after the timeline's end are fine."""
    years = (days - np.datetime64(timeline.opening)).astype(np.float64) / 365.25
    weekday = (days.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
    of_year = (days - days.astype("datetime64[Y]")).astype(np.float64)
    season = 1 + _AMPLITUDE * np.cos(2 * np.pi * (of_year[:, None] - _PEAK_DAY) / 365.25)
    season += _CHRISTMAS * np.exp(-0.5 * ((of_year[:, None] - 347) / 9) ** 2)
    shape = _SHARE * _GROWTH ** years[:, None] * _WEEK.T[weekday] * season
    since_launch = (days - timeline.month_start(timeline.launch_month).astype("datetime64[D]")).astype(np.float64)
    shape[:, 0] *= 1 + 0.35 * (1 - np.exp(-np.maximum(since_launch, 0) / 45))
    shape[:, 4] *= np.where(timeline.month_of(days) >= timeline.end_month, 0.93, 1.0)
    for promotion in PROMOTIONS:
        shape[np.ix_(_running(promotion, days), np.array(promotion.types))] *= promotion.uplift
    return np.asarray(shape)


def percent_off(days: np.ndarray) -> np.ndarray:
    """The promotion's discount in percent, [day, type]; 0 on ordinary days."""
    off = np.zeros((len(days), len(TYPES)), dtype=np.int64)
    for promotion in PROMOTIONS:
        cells = np.ix_(_running(promotion, days), np.array(promotion.types))
        off[cells] = np.maximum(off[cells], promotion.percent)
    return off


def noise(random: np.random.Generator, count: int) -> np.ndarray:
    """The day's luck, one factor a day."""
    return np.exp(random.normal(0, DAILY_NOISE, count))


def _running(promotion: Promotion, days: np.ndarray) -> np.ndarray:
    """Positions of the days on which it runs."""
    first, last = days[0].astype(object).year, days[-1].astype(object).year
    inside = np.zeros(len(days), dtype=bool)
    for year in range(first - 1, last + 1):
        start = np.datetime64(_friday(year) if promotion.day == 0 else date(year, promotion.month, promotion.day))
        inside |= (days >= start) & (days < start + promotion.days)
    return np.flatnonzero(inside)


def _friday(year: int) -> date:
    first = date(year, 11, 1)
    return first + timedelta(days=(3 - first.weekday()) % 7 + 22)
