"""How a MySQL or MariaDB column becomes an Arrow one: pure, one table of rules, used by the snapshot and by the binlog.

Both paths first give a *wire* value that is exact and easy to move (microseconds since 1970, a decimal's digits, bytes), and the
same `convert` turns wire arrays into the final type. So a row looks the same whichever way it came.
"""

import re
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

Rule = Literal["cast", "days", "utc", "local", "unsigned"]

UNIX_EPOCH_DAYS = 719_528  # TO_DAYS('1970-01-01')
# connectorx reads DECIMAL through a 96 bit integer and gives decimal128(38,10): beyond these it fails or rounds.
_DIRECT_PRECISION, _DIRECT_SCALE = 28, 10
_LONGEST_DECIMAL = 38

_INTEGERS: dict[str, tuple[pa.DataType, pa.DataType]] = {  # signed, unsigned (Delta has no unsigned types)
    "tinyint": (pa.int8(), pa.int16()),
    "smallint": (pa.int16(), pa.int32()),
    "mediumint": (pa.int32(), pa.int32()),
    "int": (pa.int32(), pa.int64()),
    "bigint": (pa.int64(), pa.decimal128(20, 0)),
}
TEXT = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext"})
BYTES = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
GEOMETRY = frozenset(
    {
        "geometry",
        "point",
        "linestring",
        "polygon",
        "multipoint",
        "multilinestring",
        "multipolygon",
        "geometrycollection",
        "geomcollection",
    }
)
ADDRESSES = frozenset({"uuid", "inet6", "inet4"})


@dataclass(frozen=True)
class Column:
    """A column as information_schema describes it."""

    name: str
    data_type: str
    column_type: str
    charset: str | None = None
    octets: int = 0  # CHARACTER_OCTET_LENGTH
    precision: int = 0
    scale: int = 0
    letters: str = ""  # of a one-byte charset that only the server knows: its 256 characters

    @property
    def unsigned(self) -> bool:
        return "unsigned" in self.column_type or "zerofill" in self.column_type

    @property
    def values(self) -> tuple[str, ...]:
        """The words of an ENUM or SET, in their order."""
        words = re.findall(r"'((?:[^']|'')*)'", self.column_type)
        return tuple(word.replace("''", "'") for word in words)


@dataclass(frozen=True)
class Mapped:
    """A column's final type, the expression that a snapshot selects, and the rule that makes the one from the other."""

    arrow: pa.DataType
    select: str
    rule: Rule = "cast"

    @property
    def wire(self) -> pa.DataType:
        """The type of the values that the binary log's decoder gives."""
        if self.rule in ("days", "utc", "local"):
            return pa.int64()
        if pa.types.is_decimal(self.arrow):
            return pa.uint64() if self.rule == "unsigned" else pa.string()
        return self.arrow


def quote(name: str) -> str:
    """An identifier in backquotes."""
    return "`" + name.replace("`", "``") + "`"


def map_column(column: Column) -> Mapped | None:
    """The mapping of a column, None for a type that is not known here."""
    name, kind = quote(column.name), column.data_type
    if kind in _INTEGERS:
        arrow = _INTEGERS[kind][column.unsigned]
        return Mapped(arrow, name, "unsigned" if pa.types.is_decimal(arrow) else "cast")
    if kind in ("decimal", "numeric"):
        return _decimal(column, name)
    if kind in ("float", "double"):
        return Mapped(pa.float32() if kind == "float" else pa.float64(), name)
    if kind == "date":
        return Mapped(pa.date32(), _valid(name, f"TO_DAYS({name}) - {UNIX_EPOCH_DAYS}"), "days")
    if kind == "datetime":
        micros = f"TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {name})"
        return Mapped(pa.timestamp("us", tz="UTC"), _valid(name, micros), "local")
    if kind == "timestamp":
        # UNIX_TIMESTAMP reads the stored UTC value, so no session's zone and no ambiguous hour come between. 0 is the zero date.
        return Mapped(pa.timestamp("us", tz="UTC"), f"CAST(NULLIF(UNIX_TIMESTAMP({name}), 0) * 1000000 AS SIGNED)", "utc")
    if kind == "time":
        return Mapped(pa.string(), f"CAST({name} AS CHAR)")
    if kind == "year":
        return Mapped(pa.int32(), f"CAST({name} AS SIGNED)")
    if kind == "bit":
        wide = column.precision > 63
        return Mapped(pa.decimal128(20, 0) if wide else pa.int64(), f"{name} + 0", "unsigned" if wide else "cast")
    if (kind in TEXT and column.charset != "binary") or kind in ("enum", "set"):
        return Mapped(pa.string(), name)
    if kind == "json":
        return Mapped(pa.string(), f"CAST({name} AS CHAR)")
    if kind in ADDRESSES:
        return Mapped(pa.string(), f"CAST({name} AS CHAR)")
    if kind in BYTES or kind in TEXT:
        return Mapped(pa.binary(), name)
    if kind in GEOMETRY:
        return Mapped(pa.binary(), f"ST_AsWKB({name})")
    return None


def convert(wire: pa.Array | pa.ChunkedArray, mapped: Mapped, zone: str) -> pa.Array | pa.ChunkedArray:
    """Wire values in their final type. `zone` is what DATETIME values of this source mean.

    Raises ArrowInvalid on a value that does not fit.
    """
    if mapped.rule == "days":
        return pc.cast(pc.cast(wire, pa.int32()), pa.date32())
    if mapped.rule == "utc":
        return pc.cast(pc.cast(wire, pa.int64()), mapped.arrow)
    if mapped.rule == "local":
        return _local(pc.cast(wire, pa.int64()), zone)
    return pc.cast(wire, mapped.arrow)


def _local(micros: pa.Array | pa.ChunkedArray, zone: str) -> pa.Array | pa.ChunkedArray:
    if zone == "UTC":
        return pc.cast(micros, pa.timestamp("us", tz="UTC"))
    naive = pc.cast(micros, pa.timestamp("us"))
    # An hour that a clock change repeats or leaves out has no one answer; the earlier one is at least always the same.
    return pc.cast(pc.assume_timezone(naive, zone, ambiguous="earliest", nonexistent="earliest"), pa.timestamp("us", tz="UTC"))


def _decimal(column: Column, name: str) -> Mapped:
    if column.precision > _LONGEST_DECIMAL:
        return Mapped(pa.string(), f"CAST({name} AS CHAR)")
    direct = column.precision <= _DIRECT_PRECISION and column.scale <= _DIRECT_SCALE
    return Mapped(pa.decimal128(column.precision, column.scale), name if direct else f"CAST({name} AS CHAR)")


def _valid(name: str, expression: str) -> str:
    # Zero dates give NULL by themselves; a 31 February, which ALLOW_INVALID_DATES lets in, would become some day in March.
    day = f"DAYOFMONTH({name})"
    return f"IF({day} > 28 AND {day} > DAYOFMONTH(LAST_DAY({name})), NULL, {expression})"
