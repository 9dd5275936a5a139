"""Input of a served model: columns checked by name, so that whoever asks learns which one is wrong."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def numbers(frame: pd.DataFrame, columns: Sequence[str]) -> NDArray[np.float64]:
    """The columns as floats, shape (rows, columns). ValueError that names the first that is missing, or holds no number."""
    if list(frame.columns) == list(columns) and all(kind == np.float64 for kind in frame.dtypes):
        whole = frame.to_numpy()  # what a server is asked a thousand times a second needs no look at each column
        if np.isfinite(whole).all():
            return whole
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise ValueError(f"column {missing[0]!r} is missing" + (f", and {len(missing) - 1} more" if len(missing) > 1 else ""))
    made = np.empty((len(frame), len(columns)))
    for place, name in enumerate(columns):
        try:
            made[:, place] = frame[name].to_numpy(dtype=float)
        except (TypeError, ValueError):
            raise ValueError(f"column {name!r}: expected a number, found {_culprit(frame[name])!r}") from None
        if not np.isfinite(made[:, place]).all():
            raise ValueError(
                f"column {name!r}: expected a number, found none in row {int(np.argmin(np.isfinite(made[:, place])))}"
            )
    return made


def _culprit(column: "pd.Series[Any]") -> object:
    for value in column:
        try:
            float(value)
        except (TypeError, ValueError):
            return value
    return None
