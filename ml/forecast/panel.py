"""Daily sales by category as arrays, and the last day that is over: what every forecast is made from."""

import hashlib
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

TOTAL = "All"
LEAST_DAYS = 60
MEASURES = {"net": "net_amount", "gross": "amount", "discount": "discount"}  # measure -> column of gold.feature_sales_daily
# Columns of that table which the features take as they are: what is known of a category at the end of a day.
KNOWN = (
    "mean_7",
    "level_28",
    "mean_91",
    "year_ago_level",
    "two_years_ago_level",
    *(f"{name}_{days}" for name in ("price", "discount_share") for days in (7, 28, 91)),
)
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Panel:
    """Money per measure, category and day (a day without a sale is 0), and the columns KNOWN (NaN where not known).

    Arrays have shape (categories, days). `starts[i]` is the day on which category i sold for the first time: it is no series
    before that.
    """

    first: date
    categories: tuple[str, ...]
    values: dict[str, Floats]
    starts: Ints
    known: dict[str, Floats] = field(default_factory=dict)

    @property
    def days(self) -> int:
        return int(self.values["net"].shape[1])

    @property
    def last(self) -> date:
        return self.day(self.days - 1)

    def day(self, index: int) -> date:
        """The date of a day's index; an index past the end is a day to come."""
        return self.first + timedelta(days=int(index))

    def upto(self, index: int) -> "Panel":
        """The panel as it was known at the end of day `index`."""
        cut = slice(0, index + 1)
        values, known = ({name: array[:, cut] for name, array in of.items()} for of in (self.values, self.known))
        return Panel(self.first, self.categories, values, self.starts, known)

    def digest(self) -> str:
        """Equal for equal content, whatever the Delta version."""
        hasher = hashlib.sha256(repr((self.first, self.categories, self.starts.tolist())).encode())
        for of in (self.values, self.known):
            for name in sorted(of):
                hasher.update(name.encode() + np.ascontiguousarray(of[name]).tobytes())
        return hasher.hexdigest()


def last_complete_day(totals: dict[date, float], today: date) -> date:
    """Yesterday, since today is still trading and later sales are orders in advance.

    Unless the shop's calendar runs ahead of the clock, as the simulated one does after `shop trade --days 7`: then its last
    day in a row that sold at least half of what is usual.
    """
    yesterday, ahead = today - timedelta(days=1), today
    recent = [totals.get(today - timedelta(days=n), 0.0) for n in range(1, 29)]
    usual = float(np.median(recent))
    while usual > 0 and totals.get(ahead, 0.0) >= usual / 2:
        ahead += timedelta(days=1)
    last = ahead - timedelta(days=1)
    return last if last > today else yesterday


def to_arrow(panel: Panel) -> "pa.Table":
    """A row per category and day, for the hand-over to another process."""
    import pyarrow as pa

    count = len(panel.categories)
    columns = {name: array.ravel() for name, array in {**panel.values, **panel.known}.items()}
    return pa.table(
        {
            "category": np.repeat(np.array(panel.categories, dtype=object), panel.days),
            "day": np.tile(np.arange(panel.days), count),
            "start": np.repeat(panel.starts, panel.days),
            **columns,
        }
    ).replace_schema_metadata({"first": panel.first.isoformat()})


def from_arrow(rows: "pa.Table") -> Panel:
    """The inverse of `to_arrow`."""
    days = int(max(rows["day"].to_numpy())) + 1
    values, known = ({name: rows[name].to_numpy().reshape(-1, days) for name in names} for names in (MEASURES, KNOWN))
    first = date.fromisoformat((rows.schema.metadata or {})[b"first"].decode())
    starts = rows["start"].to_numpy()[::days].astype(np.int64)
    return Panel(first, tuple(rows["category"].to_pylist()[::days]), values, starts, known)
