"""The space that customers are clustered in: recency, frequency and money in logarithms, each about as long as the others."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# Feature of ml.customers.features -> (value at 0, value at 1): fixed bounds, so that a place means the same in every run.
AXES = {
    "recency_days": (1.0, 730.0),
    "frequency": (1.0, 50.0),
    "average_order": (5.0, 2000.0),
}
COLUMNS = tuple(AXES)


def placed(rows: Floats) -> Floats:
    """Features, shape (customers, axes), as places: logarithms that go from 0 to 1 between the bounds, held inside them."""
    low, high = (np.log(np.array(side)) for side in zip(*AXES.values(), strict=True))
    logs = np.log(np.maximum(rows, 1e-9))
    return np.asarray(np.clip((logs - low) / (high - low), 0.0, 1.0))


def sql() -> str:
    """The same for Spark: one expression per axis, named `place_<axis>`."""
    parts = []
    for name, (low, high) in AXES.items():
        low_log, span = float(np.log(low)), float(np.log(high) - np.log(low))
        parts.append(f"least(greatest((ln(greatest({name}, 1e-9D)) - {low_log!r}D) / {span!r}D, 0D), 1D) AS place_{name}")
    return ", ".join(parts)
