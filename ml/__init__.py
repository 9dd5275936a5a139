"""Models on gold: `ml.train.train` trains them, `ml.score.score` writes their answers; `tables()` says which tables these are."""

from ml.tables import tables

__all__ = ["tables"]
