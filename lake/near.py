"""What the values of a few rows say about where they can lie: conditions that files' statistics can answer."""

import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# DataFusion prunes files by a list of values up to this length.
_MOST_VALUES = 20


def bounds(column: str, values: pa.ChunkedArray) -> str:
    """An SQL condition that every row with one of `values` in `column` (as SQL names it) meets; empty where none helps.

    Both delta-rs and the engines understand it. Numbers with a fraction and moments are left out: what is rounded in a file's
    statistics must not keep a row out.
    """
    if not _prunes(values):
        return ""
    low, high = pc.min(values).as_py(), pc.max(values).as_py()
    said = f"{column} BETWEEN {_literal(low)} AND {_literal(high)}"
    several = pc.unique(values).to_pylist() if low != high else []
    if 0 < len(several) <= _MOST_VALUES:
        said += f" AND {column} IN ({', '.join(map(_literal, several))})"
    return said if "\\" not in said else ""  # engines differ in what a backslash in a text means


def outside(low: pa.ChunkedArray, high: pa.ChunkedArray, values: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Of each file, which has nothing but values from `low` to `high` (null: not known): that it has none of `values`."""
    if not _prunes(values):
        return np.zeros(len(low), bool)
    ends = pc.min_max(values)
    below, above = pc.less(high, ends["min"].cast(high.type)), pc.greater(low, ends["max"].cast(low.type))
    return np.asarray(pc.fill_null(pc.or_kleene(below, above), False))


def _prunes(values: pa.ChunkedArray) -> bool:
    kind = values.type
    return len(values) > 0 and not values.null_count and (pa.types.is_integer(kind) or pa.types.is_date(kind) or _is_text(kind))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _literal(value: object) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return f"date '{value.isoformat()}'" if isinstance(value, datetime.date) else str(value)
