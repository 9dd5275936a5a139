"""The panel from gold.feature_sales_daily, up to the last complete day."""

from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from ml.forecast.backtest import LEAST_TRAINED
from ml.forecast.panel import KNOWN, LEAST_DAYS, MEASURES, TOTAL, Panel, last_complete_day

if TYPE_CHECKING:
    import polars as pl

    from ml.model import Reader

SOURCE = "gold.feature_sales_daily"
COLUMNS = ["date", "category", *MEASURES.values(), *KNOWN]


def read(reader: "Reader", today: date, horizon: int) -> Panel:
    """The panel as it is known today. TooLittleData when there are too few days for the horizon."""
    return build(reader.table(SOURCE, COLUMNS), today, max(LEAST_DAYS, horizon + LEAST_TRAINED))


def build(rows: "pl.DataFrame", today: date, least: int = LEAST_DAYS) -> Panel:
    """The panel from rows with COLUMNS. TooLittleData when it has fewer than `least` days."""
    import polars as pl

    from lake.errors import PermanentFailure
    from ml.errors import TooLittleData

    totals = rows.group_by("date").agg(pl.col(MEASURES["net"]).sum().cast(pl.Float64))
    frame = rows.filter(pl.col("date") <= last_complete_day(dict(totals.iter_rows()), today)).sort("category", "date")
    days = 0 if frame.is_empty() else (frame["date"].max() - frame["date"].min()).days + 1  # type: ignore[operator,union-attr]
    if days < least:
        raise TooLittleData(f"{SOURCE} has {days} days of sales, a forecast needs {least}: capture more history and build again")
    first: date = frame["date"].min()  # type: ignore[assignment]
    categories = tuple(frame["category"].unique().sort().to_list())
    if TOTAL in categories:
        raise PermanentFailure(f"{SOURCE}: a category is named {TOTAL!r}, which stands for the total; rename it in the catalog")
    place = {category: i for i, category in enumerate(categories)}
    day = (frame["date"] - first).dt.total_days().to_numpy()
    where = (np.array([place[c] for c in frame["category"]]), day)
    arrays = {}
    for names, missing in ((MEASURES.values(), 0.0), (KNOWN, np.nan)):
        for name in names:
            arrays[name] = np.full((len(categories), days), missing)
            arrays[name][where] = frame[name].cast(pl.Float64).fill_null(missing).to_numpy()
    starts = np.full(len(categories), days)
    np.minimum.at(starts, where[0], day)
    values = {measure: arrays[column] for measure, column in MEASURES.items()}
    return Panel(first, categories, values, starts.astype(np.int64), {name: arrays[name] for name in KNOWN})
