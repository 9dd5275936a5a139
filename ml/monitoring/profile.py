"""What features looked like in training, as JSON beside the model: what drift is measured from."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import polars as pl

BINS = 10
_MOST_VALUES = 50


def of(frame: "pl.DataFrame") -> dict[str, Any]:
    """For each number its quantile `edges` and the `shares` between them; for each text the share of each of its values.

    The share of nulls counts as one more bin. Columns of other types are left out.
    """
    found = {name: _column(frame[name]) for name in frame.columns}
    return {name: said for name, said in found.items() if said}


def shares(said: Mapping[str, Any], column: "pl.Series") -> np.ndarray[Any, np.dtype[np.float64]]:
    """The shares of a column's values in a profile's bins, in their order; a text not seen in training is `other`."""
    if "values" in said:
        known = {value: place for place, value in enumerate(said["values"])}
        counts = np.zeros(len(known) + 2)
        for value, count in column.value_counts().iter_rows():
            counts[len(known) + 1 if value is None else known.get(value, len(known))] += count
    else:
        values = column.cast(float).to_numpy()
        here = values[np.isfinite(values)]
        counts = np.append(np.bincount(np.searchsorted(said["edges"], here, side="right"), minlength=len(said["edges"]) + 1), 0.0)
        counts[-1] = len(values) - len(here)
    return np.asarray(counts / max(counts.sum(), 1))


def _column(column: "pl.Series") -> dict[str, Any] | None:
    if column.dtype.is_numeric():
        values = column.cast(float).to_numpy()
        here = values[np.isfinite(values)]
        # Equal quantiles fall together: a count that is mostly 0 has few bins.
        edges = np.unique(np.quantile(here, np.linspace(0, 1, BINS + 1)[1:-1])) if len(here) else np.array([])
        said: dict[str, Any] = {"edges": edges.tolist()}
    elif column.dtype == str or str(column.dtype) in ("String", "Categorical", "Enum"):
        counted = column.drop_nulls().value_counts().sort(["count", column.name], descending=[True, False])
        said = {"values": counted[column.name].head(_MOST_VALUES).to_list()}
    else:
        return None
    return said | {"shares": shares(said, column).tolist(), "rows": len(column)}
