"""Whether two engines gave the same rows: types and values exactly, floats but for last digits that depend on a sum's order."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa

TOLERANCE = 1e-9


def difference(left: pa.Table, right: pa.Table) -> str:
    """What two tables do not have in common, in one line; empty when they hold the same rows in whatever order."""
    theirs = {field.name: field.type for field in right.schema}
    mine = {field.name: field.type for field in left.schema}
    for name in [*mine, *theirs]:
        if mine.get(name) != theirs.get(name):
            return f"column {name}: {mine.get(name, 'not there')} and {theirs.get(name, 'not there')}"
    if left.num_rows != right.num_rows:
        return f"{left.num_rows:,} rows and {right.num_rows:,}"
    for one, other in zip(_in_order(left), _in_order(right), strict=True):
        for name in mine:
            if not equal(one[name], other[name]):
                return f"column {name}: {one[name]!r} and {other[name]!r} in {one}"
    return ""


def equal(one: Any, other: Any) -> bool:
    """Whether two values are the same, floats at any depth to 1e-9."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE) or (math.isnan(one) and math.isnan(other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return type(one) is type(other) and bool(one == other)


def _in_order(rows: pa.Table) -> list[dict[str, Any]]:
    # Floats last: two that differ in the last digit do not part rows that anything else tells apart.
    exact = [field.name for field in rows.schema if not pa.types.is_floating(field.type)]
    loose = [field.name for field in rows.schema if pa.types.is_floating(field.type)]
    return sorted(rows.to_pylist(), key=lambda row: ([repr(row[name]) for name in exact], [_rank(row[name]) for name in loose]))


def _rank(number: float | None) -> tuple[bool, bool, float]:
    missing = number is None
    odd = number is not None and math.isnan(number)
    return missing, odd, 0.0 if number is None or odd else number
