"""What the values of a few rows say about where they can lie: conditions that files' statistics can answer."""

import datetime

import pyarrow as pa
import pyarrow.compute as pc

# DataFusion prunes files by a list of values up to this length.
_MOST_VALUES = 20


def bounds(column: str, values: pa.ChunkedArray) -> str:
    """An SQL condition that every row with one of `values` in `column` (as SQL names it) meets; empty where none helps.

    Both delta-rs and the engines understand it. Numbers with a fraction and moments are left out: what is rounded in a file's
    statistics must not keep a row out.
    """
    kind = values.type
    if not len(values) or values.null_count or not (pa.types.is_integer(kind) or pa.types.is_date(kind) or _is_text(kind)):
        return ""
    low, high = pc.min(values).as_py(), pc.max(values).as_py()
    said = f"{column} BETWEEN {_literal(low)} AND {_literal(high)}"
    several = pc.unique(values).to_pylist() if low != high else []
    if 0 < len(several) <= _MOST_VALUES:
        said += f" AND {column} IN ({', '.join(map(_literal, several))})"
    return said if "\\" not in said else ""  # engines differ in what a backslash in a text means


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _literal(value: object) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return f"date '{value.isoformat()}'" if isinstance(value, datetime.date) else str(value)
