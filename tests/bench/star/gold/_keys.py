"""Surrogate keys: hashes of natural keys, so that a member keeps its key whatever else comes and goes."""

from pyspark.sql import Column
from pyspark.sql import functions as F


def key_of(natural: str) -> Column:
    """The surrogate key of a natural key; null of null."""
    return F.when(F.col(natural).isNotNull(), F.xxhash64(natural))
