"""Values out of MongoDB's canonical extended JSON, and units out of text."""

from functools import reduce

from pyspark.sql import Column
from pyspark.sql import functions as F

_NUMBERS = ("$numberDecimal", "$numberInt", "$numberLong", "$numberDouble")


def text(*path: str) -> Column:
    """A text below keys, which may hold spaces; null where there is none."""
    return F.get_json_object("document", _json_path(*path))


def json(*path: str) -> Column:
    """What is below keys as JSON without spaces between its parts: engines differ in whether they keep those."""
    return F.regexp_replace(text(*path), r'("(?:[^"\\]|\\.)*")|\s+', "$1")


def number(*path: str, kind: str = "decimal(12,2)") -> Column:
    """A number of any BSON type, or a text that reads as one; null for anything else."""
    found = [F.get_json_object("document", _json_path(*path, bson)) for bson in _NUMBERS]
    return F.coalesce(*(_as(value, kind) for value in [*found, text(*path)]))


def moment(*path: str) -> Column:
    """A date, which BSON keeps as milliseconds."""
    return F.timestamp_millis(F.get_json_object("document", _json_path(*path, "$date", "$numberLong")).cast("bigint"))


def first(*values: Column) -> Column:
    """The first value that is there: shops do not agree on names of attributes."""
    return F.coalesce(*values)


def gigabytes(value: Column) -> Column:
    """ "16GB" -> 16, "512 MB" -> 0.5, "1TB" -> 1024; a bare number is in GB."""
    amount = _as(F.regexp_extract(value, r"^\s*([0-9]+(?:\.[0-9]+)?)", 1), "decimal(12,4)")
    unit = F.upper(F.regexp_extract(value, r"([TtGgMm])[Bb]", 1))
    factor = F.when(unit == "T", F.lit(1024.0)).when(unit == "M", F.lit(1 / 1024)).otherwise(F.lit(1.0)).cast("decimal(16,10)")
    return (amount * factor).cast("decimal(10,3)")


def _as(value: Column, kind: str) -> Column:
    return value.try_cast(kind)


def _json_path(*keys: str) -> str:
    return reduce(lambda path, key: f"{path}['{key}']", keys, "$")
