"""What was known of each customer at past days, and whether they bought in the 30 days after: what the model learns from."""

from datetime import date, timedelta
from typing import TYPE_CHECKING

from ml.customers import features
from ml.errors import TooLittleData

if TYPE_CHECKING:
    import polars as pl

DAYS = 30  # that the probability is about
CUTS = 4  # past days that the backtest asks about
TAUGHT = 6  # snapshots that a model learns from; the newest of them only calibrates
LEAST_BUYERS = 50
MOST_ROWS = 15_000  # that a fit learns from: with 60,000 the log loss was the same in three digits


def days(as_of: date) -> list[date]:
    """Days of the snapshots, newest first, each DAYS before the one above; the answer to every one is known at `as_of`."""
    return [as_of - timedelta(days=DAYS * back) for back in range(1, CUTS + TAUGHT + 1)]


def taken(rows: "pl.DataFrame", as_of: date) -> "pl.DataFrame":
    """All snapshots below each other: `snapshot` (0 is the newest), `customer_id`, the features, and `bought` as 0.0 or 1.0.

    TooLittleData where the history is too short for one cut, or where hardly anybody bought.
    """
    import polars as pl

    first: date = rows["date"].min()  # type: ignore[assignment]
    parts = []
    for number, day in enumerate(days(as_of)):
        if day - timedelta(days=DAYS) < first:
            break
        after = features.bought(rows, day, day + timedelta(days=DAYS - 1)).select("customer_id", pl.lit(1.0).alias("bought"))
        known = features.at(rows, day).join(after, on="customer_id", how="left").with_columns(pl.col("bought").fill_null(0.0))
        parts.append(known.select(pl.lit(number).alias("snapshot"), "*"))
    if len(parts) < 4:
        needed = 5 * DAYS
        raise TooLittleData(
            f"{features.SOURCE} has {(as_of - first).days} days, {needed} are needed: capture more history and build again"
        )
    made = pl.concat(parts)
    if made["bought"].sum() < LEAST_BUYERS:
        raise TooLittleData(
            f"{features.SOURCE}: only {int(made['bought'].sum())} customers ever came back, {LEAST_BUYERS} are needed"
        )
    return made


def cuts(snapshots: int) -> list[tuple[int, list[int]]]:
    """(snapshot asked about, the older ones that a model of then could learn from), newest first; at most CUTS of them."""
    found = [(asked, list(range(asked + 1, min(asked + 1 + TAUGHT, snapshots)))) for asked in range(snapshots)]
    return [(asked, known) for asked, known in found if len(known) >= 2][:CUTS]


def sampled(parts: "list[pl.DataFrame]") -> "pl.DataFrame":
    """The snapshots below each other, at most MOST_ROWS of their rows: always the same ones."""
    import polars as pl

    rows = pl.concat(parts)
    return rows if rows.height <= MOST_ROWS else rows.sample(MOST_ROWS, seed=7)
