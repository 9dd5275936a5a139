"""Parting a Parquet file at its row groups: the bytes of its pages are copied as they are, and only the footers are new.

An engine writes a large result as a few large files, and a merge has to copy each file that it touches. Files of one row group
each leave most of a table alone when only its last days change. No library parts files without decoding them.

Source: Apache Parquet format, `parquet.thrift` and "File Format"; Apache Thrift, "Thrift Compact protocol encoding".
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MAGIC = b"PAR1"
# Types of the compact protocol.
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)
# Fields of parquet.thrift.
_ROWS, _GROUPS = 3, 4  # FileMetaData
_COLUMNS, _GROUP_ROWS, _GROUP_OFFSET, _ORDINAL = 1, 3, 5, 7  # RowGroup
_CHUNK_OFFSET, _CHUNK_META, _INDEXES = 2, 3, (4, 5, 6, 7)  # ColumnChunk: the page indexes lie elsewhere in the file
_CHUNK_BYTES, _PAGES, _DICTIONARY, _BLOOM = 7, (9, 10), 11, (14, 15)  # ColumnMetaData


@dataclass
class _Value:
    """A value and its type; a struct is a dictionary from field to value, a list its elements and their type."""

    kind: int
    value: Any


def part(file: Path) -> list[Path]:
    """Files beside this one, each with one of its row groups, in order; the file itself is removed. One group: left alone."""
    with file.open("rb") as source:
        footer = _footer(source)
        groups = footer[_GROUPS].value[1]
        if len(groups) < 2:
            return [file]
        made = [file.with_name(f"{file.stem}-{number:04}{file.suffix}") for number in range(len(groups))]
        for target, group in zip(made, groups, strict=True):
            _write(source.fileno(), target, footer, group)
    file.unlink()
    return made


def _write(source: int, target: Path, footer: dict[int, _Value], group: _Value) -> None:
    chunks = [chunk.value for chunk in group.value[_COLUMNS].value[1]]
    metas = [chunk[_CHUNK_META].value for chunk in chunks]
    spans = [_span(meta) for meta in metas]
    begin, end = min(low for low, _ in spans), max(high for _, high in spans)
    shift = len(_MAGIC) - begin
    for chunk, meta in zip(chunks, metas, strict=True):
        for field in (*_PAGES, _DICTIONARY):
            if field in meta:
                meta[field].value += shift
        for field in _BLOOM:
            meta.pop(field, None)
        for field in _INDEXES:
            chunk.pop(field, None)
        chunk[_CHUNK_OFFSET].value = 0  # deprecated: writers are to set 0
    group.value.pop(_GROUP_OFFSET, None)
    group.value.pop(_ORDINAL, None)
    mine = {**footer, _ROWS: group.value[_GROUP_ROWS], _GROUPS: _Value(_LIST, (_STRUCT, [group]))}
    tail = b"".join(_encoded(_Value(_STRUCT, mine)))
    with target.open("wb") as out:
        out.write(_MAGIC)
        out.flush()
        _copy(source, out.fileno(), begin, end - begin)
        out.seek(0, os.SEEK_END)
        out.write(tail + struct.pack("<I", len(tail)) + _MAGIC)


def _span(meta: dict[int, _Value]) -> tuple[int, int]:
    starts = [meta[field].value for field in (*_PAGES, _DICTIONARY) if field in meta and meta[field].value > 0]
    return min(starts), min(starts) + meta[_CHUNK_BYTES].value


def _copy(source: int, target: int, begin: int, count: int) -> None:
    while count:
        done = os.sendfile(target, source, begin, count)
        begin, count = begin + done, count - done


def _footer(source: Any) -> dict[int, _Value]:
    source.seek(-8, os.SEEK_END)
    length = struct.unpack("<I", source.read(4))[0]
    source.seek(-8 - length, os.SEEK_END)
    found: dict[int, _Value] = _Reader(source.read(length)).value(_STRUCT)
    return found


class _Reader:
    """Reads values of the compact protocol from bytes."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def value(self, kind: int) -> Any:
        match kind:
            case 1 | 2:  # in a list; a field's type says it
                return self._byte() == _TRUE
            case 3:
                return self._byte()
            case 4 | 5 | 6:
                number = self._number()
                return (number >> 1) ^ -(number & 1)
            case 7:
                return self._take(8)
            case 8:
                return self._take(self._number())
            case 9 | 10:
                return self._list()
            case 12:
                return dict(self._fields())
        raise ValueError(f"a Parquet footer with type {kind} of Thrift's compact protocol")

    def _fields(self) -> Iterator[tuple[int, _Value]]:
        field = 0
        while head := self._byte():
            step, kind = head >> 4, head & 15
            field = field + step if step else self.value(_I16)
            yield field, _Value(kind, kind == _TRUE if kind in (_TRUE, _FALSE) else self.value(kind))

    def _list(self) -> tuple[int, list[_Value]]:
        head = self._byte()
        count, kind = head >> 4, head & 15
        count = self._number() if count == 15 else count
        return kind, [_Value(kind, self.value(kind)) for _ in range(count)]

    def _number(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte & 127) << shift
            if byte < 128:
                return number
            shift += 7

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _take(self, count: int) -> bytes:
        self._at += count
        return self._data[self._at - count : self._at]


def _encoded(given: _Value) -> Iterator[bytes]:
    kind, value = given.kind, given.value
    if kind in (_TRUE, _FALSE):
        yield bytes([_TRUE if value else _FALSE])
    elif kind == _BYTE:
        yield bytes([value])
    elif kind in (_I16, _I32, _I64):
        yield _number((value << 1) ^ (value >> 63))
    elif kind == _DOUBLE:
        yield value
    elif kind == _BINARY:
        yield _number(len(value)) + value
    elif kind in (_LIST, _SET):
        of, members = value
        yield bytes([len(members) << 4 | of]) if len(members) < 15 else bytes([0xF0 | of]) + _number(len(members))
        for member in members:
            yield from _encoded(member)
    else:
        last = 0
        for field, member in sorted(value.items()):
            own = (_TRUE if member.value else _FALSE) if member.kind in (_TRUE, _FALSE) else member.kind
            step = field - last
            yield bytes([step << 4 | own]) if 0 < step < 16 else bytes([own]) + b"".join(_encoded(_Value(_I16, field)))
            if member.kind not in (_TRUE, _FALSE):
                yield from _encoded(member)
            last = field
        yield b"\0"


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
