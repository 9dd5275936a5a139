"""MySQL's binary JSON, as the binary log has it, to the text that the server prints. Pure.

Source: MySQL's sql-common/json_binary.h (the format) and sql-common/json_dom.cc, `wrapper_to_string` (the text).
"""

import base64
import json
import struct
from collections.abc import Callable

from lake.sources.mysql.values import decimal_decoder, time_text

_SMALL_OBJECT, _LARGE_OBJECT, _SMALL_ARRAY, _LARGE_ARRAY, _LITERAL = range(5)
_INT16, _UINT16, _INT32, _UINT32, _INT64, _UINT64, _DOUBLE, _STRING, _OPAQUE = (*range(5, 13), 15)
_NUMBERS = {_INT16: "<h", _UINT16: "<H", _INT32: "<i", _UINT32: "<I", _INT64: "<q", _UINT64: "<Q"}
_INLINE_SMALL = {_LITERAL, _INT16, _UINT16}  # what stands beside its type, instead of where a pointer says
_INLINE_LARGE = _INLINE_SMALL | {_INT32, _UINT32}
_LITERALS = {0: "null", 1: "true", 2: "false"}
_TIMESTAMP, _DATE, _TIME, _DATETIME, _DECIMAL = 7, 10, 11, 12, 246  # types of a column, which an opaque value names
_LINE = 76  # letters of base64 before the server begins a new line
_FIXED = range(-14, 16)  # places of the point in which a number is written without an exponent


def json_text(value: bytes) -> str:
    """The text of a value of a JSON column. ValueError, IndexError or struct.error for one that is none."""
    return _text(value[0], value, 1) if value else "null"  # a column added as NOT NULL is empty in the rows before


def _text(kind: int, data: bytes, at: int) -> str:
    if kind in _NUMBERS:
        return str(struct.unpack_from(_NUMBERS[kind], data, at)[0])
    if kind == _STRING:
        size, at = _size(data, at)
        return _quoted(data[at : at + size])
    if kind == _LITERAL:
        return _LITERALS[data[at]]
    if kind == _DOUBLE:
        return _number(*struct.unpack_from("<d", data, at))
    if kind == _OPAQUE:
        size, begin = _size(data, at + 1)
        return _opaque(data[at], data[begin : begin + size])
    if kind > _LARGE_ARRAY:
        raise ValueError(f"a JSON value is of a type ({kind}) that is not known")
    return _nested(kind, data, at)


def _nested(kind: int, data: bytes, at: int) -> str:
    """An object or array. Its pointers count from its own beginning."""
    large = kind in (_LARGE_OBJECT, _LARGE_ARRAY)
    width, inline = (4, _INLINE_LARGE) if large else (2, _INLINE_SMALL)

    def pointer(place: int) -> int:
        return int(struct.unpack_from("<I" if large else "<H", data, place)[0])

    count, keys = pointer(at), at + 2 * width
    named = kind in (_SMALL_OBJECT, _LARGE_OBJECT)
    entries = keys + count * (width + 2) if named else keys
    parts = []
    for i in range(count):
        entry = entries + i * (1 + width)
        text = _text(data[entry], data, entry + 1 if data[entry] in inline else at + pointer(entry + 1))
        if named:
            key = keys + i * (width + 2)
            begin = at + pointer(key)
            text = f"{_quoted(data[begin : begin + int.from_bytes(data[key + width : key + width + 2], 'little')])}: {text}"
        parts.append(text)
    return f"{{{', '.join(parts)}}}" if named else f"[{', '.join(parts)}]"


def _size(data: bytes, at: int) -> tuple[int, int]:
    """A length in groups of seven bits, and the place after it."""
    size = shift = 0
    while True:
        size |= (data[at] & 0x7F) << shift
        if not data[at] & 0x80:
            return size, at + 1
        at, shift = at + 1, shift + 7


def _quoted(text: bytes) -> str:
    return json.dumps(text.decode(), ensure_ascii=False)


def _number(value: float) -> str:
    """The shortest digits that are this number, as Python has them too; the server uses an exponent elsewhere."""
    sign, (digits, _, power) = "-" if str(value)[0] == "-" else "", f"{abs(value)!r}".partition("e")
    whole, _, fraction = digits.partition(".")
    fraction = fraction if fraction != "0" else ""
    point = len(whole) + int(power or 0)
    letters = (whole + fraction).lstrip("0")
    point -= len(whole + fraction) - len(letters)
    letters = letters.rstrip("0")
    if not letters:
        return f"{sign}0.0"
    if point not in _FIXED and not 0 < point < len(letters):
        return f"{sign}{letters[0]}{'.' if letters[1:] else ''}{letters[1:]}e{point - 1}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{letters}"
    return f"{sign}{letters[:point].ljust(point, '0')}.{letters[point:] or '0'}"


def _opaque(kind: int, raw: bytes) -> str:
    known = _OPAQUES.get(kind)
    if known:
        return known(raw)
    letters = base64.b64encode(raw).decode()
    lines = r"\n".join(letters[i : i + _LINE] for i in range(0, len(letters), _LINE))
    return f'"base64:type{kind}:{lines}"'


def _decimal(raw: bytes) -> str:
    return decimal_decoder(raw[0], raw[1])[1](raw[2:])


def _clock(raw: bytes) -> str:
    packed = int.from_bytes(raw, "little", signed=True)
    return f'"{time_text((packed + (0x800000 << 24)).to_bytes(6, "big"), 6)}"'


def _moment(raw: bytes) -> str:
    packed = int.from_bytes(raw, "little", signed=True)
    months, day = packed >> 46, packed >> 41 & 31
    clock = f"{packed >> 36 & 31:02}:{packed >> 30 & 63:02}:{packed >> 24 & 63:02}.{packed & 0xFFFFFF:06}"
    return f'"{months // 13:04}-{months % 13:02}-{day:02} {clock}"'


def _day(raw: bytes) -> str:
    return f'{_moment(raw)[:11]}"'


_OPAQUES: dict[int, Callable[[bytes], str]] = {
    _DECIMAL: _decimal, _TIME: _clock, _DATETIME: _moment, _TIMESTAMP: _moment, _DATE: _day,
}  # fmt: skip
