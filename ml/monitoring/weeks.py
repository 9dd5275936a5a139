"""The profile of what comes in days: neighbouring days are alike and a year has seasons, so no law says how far weeks differ.

What the windows of the training's own past did is usual, and the limit follows from it.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ml.monitoring import drift, profile

if TYPE_CHECKING:
    import polars as pl

WINDOW = "window"  # column: which weeks of the past a row belongs to; a row may be there once for each of its windows
LEAST = 6  # windows with which it can be told what is usual


def of(frame: "pl.DataFrame") -> dict[str, Any]:
    """profile.of the columns beside WINDOW, each with `usual`: the largest PSI of a window against all of them together.

    None of a column where there are fewer windows than LEAST: nobody can say then what is unusual.
    """
    whole = profile.of(frame.drop(WINDOW))
    parts = frame.partition_by(WINDOW)
    if len(parts) < LEAST:
        return {}
    apart: list[Mapping[str, drift.Measured]] = [drift.of(whole, part) for part in parts]
    return {name: said | {"usual": max(one[name].psi for one in apart)} for name, said in whole.items()}
