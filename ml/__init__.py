"""Models on gold. `ml.forecast.train` and `ml.forecast.predict` do the work; `tables()` says what they write."""

from ml.tables import tables

__all__ = ["tables"]
