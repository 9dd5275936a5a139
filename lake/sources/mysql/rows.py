"""Table map events of the binary log: how the rows of the events after them are laid out.

Source: MySQL Internals, "TABLE_MAP_EVENT"; optional metadata as of MySQL 8.0 and MariaDB 10.5.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lake.sources.mysql.cells import Codec, Unreadable
from lake.sources.mysql.compressed import length
from lake.sources.mysql.decode import (
    BIT,
    BLOB,
    DATETIME2,
    DOUBLE,
    ENUM,
    FLOAT,
    GEOMETRY_TYPE,
    JSON,
    NEWDECIMAL,
    SET,
    STRING,
    TIME2,
    TIMESTAMP2,
    VAR_STRING,
    VARCHAR,
    codec,
)
from lake.sources.mysql.types import Column

_NAMES, _SET_WORDS, _ENUM_WORDS = 4, 5, 6  # kinds of optional metadata
_KINDS = {
    "tinyint": 1, "smallint": 2, "int": 3, "float": 4, "double": 5, "bigint": 8, "mediumint": 9, "date": 10, "year": 13,
    "varchar": 15, "varbinary": 15, "bit": 16, "timestamp": 17, "datetime": 18, "time": 19, "json": 245, "decimal": 246,
    "enum": 247, "set": 248, "char": 254, "binary": 254,
}  # fmt: skip
_ONE_BYTE = {FLOAT, DOUBLE, BLOB, GEOMETRY_TYPE, JSON, TIME2, DATETIME2, TIMESTAMP2, 140}
_TWO_BYTES = {VARCHAR, VAR_STRING, BIT, NEWDECIMAL, 141}


@dataclass(frozen=True)
class TableMap:
    """A table map event: the columns' types, and their names where the server writes them (binlog_row_metadata=FULL)."""

    database: str
    table: str
    types: tuple[tuple[int, int], ...]  # (type, metadata)
    names: tuple[str, ...] | None = None
    enums: tuple[tuple[bytes, ...], ...] | None = None  # the words of each ENUM column, in order
    sets: tuple[tuple[bytes, ...], ...] | None = None


def table_name(body: bytes) -> tuple[int, str, str]:
    """(table id, database, table) of a table map event, without reading further."""
    end = 9 + body[8]
    start = end + 2
    return int.from_bytes(body[:6], "little"), body[9:end].decode(), body[start : start + body[end + 1]].decode()


def table_map(body: bytes) -> TableMap:
    _, database, table = table_name(body)
    at = 9 + len(database.encode()) + 1 + 1 + len(table.encode()) + 1
    count, at = length(body, at)
    kinds, at = body[at : at + count], at + count
    size, at = length(body, at)
    types, end = [], at
    for kind in kinds:
        width = 1 if kind in _ONE_BYTE else 2 if kind in _TWO_BYTES or kind == STRING else 0
        types.append(
            _string_type(body[end], body[end + 1])
            if kind == STRING
            else (kind, int.from_bytes(body[end : end + width], "little"))
        )
        end += width
    at += size + (count + 7) // 8
    names = enums = sets = None
    while at < len(body):
        kind = body[at]
        size, start = length(body, at + 1)
        field, at = body[start : start + size], start + size
        if kind == _NAMES:
            names = tuple(name.decode() for name in _texts(field))
        elif kind == _ENUM_WORDS:
            enums = tuple(_groups(field))
        elif kind == _SET_WORDS:
            sets = tuple(_groups(field))
    return TableMap(database, table, tuple(types), names, enums, sets)


def _string_type(first: int, second: int) -> tuple[int, int]:
    # A length beyond 255 borrows two bits of the type's byte.
    if first & 0x30 != 0x30:
        return first | 0x30, second | ((first & 0x30) ^ 0x30) << 4
    return first, second


def _texts(field: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(field):
        size, at = length(field, at)
        yield field[at : at + size]
        at += size


def _groups(field: bytes) -> Iterator[tuple[bytes, ...]]:
    at = 0
    while at < len(field):
        count, at = length(field, at)
        words = []
        for _ in range(count):
            size, at = length(field, at)
            words.append(field[at : at + size])
            at += size
        yield tuple(words)


@dataclass(frozen=True, eq=False)
class Layout:
    """How the rows of one table map event are laid out; `names` in the order of the log's columns, `key` indexes of them."""

    names: tuple[str, ...]
    codecs: tuple[Codec, ...]
    key: tuple[int, ...]


def layout(found: TableMap, columns: Mapping[str, Column], key: Sequence[str]) -> Layout:
    """Pair the log's columns with those that the table has now. Raises Unreadable where that cannot be done for certain."""
    names = found.names
    if names is None:
        if len(columns) != len(found.types):
            raise Unreadable(
                "its columns changed since they were logged, and the log has no names; "
                "set binlog_row_metadata=FULL on the server, and capture again with --resnapshot"
            )
        names = tuple(columns)
        for column, (kind, _) in zip(columns.values(), found.types, strict=True):
            if kind != _KINDS.get(column.data_type, kind):
                raise Unreadable(
                    f"column {column.name} was of another type when it was logged; set binlog_row_metadata=FULL on the server, "
                    "and capture again with --resnapshot"
                )
    missing = [name for name in key if name not in names]
    if missing:
        raise Unreadable(f"key column {missing[0]} is not in the log; the key changed since: capture again with --resnapshot")
    enums, sets = iter(found.enums or ()), iter(found.sets or ())
    codecs = []
    for name, (kind, meta) in zip(names, found.types, strict=True):
        # A column that is gone by now must still be stepped over.
        column = columns.get(name) or Column(name, "", "", "binary")
        words = next(enums, None) if kind == ENUM else next(sets, None) if kind == SET else None
        codecs.append(codec(kind, meta, column, words))
    return Layout(names, tuple(codecs), tuple(names.index(name) for name in key))
