"""Which days of the customers' history are whole."""

from datetime import date, timedelta
from typing import TYPE_CHECKING

from ml.errors import TooLittleData
from ml.forecast.panel import last_complete_day

if TYPE_CHECKING:
    import polars as pl


def as_of(rows: "pl.DataFrame", today: date) -> date:
    """The day after the last complete one of gold.feature_customer. TooLittleData where nobody ever bought."""
    import polars as pl

    buyers = rows.filter(pl.col("last_date") == pl.col("date")).group_by("date").len().sort("date")
    if buyers.is_empty():
        raise TooLittleData("gold.feature_customer has no purchase yet: capture sales and build first")
    last: date = buyers["date"].max()  # type: ignore[assignment]
    # An imported log ended long ago: all of it is complete.
    complete = last_complete_day({day: float(count) for day, count in buyers.iter_rows()}, today)
    return min(complete, last) + timedelta(days=1)


def digest(rows: "pl.DataFrame") -> str:
    """sha256 of rows in a canonical order: equal for equal content, whatever files it lies in."""
    import hashlib

    ordered = rows.select(sorted(rows.columns)).sort(sorted(rows.columns))
    text = hashlib.sha256(repr(ordered.schema).encode())
    for value in ordered.hash_rows(seed=7).to_numpy().tobytes(), str(ordered.height).encode():
        text.update(value)
    return text.hexdigest()
