"""How a MySQL or MariaDB column becomes an Arrow one: pure, one table of rules, used by the snapshot and by the binlog.

Both paths first give a *wire* value that is exact and easy to move (microseconds since 1970, a decimal's digits, bytes), and the
same `convert` turns wire arrays into the final type. So a row looks the same whichever way it came. (Dates of a snapshot pass
through `dates` before.)
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

Rule = Literal["cast", "days", "utc", "local", "unsigned"]

# A DECIMAL of so many digits travels as an integer, its digits without the point: connectorx parses the text of a decimal
# (0.2 s of processor time for a million), and beyond 28 digits, or 10 after the point, it fails or rounds.
_INTEGER_PRECISION = 18
_LONGEST_DECIMAL = 38
_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999  # microseconds of the years 1 to 9999

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
    def digits(self) -> int:
        """Digits after the seconds of a DATETIME, TIMESTAMP or TIME."""
        found = re.search(r"\((\d)\)", self.column_type)
        return int(found[1]) if found else 0

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
        # As text a FLOAT is rounded to six digits, so it travels as the DOUBLE that it is.
        return Mapped(pa.float32(), f"{name} * 1e0") if kind == "float" else Mapped(pa.float64(), name)
    if kind == "date":
        return Mapped(pa.date32(), f"CAST({name} AS SIGNED)", "days")
    if kind == "datetime":
        clock = f"((HOUR({name}) * 60 + MINUTE({name})) * 60 + SECOND({name})) * 1000000 + MICROSECOND({name})"
        fine = f"CAST(DATE({name}) AS SIGNED) * 86400000000 + {clock}"
        return Mapped(pa.timestamp("us", tz="UTC"), fine if column.digits else f"CAST({name} AS SIGNED)", "local")
    if kind == "timestamp":
        # UNIX_TIMESTAMP reads the stored UTC value, so no session's zone and no ambiguous hour come between. 0 is the zero date.
        return Mapped(pa.timestamp("us", tz="UTC"), f"CAST(UNIX_TIMESTAMP({name}) * 1000000 AS SIGNED)", "utc")
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
        # WKB stands after the spatial reference id. ST_AsWKB would turn the axes where latitude comes first; the log does not.
        return Mapped(pa.binary(), f"SUBSTRING({name}, 5)")
    return None


def convert(wire: pa.Array | pa.ChunkedArray, mapped: Mapped, zone: str) -> pa.Array | pa.ChunkedArray:
    """Wire values in their final type. `zone` is what DATETIME values of this source mean.

    Raises ArrowInvalid on a value that does not fit.
    """
    if pa.types.is_decimal(mapped.arrow) and pa.types.is_signed_integer(wire.type):
        return _pointed(wire, mapped.arrow)
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
    there = pc.cast(pc.assume_timezone(naive, zone, ambiguous="earliest", nonexistent="earliest"), pa.timestamp("us", tz="UTC"))
    # 9999-12-31 23:59:59 west of Greenwich is in the year 10000, which readers of Delta do not have.
    bad = pc.or_(pc.less(pc.cast(there, pa.int64()), _FIRST), pc.greater(pc.cast(there, pa.int64()), _LAST))
    return pc.if_else(bad, pa.scalar(None, there.type), there) if pc.any(bad).as_py() else there


def out_of_range(
    wire: pa.Array | pa.ChunkedArray, converted: pa.Array | pa.ChunkedArray, column: Column
) -> list[tuple[int, str]]:
    """(row, note) of each time that `convert` made null, because it is before the year 1 or after 9999 once it is in UTC."""
    if column.data_type != "datetime" or converted.null_count == wire.null_count:
        return []
    rows = pc.indices_nonzero(pc.and_(pc.is_null(converted), pc.is_valid(wire)))
    moments = [datetime(1970, 1, 1) + timedelta(microseconds=micros) for micros in wire.take(rows).to_pylist()]
    texts = [f"{m.isoformat(' ', 'microseconds')}"[: 20 + column.digits if column.digits else 19] for m in moments]
    return [(row, no_date(column, text)) for row, text in zip(rows.to_pylist(), texts, strict=True)]


def no_date(column: Column, text: str) -> str:
    """What `_warnings` says of a value that is no date."""
    return f"{column.name}: '{text}' is no date"


def _decimal(column: Column, name: str) -> Mapped:
    if column.precision > _LONGEST_DECIMAL:
        return Mapped(pa.string(), f"CAST({name} AS CHAR)")
    whole = f"CAST({name} * {10**column.scale} AS SIGNED)" if column.precision <= _INTEGER_PRECISION else f"CAST({name} AS CHAR)"
    return Mapped(pa.decimal128(column.precision, column.scale), whole)


def _pointed(wire: pa.Array | pa.ChunkedArray, arrow: pa.Decimal128Type) -> pa.Array:
    """The digits of decimals, as integers, with the point where it belongs: the same bits under another type."""
    whole = pa.concat_arrays(wire.chunks) if isinstance(wire, pa.ChunkedArray) else wire
    wide = pc.cast(whole, pa.decimal128(19, 0))
    return pa.Array.from_buffers(arrow, len(wide), wide.buffers(), wide.null_count, wide.offset)
