"""Daily revenue per category, read from gold at one Delta version: what every forecast is made from."""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from lake.config import Settings
from lake.errors import PermanentFailure

if TYPE_CHECKING:
    import pyarrow as pa

    from lake.delta import Lake

SOURCE = "gold.agg_sales_daily"
TOTAL = "All"
LEAST_DAYS = 60
MEASURES = {"net": "net_amount", "gross": "amount"}  # measure -> column of SOURCE
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class TooLittleHistory(PermanentFailure):
    """There are no sales yet, or too few days of them."""


@dataclass(frozen=True)
class Panel:
    """Revenue in money per measure, category and day; a day without a sale is 0.

    `values[measure]` has shape (categories, days). `starts[i]` is the day on which category i sold for the first time: it
    is no series before that.
    """

    first: date
    categories: tuple[str, ...]
    values: dict[str, Floats]
    starts: Ints

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
        return Panel(self.first, self.categories, {m: v[:, : index + 1] for m, v in self.values.items()}, self.starts)

    def digest(self) -> str:
        """Equal for equal content, whatever the Delta version: a compaction is no reason to train again."""
        text = hashlib.sha256(repr((self.first, self.categories, self.days)).encode())
        for measure in sorted(self.values):
            # Cents are exact; the sum of floats may differ in the last digit with the order of files.
            text.update(np.round(self.values[measure] * 100).astype(np.int64).tobytes())
        return text.hexdigest()


def read(lake: "Lake", settings: Settings, version: int, now: datetime | None = None) -> Panel:
    """The panel at a version of SOURCE, up to the last complete day in the shop's zone.

    PermanentFailure when there are fewer than LEAST_DAYS days, or too few for the horizon.
    """
    rows = lake.read(SOURCE, version, columns=["date", "category", *MEASURES.values()])
    zone = ZoneInfo(settings.shop.time_zone)
    today = (now.astimezone(zone) if now else datetime.now(zone)).date()
    return build(rows, today, max(LEAST_DAYS, settings.ml.horizon + LEAST_DAYS // 2))


def build(rows: "pa.Table", today: date, least: int = LEAST_DAYS) -> Panel:
    """The panel from rows with date, category, amount and net_amount, up to the last complete day."""
    import polars as pl

    frame = pl.DataFrame(pl.from_arrow(rows)).drop_nulls("date")
    # A cell where only something came back sold nothing: it would make the history longer than the sales are.
    frame = frame.filter(pl.any_horizontal(pl.col(column) != 0 for column in MEASURES.values()))
    totals = frame.group_by("date").agg(pl.col(MEASURES["net"]).sum().cast(pl.Float64))
    frame = frame.filter(pl.col("date") <= last_complete_day(dict(totals.iter_rows()), today))
    days = 0 if frame.is_empty() else (frame["date"].max() - frame["date"].min()).days + 1  # type: ignore[operator,union-attr]
    if days < least:
        raise TooLittleHistory(
            f"{SOURCE} has {days} days of sales, a forecast needs {least}: capture more history and build again"
        )
    first: date = frame["date"].min()  # type: ignore[assignment]
    # Summed as decimals and only then made float, so that the order of rows cannot show.
    sums = (
        frame.with_columns(pl.col("category").fill_null("Unknown"))
        .group_by("category", (pl.col("date") - first).dt.total_days().alias("day"))
        .agg(pl.col(MEASURES.values()).sum().cast(pl.Float64))
        .sort("category", "day")
    )
    categories = tuple(sums["category"].unique().sort().to_list())
    if TOTAL in categories:
        raise PermanentFailure(f"{SOURCE}: a category is named {TOTAL!r}, which stands for the total; rename it in the catalog")
    place = {category: i for i, category in enumerate(categories)}
    where = (np.array([place[c] for c in sums["category"]]), sums["day"].to_numpy())
    values = {}
    for measure, column in MEASURES.items():
        values[measure] = np.zeros((len(categories), days))
        values[measure][where] = sums[column].to_numpy()
    starts = np.array(sums.group_by("category", maintain_order=True).agg(pl.col("day").min())["day"], dtype=np.int64)
    return Panel(first, categories, values, starts)


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
    columns = {measure: values.ravel() for measure, values in panel.values.items()}
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
    values = {measure: rows[measure].to_numpy().reshape(-1, days) for measure in MEASURES}
    first = date.fromisoformat((rows.schema.metadata or {})[b"first"].decode())
    return Panel(first, tuple(rows["category"].to_pylist()[::days]), values, rows["start"].to_numpy()[::days].astype(np.int64))
