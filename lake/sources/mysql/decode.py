"""A column of the binary log, from the places of its values to an Arrow array of wire values (see types), all at once.

Numbers and times are gathered by numpy in one step whatever their place; text and bytes by one `take`. What is rare or has no
fixed shape (JSON, addresses, charsets other than UTF-8, wide decimals) is read value by value.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lake.sources.mysql.cells import Cells, Codec, Decode, Ints, Notes, Unreadable, words_of
from lake.sources.mysql.decode_text import distinct, each, enums, sets, strings
from lake.sources.mysql.json import json_text
from lake.sources.mysql.types import ADDRESSES, BYTES, GEOMETRY, TEXT, Column, no_date
from lake.sources.mysql.values import (
    decimal_decoder,
    decimal_groups,
    text_decoder,
    time_text,
)

(TINY, SHORT, LONG, FLOAT, DOUBLE, TIMESTAMP, LONGLONG, INT24, DATE, DATETIME, YEAR, VARCHAR, BIT) = (
    1, 2, 3, 4, 5, 7, 8, 9, 10, 12, 13, 15, 16,
)  # fmt: skip
TIMESTAMP2, DATETIME2, TIME2, JSON, NEWDECIMAL, ENUM, SET, BLOB, VAR_STRING, STRING, GEOMETRY_TYPE = (
    17, 18, 19, 245, 246, 247, 248, 252, 253, 254, 255,
)  # fmt: skip
_FRACTION_BYTES = (0, 1, 1, 2, 2, 3, 3)
_FRACTION_MICROS = (1, 10_000, 100, 1)  # of one unit, by bytes
_INTEGER_SIZES = {TINY: 1, SHORT: 2, INT24: 3, LONG: 4, LONGLONG: 8}
_INTEGERS = {"tinyint", "smallint", "mediumint", "int", "bigint"}
_DECIMALS = {"decimal", "numeric"}
_STRINGS = TEXT | BYTES | GEOMETRY | ADDRESSES
_SHORT_DECIMAL, _LONGEST_DECIMAL = 18, 38
_DAY_MICROS = 86_400_000_000
# What a value of the log may become: a column whose type changed since keeps only what means the same.
_FITS = {
    **dict.fromkeys(_INTEGER_SIZES, _INTEGERS | _DECIMALS | {"float", "double"}),
    FLOAT: {"float", "double"}, DOUBLE: {"float", "double"}, NEWDECIMAL: _DECIMALS, DATE: {"date"}, DATETIME2: {"datetime"},
    TIMESTAMP2: {"timestamp"}, TIME2: {"time"}, YEAR: {"year"}, BIT: {"bit"}, ENUM: {"enum", *TEXT}, SET: {"set", *TEXT},
    JSON: {"json"}, **dict.fromkeys((VARCHAR, VAR_STRING, STRING, BLOB), _STRINGS), GEOMETRY_TYPE: GEOMETRY,
}  # fmt: skip


def codec(kind: int, meta: int, column: Column, words: Sequence[bytes] | None = None) -> Codec:
    """The codec of a column, by its type in the log. `words` are an ENUM's or SET's at that time.

    A column without a type is gone by now: it is only stepped over. Raises Unreadable, or UnknownCharset.
    """
    size, prefix = _measure(kind, meta, column)
    if not column.data_type:
        return Codec(size, prefix, None)
    if column.data_type not in _FITS.get(kind, ()):
        raise Unreadable(
            f"column {column.name} is {column.column_type} now and was of another type ({kind}) when it was logged; "
            "capture again with --resnapshot"
        )
    return Codec(size, prefix, _decode(kind, meta, column, size, prefix, words))


def _measure(kind: int, meta: int, column: Column) -> tuple[int, int]:
    if kind in _INTEGER_SIZES:
        return _INTEGER_SIZES[kind], 0
    if kind in (FLOAT, DOUBLE):
        return 4 if kind == FLOAT else 8, 0
    if kind == NEWDECIMAL:
        return sum(size for size, _ in decimal_groups(meta & 0xFF, meta >> 8)), 0
    if kind in (DATE, YEAR):
        return 3 if kind == DATE else 1, 0
    if kind in (DATETIME2, TIMESTAMP2, TIME2):
        return {DATETIME2: 5, TIMESTAMP2: 4, TIME2: 3}[kind] + _FRACTION_BYTES[meta], 0
    if kind == BIT:
        return (meta >> 8) + (1 if meta & 0xFF else 0), 0
    if kind in (ENUM, SET):
        return meta, 0
    if kind in (VARCHAR, VAR_STRING, STRING):
        return 0, 1 if meta < 256 else 2
    if kind in (BLOB, GEOMETRY_TYPE, JSON):
        return 0, meta
    raise Unreadable(
        f"column {column.name} ({column.column_type}) is stored as a type ({kind}) that cannot be read from the binary "
        "log: MariaDB's COMPRESSED, or a time of before MySQL 5.6; rebuild the table without, and capture again with --resnapshot"
    )


def _decode(kind: int, meta: int, column: Column, size: int, prefix: int, words: Sequence[bytes] | None) -> Decode:
    if kind in _INTEGER_SIZES and column.data_type in _DECIMALS:
        return _whole_decimals(column, size)
    if kind in _INTEGER_SIZES:
        return partial(_integers, size=size, signed=not column.unsigned)
    if kind in (FLOAT, DOUBLE):
        return partial(_floats, size=size)
    if kind == NEWDECIMAL:
        return _decimals(column, meta & 0xFF, meta >> 8)
    if kind == DATE:
        return partial(_dates, column=column)
    if kind == DATETIME2:
        return partial(_datetimes, column=column, digits=meta)
    if kind == TIMESTAMP2:
        return partial(_timestamps, column=column, digits=meta)
    if kind == TIME2:
        return partial(distinct, size=size, text=lambda packed: time_text(packed.to_bytes(size, "big"), meta))
    if kind == YEAR:
        return lambda cells: (cells.array(np.where(years := cells.little(1), years + np.uint64(1900), 0), pa.int64()), [])
    if kind == BIT:
        return lambda cells: (cells.array(_bits(cells, size)), [])
    if kind in (ENUM, SET):
        named = column.values if words is None else tuple(map(text_decoder(column.charset or "utf8mb4", column.letters), words))
        if not named:
            raise Unreadable(
                f"column {column.name} was {'an ENUM' if kind == ENUM else 'a SET'} when it was logged, whose words the log does "
                "not name; set binlog_row_metadata=FULL on the server, and capture again with --resnapshot"
            )
        return partial(enums, column=column, size=size, words=named) if kind == ENUM else partial(sets, size=size, words=named)
    if kind == JSON:
        return partial(each, prefix=prefix, read=json_text)
    return strings(column, prefix, meta if kind == STRING and column.data_type in BYTES else 0)


def _integers(cells: Cells, size: int, signed: bool) -> tuple[pa.Array, Notes]:
    values = cells.little(size)
    if signed:  # the sign is the highest bit of its own bytes: up to the top and down again
        shift = 64 - 8 * size
        return cells.array((values << np.uint64(shift)).view(np.int64) >> shift), []
    return cells.array(values if size == 8 else values.view(np.int64)), []


def _whole_decimals(column: Column, size: int) -> Decode:
    if column.precision > _LONGEST_DECIMAL:
        raise Unreadable(f"column {column.name} was an integer when it was logged; capture again with --resnapshot")

    def decode(cells: Cells) -> tuple[pa.Array, Notes]:
        values, notes = _integers(cells, size, not column.unsigned)
        return pc.cast(values, pa.decimal128(20, 0)), notes

    return decode


def _floats(cells: Cells, size: int) -> tuple[pa.Array, Notes]:
    values = cells.little(size)
    return cells.array(values.astype(np.uint32).view(np.float32) if size == 4 else values.view(np.float64)), []


def _bits(cells: Cells, size: int) -> NDArray[np.uint64]:
    words: NDArray[np.uint64] = words_of(cells.data, ">u8")[cells.at]
    return words >> np.uint64(64 - 8 * size)


def _decimals(column: Column, precision: int, scale: int) -> Decode:
    if column.precision > _LONGEST_DECIMAL and scale != column.scale:
        raise Unreadable(f"column {column.name} has other decimals than when it was logged; capture again with --resnapshot")
    if precision > _SHORT_DECIMAL or column.precision > _LONGEST_DECIMAL:
        size, digits = decimal_decoder(precision, scale)

        def wide(cells: Cells) -> tuple[pa.Array, Notes]:
            spans = zip(cells.at.tolist(), cells.null.tolist(), strict=True)
            return pa.array([None if null else digits(cells.data[at : at + size]) for at, null in spans], pa.string()), []

        return wide
    return partial(_short_decimals, groups=decimal_groups(precision, scale), type_=pa.decimal128(precision, scale))


def _short_decimals(cells: Cells, groups: list[tuple[int, int]], type_: pa.DataType) -> tuple[pa.Array, Notes]:
    total, offset = np.zeros(len(cells.at), np.int64), 0
    negative = cells.little(1) < 0x80
    for size, digits in groups:
        part = cells.big(size, offset)
        if not offset:
            part ^= 0x80 << 8 * (size - 1)  # the sign, turned so that values sort as bytes
        part = np.where(negative, part ^ ((1 << 8 * size) - 1), part)
        total = total * 10**digits + part
        offset += size
    total = np.where(negative, -total, total)
    return _decimal128(cells.array(total), total, type_), []


def _decimal128(nulls: pa.Array, values: Ints, type_: pa.DataType) -> pa.Array:
    both = np.empty((len(values), 2), np.int64)
    both[:, 0], both[:, 1] = values, values >> 63
    return pa.Array.from_buffers(type_, len(values), [nulls.buffers()[0], pa.py_buffer(both)], nulls.null_count)


def _days(year: Ints, month: Ints, day: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """(days since 1970, whether there is such a day). Zero dates, and those that ALLOW_INVALID_DATES lets in, are none."""
    months = (year - 1970) * 12 + month - 1
    first, beyond = (m.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) for m in (months, months + 1))
    good = (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= beyond - first)
    return first + day - 1, good


def _only(cells: Cells, good: NDArray[np.bool_]) -> tuple[Cells, list[int]]:
    """The cells without the bad ones, and which those are."""
    bad = ~good & ~cells.null
    return (Cells(cells.data, cells.at, cells.null | bad), np.flatnonzero(bad).tolist()) if bad.any() else (cells, [])


def _dates(cells: Cells, column: Column) -> tuple[pa.Array, Notes]:
    packed = cells.little(3).astype(np.int64)
    year, month, day = packed >> 9, packed >> 5 & 15, packed & 31
    days, good = _days(year, month, day)
    kept, bad = _only(cells, good)
    return kept.array(days), [(i, no_date(column, f"{year[i]:04}-{month[i]:02}-{day[i]:02}")) for i in bad]


def _micros(cells: Cells, digits: int, offset: int) -> Ints:
    size = _FRACTION_BYTES[digits]
    return cells.big(size, offset) * _FRACTION_MICROS[size] if size else np.zeros(len(cells.at), np.int64)


def _datetimes(cells: Cells, column: Column, digits: int) -> tuple[pa.Array, Notes]:
    packed = cells.big(5) & 0x7FFFFFFFFF
    months, day = packed >> 22, packed >> 17 & 31
    hour, minute, second = packed >> 12 & 31, packed >> 6 & 63, packed & 63
    days, good = _days(months // 13, months % 13, day)
    micros = _micros(cells, digits, 5)
    kept, bad = _only(cells, good)
    notes = []
    for i in bad:
        text = f"{months[i] // 13:04}-{months[i] % 13:02}-{day[i]:02} {hour[i]:02}:{minute[i]:02}:{second[i]:02}"
        notes.append((i, no_date(column, text + _fraction(int(micros[i]), digits))))
    seconds = hour * 3600 + minute * 60 + second
    return kept.array(days * _DAY_MICROS + seconds * 1_000_000 + micros), notes


def _timestamps(cells: Cells, column: Column, digits: int) -> tuple[pa.Array, Notes]:
    seconds = cells.big(4)
    kept, bad = _only(cells, seconds != 0)
    note = no_date(column, "0000-00-00 00:00:00" + _fraction(0, digits))
    return kept.array(seconds * 1_000_000 + _micros(cells, digits, 4)), [(i, note) for i in bad]


def _fraction(micros: int, digits: int) -> str:
    return f".{micros:06}"[: digits + 1] if digits else ""
