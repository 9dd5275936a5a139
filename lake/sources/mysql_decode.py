"""One value of the binary log: from bytes to its wire value (see mysql_types), by the type that the log gives."""

import struct
from collections.abc import Callable, Sequence
from datetime import date
from functools import lru_cache
from typing import Any

from lake.sources.mysql_types import ADDRESSES, GEOMETRY, Column
from lake.sources.mysql_values import address_decoder, decimal_decoder, json_text, text_decoder, time_text

Read = Callable[[bytes, int], tuple[Any, int]]  # (buffer, offset) -> (value, offset after it)

(TINY, SHORT, LONG, FLOAT, DOUBLE, TIMESTAMP, LONGLONG, INT24, DATE, DATETIME, YEAR, VARCHAR, BIT) = (
    1, 2, 3, 4, 5, 7, 8, 9, 10, 12, 13, 15, 16,
)  # fmt: skip
TIMESTAMP2, DATETIME2, TIME2, JSON, NEWDECIMAL, ENUM, SET, BLOB, VAR_STRING, STRING, GEOMETRY_TYPE = (
    17, 18, 19, 245, 246, 247, 248, 252, 253, 254, 255,
)  # fmt: skip
_FRACTION_BYTES = (0, 1, 1, 2, 2, 3, 3)
_EPOCH = date(1970, 1, 1).toordinal()
_DAY_MICROS = 86_400_000_000


class Unreadable(Exception):
    """A column whose values in the log cannot be decoded exactly; the message names it."""


def reader(kind: int, meta: int, column: Column, words: Sequence[bytes] | None = None) -> Read:
    """The function that reads one value of a column, by its type in the log. `words` are an ENUM's or SET's at that time."""
    integer = _INTEGER_SIZES.get(kind)
    if integer:
        return _integer(integer, not column.unsigned)
    if kind in (FLOAT, DOUBLE):
        return _unpack(struct.Struct("<f" if kind == FLOAT else "<d"))
    if kind == NEWDECIMAL:
        return _decimal(meta & 0xFF, meta >> 8)
    if kind == DATE:
        return _date
    if kind == DATETIME2:
        return _datetime(meta)
    if kind == TIMESTAMP2:
        return _timestamp(meta)
    if kind == TIME2:
        return _time(meta)
    if kind == YEAR:
        return lambda data, at: (data[at] + 1900 if data[at] else 0, at + 1)
    if kind == BIT:
        return _bit((meta >> 8) + (1 if meta & 0xFF else 0))
    if kind in (ENUM, SET):
        known = column.values if words is None else tuple(map(text_decoder(column.charset or "utf8mb4", column.letters), words))
        return _words(kind, meta, known if column.data_type else ())
    if kind in (VARCHAR, VAR_STRING, STRING):
        return _string(column, 1 if meta < 256 else 2)
    if kind in (BLOB, GEOMETRY_TYPE):
        return _string(column, meta)
    if kind == JSON:
        return _prefixed(meta, json_text)
    raise Unreadable(f"column {column.name} ({column.column_type}) is of a type ({kind}) that cannot be read from the binary log")


_INTEGER_SIZES = {TINY: 1, SHORT: 2, INT24: 3, LONG: 4, LONGLONG: 8}


def _integer(size: int, signed: bool) -> Read:
    code = {1: "b", 2: "h", 4: "i", 8: "q"}.get(size)
    if code:
        return _unpack(struct.Struct("<" + (code if signed else code.upper())))
    return lambda data, at: (int.from_bytes(data[at : at + size], "little", signed=signed), at + size)


def _unpack(layout: struct.Struct) -> Read:
    unpack, size = layout.unpack_from, layout.size
    return lambda data, at: (unpack(data, at)[0], at + size)


def _decimal(precision: int, scale: int) -> Read:
    size, decode = decimal_decoder(precision, scale)
    return lambda data, at: (decode(data[at : at + size]), at + size)


@lru_cache(maxsize=20_000)  # a table's rows share few days, and a date object costs more than all else here
def _days(year: int, month: int, day: int) -> int | None:
    try:
        return date(year, month, day).toordinal() - _EPOCH
    except ValueError:  # a zero date, or one that ALLOW_INVALID_DATES let in
        return None


def _date(data: bytes, at: int) -> tuple[int | None, int]:
    packed = data[at] | data[at + 1] << 8 | data[at + 2] << 16
    return _days(packed >> 9, packed >> 5 & 15, packed & 31), at + 3


def _fraction(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "big") * (1, 10_000, 100, 1)[size] if size else 0


def _datetime(digits: int) -> Read:
    size = _FRACTION_BYTES[digits]

    def read(data: bytes, at: int) -> tuple[int | None, int]:
        packed = int.from_bytes(data[at : at + 5], "big") & 0x7FFFFFFFFF
        months = packed >> 22
        days = _days(months // 13, months % 13, packed >> 17 & 31)
        after = at + 5 + size
        if days is None:
            return None, after
        seconds = (packed >> 12 & 31) * 3600 + (packed >> 6 & 63) * 60 + (packed & 63)
        return days * _DAY_MICROS + seconds * 1_000_000 + _fraction(data, at + 5, size), after

    return read


def _timestamp(digits: int) -> Read:
    size = _FRACTION_BYTES[digits]

    def read(data: bytes, at: int) -> tuple[int | None, int]:
        seconds = int.from_bytes(data[at : at + 4], "big")
        return seconds * 1_000_000 + _fraction(data, at + 4, size) if seconds else None, at + 4 + size

    return read


def _time(digits: int) -> Read:
    size = 3 + _FRACTION_BYTES[digits]
    return lambda data, at: (time_text(data[at : at + size], digits), at + size)


def _bit(size: int) -> Read:
    return lambda data, at: (int.from_bytes(data[at : at + size], "big"), at + size)


def _words(kind: int, size: int, words: tuple[str, ...]) -> Read:
    if not words:  # of a column that is gone: stepped over
        return lambda data, at: (None, at + size)
    if kind == ENUM:
        named = ("", *words)  # 0 is the value of a wrong word
        return lambda data, at: (named[int.from_bytes(data[at : at + size], "little")], at + size)

    @lru_cache(maxsize=1000)
    def joined(bits: int) -> str:
        return ",".join(word for index, word in enumerate(words) if bits >> index & 1)

    return lambda data, at: (joined(int.from_bytes(data[at : at + size], "little")), at + size)


def _prefixed(size: int, decode: Callable[[bytes], Any]) -> Read:
    if size == 1:

        def short(data: bytes, at: int) -> tuple[Any, int]:
            end = at + 1 + data[at]
            return decode(data[at + 1 : end]), end

        return short

    def read(data: bytes, at: int) -> tuple[Any, int]:
        start = at + size
        end = start + int.from_bytes(data[at:start], "little")
        return decode(data[start:end]), end

    return read


def _string(column: Column, size: int) -> Read:
    if column.data_type in GEOMETRY:
        return _prefixed(size, lambda value: value[4:])  # the spatial reference id stands before the WKB
    if column.data_type in ADDRESSES:
        return _prefixed(size, address_decoder(column.data_type))
    if column.data_type == "binary":
        width = column.octets
        return _prefixed(size, lambda value: value.ljust(width, b"\0"))  # the log leaves out zeros at the end
    if column.charset in (None, "binary"):
        return _prefixed(size, bytes)
    return _prefixed(size, text_decoder(column.charset or "utf8mb4", column.letters))
