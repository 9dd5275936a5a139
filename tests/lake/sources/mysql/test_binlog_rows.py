"""Rows of any layout, written here in the binary log's format, come back as they were: by hypothesis, without a server."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lake.sources.base import Batch, Mark
from lake.sources.mysql import stream as log
from lake.sources.mysql.batch import Captured, decoded
from lake.sources.mysql.binlog import Changes
from lake.sources.mysql.cells import Unreadable
from lake.sources.mysql.images import CREATED, DELETED, UPDATED, shape
from lake.sources.mysql.rows import Layout, layout, table_map
from lake.sources.mysql.transaction import Entry, Transaction
from lake.sources.mysql.types import Column, map_column

TABLE = ("shop", "goods")


@dataclass(frozen=True)
class Type:
    """A column type: how the table map names it, values that it has, and how the log stores one."""

    column: Column
    kind: int
    meta: bytes
    values: st.SearchStrategy[Any]
    store: Callable[[Any], bytes]


def number(kind: int, size: int, name: str, signed: bool) -> Type:
    low, high = (-(2 ** (8 * size - 1)), 2 ** (8 * size - 1) - 1) if signed else (0, 2 ** (8 * size) - 1)
    column = Column("", name, name if signed else f"{name} unsigned")
    big = name == "bigint" and not signed  # a decimal in Arrow
    return Type(
        column,
        kind,
        b"",
        st.integers(low, high).map(Decimal if big else int),
        lambda v: int(v).to_bytes(size, "little", signed=signed),
    )


def decimal(precision: int, scale: int) -> Type:
    def store(value: Decimal) -> bytes:
        digits = "".join(map(str, value.as_tuple().digits)).zfill(precision)
        whole, fraction = digits[: precision - scale], digits[precision - scale :]
        head = len(whole) % 9
        groups = [whole[:head], *(whole[i : i + 9] for i in range(head, len(whole), 9))]
        groups += [fraction[i : i + 9] for i in range(0, len(fraction), 9)]
        raw = b"".join(int(group).to_bytes((0, 1, 1, 2, 2, 3, 3, 4, 4, 4)[len(group)], "big") for group in groups if group)
        raw = bytes([raw[0] ^ 0x80]) + raw[1:]
        return bytes(byte ^ 0xFF for byte in raw) if value < 0 else raw

    values = st.integers(-(10**precision) + 1, 10**precision - 1).map(
        lambda n: Decimal((int(n < 0), tuple(map(int, str(abs(n)))), -scale))  # scaleb would round to 28 digits
    )
    return Type(
        Column("", "decimal", f"decimal({precision},{scale})", precision=precision, scale=scale),
        246,
        bytes((precision, scale)),
        values,
        store,
    )


def text(kind: int, prefix: int, name: str, charset: str | None) -> Type:
    def store(value: Any) -> bytes:
        raw = value.encode() if isinstance(value, str) else value
        return len(raw).to_bytes(prefix, "little") + raw

    values = st.text(st.characters(codec="utf-8"), max_size=20) if charset else st.binary(max_size=20)
    meta = bytes((prefix,)) if kind == 252 else (100 if prefix == 1 else 400).to_bytes(2, "little")
    return Type(Column("", name, name, charset), kind, meta, values, store)


def moment(digits: int) -> Type:
    def store(value: datetime) -> bytes:
        months = value.year * 13 + value.month
        packed = 1 << 39 | months << 22 | value.day << 17 | value.hour << 12 | value.minute << 6 | value.second
        return packed.to_bytes(5, "big") + fraction(value.microsecond, digits)

    values = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)).map(lambda v: cut(v, digits).replace(tzinfo=UTC))
    return Type(Column("", "datetime", f"datetime({digits})"), 18, bytes((digits,)), values, store)


def stamp(digits: int) -> Type:
    def store(value: datetime) -> bytes:
        return int(value.timestamp()).to_bytes(4, "big") + fraction(value.microsecond, digits)

    values = st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1)).map(lambda v: cut(v, digits).replace(tzinfo=UTC))
    return Type(Column("", "timestamp", f"timestamp({digits})"), 17, bytes((digits,)), values, store)


def clock(digits: int) -> Type:
    def store(value: str) -> bytes:
        negative, (hours, minutes, rest) = value.startswith("-"), value.lstrip("-").split(":")
        seconds, _, micros = rest.partition(".")
        size = (digits + 1) // 2
        packed = (int(hours) << 12 | int(minutes) << 6 | int(seconds)) << 8 * size | int((micros or "0").ljust(size * 2, "0"))
        return ((0x800000 << 8 * size) + (-packed if negative else packed)).to_bytes(3 + size, "big")

    def shown(seconds: int, micros: int, negative: bool) -> str:
        tail = f".{micros:06}"[: digits + 1] if digits else ""
        plain = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{tail}"
        return f"-{plain}" if negative and plain.strip("0:.") else plain

    values = st.builds(shown, st.integers(0, 838 * 3600), st.integers(0, 999_999), st.booleans())
    return Type(Column("", "time", f"time({digits})"), 19, bytes((digits,)), values, store)


def fraction(micros: int, digits: int) -> bytes:
    size = (digits + 1) // 2
    return (micros // (1, 10_000, 100, 1)[size]).to_bytes(size, "big")


def cut(value: datetime, digits: int) -> datetime:
    return value.replace(microsecond=value.microsecond // 10 ** (6 - digits) * 10 ** (6 - digits))


# ruff: noqa: E501  (one type a line reads best)
WORDS = ("small", "grün", "x,y")
TYPES = [
    *[number(kind, size, name, signed) for kind, size, name in ((1, 1, "tinyint"), (2, 2, "smallint"), (9, 3, "mediumint"), (3, 4, "int"), (8, 8, "bigint")) for signed in (True, False)],
    *[decimal(*digits) for digits in ((1, 0), (10, 2), (18, 5), (18, 18), (9, 0), (38, 10), (27, 27))],
    Type(Column("", "float", "float"), 4, b"\4", st.floats(width=32, allow_nan=False), lambda v: struct.pack("<f", v)),
    Type(Column("", "double", "double"), 5, b"\x08", st.floats(allow_nan=False), lambda v: struct.pack("<d", v)),
    Type(Column("", "date", "date"), 10, b"", st.dates(), lambda v: (v.year << 9 | v.month << 5 | v.day).to_bytes(3, "little")),
    *[make(digits) for make in (moment, stamp, clock) for digits in (0, 1, 3, 6)],
    Type(Column("", "year", "year"), 13, b"", st.integers(1901, 2155) | st.just(0), lambda v: bytes((v - 1900 if v else 0,))),
    Type(Column("", "bit", "bit(11)", precision=11), 16, bytes((3, 1)), st.integers(0, 2**11 - 1), lambda v: v.to_bytes(2, "big")),
    Type(Column("", "enum", "enum('small','grün','x,y')", "utf8mb4"), 254, bytes((247, 1)), st.sampled_from(("", *WORDS)), lambda v: bytes((("", *WORDS).index(v),))),
    Type(Column("", "set", "set('small','grün','x,y')", "utf8mb4"), 254, bytes((248, 1)), st.sets(st.sampled_from(WORDS)).map(lambda v: ",".join(w for w in WORDS if w in v)), lambda v: bytes((sum(1 << i for i, w in enumerate(WORDS) if w in v),))),
    text(15, 1, "varchar", "utf8mb4"), text(15, 2, "varchar", "utf8mb4"), text(15, 1, "varbinary", None),
    *[text(252, prefix, name, charset) for prefix, name, charset in ((1, "tinytext", "utf8mb4"), (2, "text", "utf8mb4"), (3, "mediumblob", None), (4, "longtext", "utf8mb4"))],
]  # fmt: skip


def lenenc(value: int) -> bytes:
    return bytes((value,)) if value < 251 else b"\xfc" + value.to_bytes(2, "little")


def named(types: list[Type]) -> dict[str, Type]:
    return {f"c{i}": one for i, one in enumerate(types)}


def map_event(types: dict[str, Type]) -> bytes:
    """A table map event with the columns' names, as binlog_row_metadata=FULL writes it."""
    metadata = b"".join(one.meta for one in types.values())
    names = b"".join(lenenc(len(name)) + name.encode() for name in types)
    head = (7).to_bytes(6, "little") + b"\1\0" + b"\4shop\0" + b"\5goods\0"
    kinds = bytes(one.kind for one in types.values())
    return (
        head + lenenc(len(types)) + kinds + lenenc(len(metadata)) + metadata + b"\xff" * ((len(types) + 7) // 8) + b"\4"
        + lenenc(len(names)) + names
    )  # fmt: skip


def rows_event(types: dict[str, Type], op: int, images: list[tuple[Any, ...]]) -> bytes:
    """A rows event (version 1); the bits beyond the last column are set, as the server sets them."""
    width = (len(types) + 7) // 8
    body = (7).to_bytes(6, "little") + b"\1\0" + lenenc(len(types)) + b"\xff" * width * (2 if op == UPDATED else 1)
    return body + b"".join(image(types, row) for row in images)


def image(types: dict[str, Type], row: tuple[Any, ...]) -> bytes:
    width = (len(types) + 7) // 8
    nulls = sum(1 << i for i in range(8 * width) if i >= len(row) or row[i] is None)
    stored = (one.store(value) for one, value in zip(types.values(), row, strict=True) if value is not None)
    return nulls.to_bytes(width, "little") + b"".join(stored)


def captured(types: dict[str, Type], key: tuple[str, ...]) -> tuple[Captured, Layout]:
    columns = {name: Column(name, *list(vars(one.column).values())[1:]) for name, one in types.items()}
    mapped = {name: map_column(column) for name, column in columns.items()}
    schema = pa.schema([(name, one.arrow) for name, one in mapped.items() if one])
    known: Any = mapped
    return Captured(TABLE, columns, known, key, schema, "UTC"), layout(table_map(map_event(types)), columns, key)


def entry(rows: Layout, op: int, body: bytes, order: int) -> Entry:
    return Entry(TABLE, shape(rows, op, body, 8), order, 1_700_000_000, body)


@st.composite
def logs(draw: st.DrawFn) -> tuple[dict[str, Type], list[tuple[int, list[tuple[Any, ...]]]]]:
    """A layout, and events of rows in it. The first column is the key."""
    types = named(draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=20)))
    row = st.tuples(*(one.values if i == 0 else st.none() | one.values for i, one in enumerate(types.values())))
    events = []
    for op in draw(st.lists(st.sampled_from((CREATED, UPDATED, DELETED)), min_size=1, max_size=6)):
        rows = draw(st.lists(row, min_size=1, max_size=5))
        if op == UPDATED:  # before and after, of the same key or of another
            pairs = [
                (before, (before[0], *after[1:]) if draw(st.booleans()) else after)
                for before, after in zip(rows, reversed(rows), strict=True)
            ]
            rows = [one for pair in pairs for one in pair]
        events.append((op, rows))
    return types, events


@given(logs())
@settings(max_examples=150, deadline=None)
def test_any_rows_of_any_layout_come_back(log: tuple[dict[str, Type], list[tuple[int, list[tuple[Any, ...]]]]]) -> None:
    types, events = log
    table, rows = captured(types, ("c0",))
    expected: list[tuple[Any, ...]] = []
    for op, images in events:
        if op != UPDATED:
            expected += [("cud"[op], *one) for one in images]
            continue
        for before, after in zip(images[::2], images[1::2], strict=True):
            store = types["c0"].store
            same = store(before[0]) == store(after[0])
            expected += [("u", *after)] if same else [("d", *before), ("c", *after)]
    entries = [entry(rows, op, rows_event(types, op, images), 1000 * i) for i, (op, images) in enumerate(events, 1)]
    found, free = decoded(table, entries, 0)
    values = zip(found.column("_op").to_pylist(), *(found.column(name).to_pylist() for name in types), strict=True)
    assert list(values) == expected
    orders = found.column("_order").to_pylist()
    assert orders == sorted(set(orders))
    assert orders[0] == 1000
    assert free == orders[-1] + 1


def test_what_is_no_date_is_null_and_noted_as_the_server_prints_it() -> None:
    types = named([number(3, 4, "int", True), TYPES_BY_NAME["date"], moment(0), moment(3), stamp(2)])
    table, rows = captured(types, ("c0",))

    def raw(key: int, day: tuple[int, int, int]) -> bytes:
        year, month, number = day
        packed = (year << 9 | month << 5 | number).to_bytes(3, "little")
        when = (1 << 39 | (year * 13 + month) << 22 | number << 17 | 23 << 12 | 59 << 6 | 58).to_bytes(5, "big")
        return b"\xe0" + struct.pack("<i", key) + packed + when + when + fraction(7000, 3) + bytes(5)

    body = rows_event(types, CREATED, []) + raw(1, (2021, 2, 31)) + raw(2, (0, 0, 0)) + raw(3, (2024, 2, 29))
    found, _ = decoded(table, [entry(rows, CREATED, body, 1)], 0)
    assert found.column("c1").to_pylist() == [None, None, date(2024, 2, 29)]
    assert found.column("_warnings").to_pylist() == [
        "c1: '2021-02-31' is no date; c2: '2021-02-31 23:59:58' is no date; c3: '2021-02-31 23:59:58.007' is no date; "
        "c4: '0000-00-00 00:00:00.00' is no date",
        "c1: '0000-00-00' is no date; c2: '0000-00-00 23:59:58' is no date; c3: '0000-00-00 23:59:58.007' is no date; "
        "c4: '0000-00-00 00:00:00.00' is no date",
        "c4: '0000-00-00 00:00:00.00' is no date",
    ]


def test_bytes_that_are_no_text_are_marked_and_noted() -> None:
    types = named([number(3, 4, "int", True), text(15, 1, "varchar", "utf8mb4")])
    table, rows = captured(types, ("c0",))
    body = rows_event(types, CREATED, [(1, "é")]) + b"\xfc" + struct.pack("<i", 2) + b"\3a\xe9b"
    found, _ = decoded(table, [entry(rows, CREATED, body, 1)], 0)
    assert found.column("c1").to_pylist() == ["é", "a\ufffdb"]
    assert found.column("_warnings").to_pylist() == [None, "c1: X'61e962' is no utf8mb4 text"]


def test_an_image_without_all_columns_is_refused_but_for_a_delete() -> None:
    """MINIMAL and NOBLOB leave out what a default or the row before tells: null would be a wrong value."""
    types = named([number(3, 4, "int", True), text(15, 1, "varchar", "utf8mb4"), number(3, 4, "int", True)])
    table, rows = captured(types, ("c0",))
    body = (7).to_bytes(6, "little") + b"\1\0" + b"\3" + b"\5" + b"\0" + struct.pack("<ii", 1, 2) + b"\2" + struct.pack("<i", 3)
    with pytest.raises(Unreadable, match=r"column c1 is not in every row image.*binlog_row_image=FULL"):
        entry(rows, CREATED, body, 1)
    found, _ = decoded(table, [entry(rows, DELETED, body, 1)], 0)
    assert [found.column(name).to_pylist() for name in types] == [[1, 3], [None, None], [2, None]]


@pytest.mark.parametrize("cut_at", range(1, 12))
def test_an_event_that_ends_too_early_is_refused(cut_at: int) -> None:
    types = named([number(3, 4, "int", True), text(15, 1, "varchar", "utf8mb4"), text(252, 4, "longtext", "utf8mb4")])
    table, rows = captured(types, ("c0",))
    body = rows_event(types, CREATED, [(1, "ab", "c")])
    with pytest.raises(Unreadable):
        decoded(table, [entry(rows, CREATED, body[:-cut_at], 1)], 0)


def test_events_with_more_rows_than_bytes_in_the_log_keep_their_order() -> None:
    types = named([number(1, 1, "tinyint", True)])
    table, rows = captured(types, ("c0",))
    bodies = [rows_event(types, CREATED, [(i,) for i in range(100)]) for _ in range(3)]
    entries = [entry(rows, CREATED, body, order) for body, order in zip(bodies, (10, 20, 500), strict=True)]
    found, free = decoded(table, entries, 15)
    assert found.column("_order").to_pylist() == [*range(15, 215), *range(500, 600)]
    assert free == 600


def test_a_large_transaction_lies_in_files_and_comes_back() -> None:
    types = named([number(3, 4, "int", True)])
    _, rows = captured(types, ("c0",))
    transaction = Transaction(100)
    for i in range(50):
        transaction.add(entry(rows, CREATED, rows_event(types, CREATED, [(i,)]), 1000 + i))
    assert transaction.spilled
    assert transaction.bytes < 100
    transaction.spill()
    spill = transaction.spilled[TABLE]
    back = list(spill.entries(1020))
    assert [one.body for one in back] == [rows_event(types, CREATED, [(i,)]) for i in range(50)]
    assert [one.order for one in back] == [max(1000 + i, 1020) for i in range(50)]
    assert spill.free(0) >= 1050
    transaction.clear()
    assert not transaction.tables


TYPES_BY_NAME = {one.column.data_type: one for one in TYPES}


def framed(kind: int, body: bytes) -> bytes:
    return struct.pack("<IBIIIH", 1_700_000_000, kind, 1, 19 + len(body), 0, 0) + body


def query(text: str) -> bytes:
    return bytes(4) + bytes(4) + b"\4" + bytes(2) + bytes(2) + b"shop\0" + text.encode()


def stream(groups: list[list[tuple[int, bytes]]], at: int = 4) -> list[log.Event]:
    """Events one after the other in a file, each where the server would say that it is."""
    events = []
    for kind, body in (event for group in groups for event in group):
        end = at + 19 + len(body)
        events += log._unpacked(log.Event(kind, 1_700_000_000, 1, "binlog.000001", 1, at, end, body)) if kind in log._PACKED else [
            log.Event(kind, 1_700_000_000, 1, "binlog.000001", 1, at, end, body)
        ]  # fmt: skip
        at = end
    return events


UUID = "3e11fa47-71ca-11e1-9e33-c80aa9429562"


def mysql_group(number: int, *events: tuple[int, bytes], begin: bool = True) -> list[tuple[int, bytes]]:
    gtid = b"\1" + bytes.fromhex(UUID.replace("-", "")) + number.to_bytes(8, "little") + b"\2" + bytes(16)
    return [(log.GTID_MYSQL, gtid), *([(log.QUERY, query("BEGIN"))] if begin else []), *events]


def read(events: list[log.Event], since: dict[str, Any], key: str = "c0") -> list[Any]:
    types = named([number(3, 4, "int", True)])
    table, _ = captured(types, (key,))
    target = {"server": "s", "file": "binlog.000001", "pos": events[-1].end, "gtid": "x"}
    return list(Changes({TABLE: table}, {TABLE: since}, (1, 10**6)).read(iter(events), since, target))


def inserts(*ids: int) -> list[tuple[int, bytes]]:
    types = named([number(3, 4, "int", True)])
    return [(log.TABLE_MAP, map_event(types)), (log.WRITE_V2, second(rows_event(types, CREATED, [(i,) for i in ids])))]


def second(body: bytes) -> bytes:
    """The same rows event in version 2, which has a further header."""
    return body[:8] + b"\2\0" + body[8:]


@pytest.mark.parametrize("compression", ["zstd", None])
def test_a_log_of_mysql_with_global_ids_and_compressed_transactions(compression: str | None) -> None:
    packed = b"".join(
        framed(kind, body) for kind, body in [(log.QUERY, query("BEGIN")), *inserts(*range(2, 300)), (log.XID, bytes(8))]
    )
    payload = bytes(pa.compress(packed, compression, asbytes=True)) if compression else packed
    kind = b"\0" if compression else b"\xfc\xff\0"  # 255, as a number that says its own length
    header = b"\2" + lenenc(len(kind)) + kind + b"\1\3\xfc" + len(payload).to_bytes(2, "little") + b"\0"
    events = stream(
        [
            mysql_group(6, *inserts(1), (log.XID, bytes(8))),
            mysql_group(7, (log.COMPRESSED_TRANSACTION, header + payload), begin=False),
            mysql_group(8, (log.QUERY, query("CREATE TABLE other (id INT)")), begin=False),
            mysql_group(9, *inserts(300), (log.XID, bytes(8))),
        ]
    )
    since = {"server": "s", "file": "binlog.000001", "pos": 4, "gtid": f"{UUID}:1-5"}
    changes = read(events, since)
    batches = [change for change in changes if isinstance(change, Batch)]
    assert [row for batch in batches for row in batch.rows.column("c0").to_pylist()] == list(range(1, 301))
    assert [batch.end["gtid"] for batch in batches] == [f"{UUID}:1-{last}" for last in (6, 7, 9)]
    orders = [order for batch in batches for order in batch.rows.column("_order").to_pylist()]
    assert orders == sorted(set(orders))
    assert isinstance(changes[-1], Mark)
    assert changes[-1].end["pos"] == events[-1].end
    # Whatever was committed, the rest follows, with the same places and orders or later ones.
    for batch in batches:
        rest = [change for change in read(events, dict(batch.end)) if isinstance(change, Batch)]
        assert [change.end for change in rest] == [other.end for other in batches if other.end["pos"] > batch.end["pos"]]
        assert all(change.rows.column("_order")[0].as_py() > batch.rows.column("_order")[-1].as_py() for change in rest)


def test_a_prepared_transaction_of_mysql_has_no_begin() -> None:
    body = b"\0" + (1).to_bytes(4, "little") + (1).to_bytes(4, "little") + (0).to_bytes(4, "little") + b"x"
    xid = "X'78',X'',1"
    events = stream(
        [
            mysql_group(
                6,
                (log.QUERY, query(f"XA START {xid}")),
                *inserts(1),
                (log.QUERY, query(f"XA END {xid}")),
                (log.XA_PREPARE, body),
                begin=False,
            ),
            mysql_group(7, *inserts(2), (log.XID, bytes(8))),
            mysql_group(8, (log.QUERY, query(f"XA COMMIT {xid}")), begin=False),
        ]
    )
    since = {"server": "s", "file": "binlog.000001", "pos": 4, "gtid": f"{UUID}:1-5"}
    batches = [change for change in read(events, since) if isinstance(change, Batch)]
    assert [batch.rows.column("c0").to_pylist() for batch in batches] == [[2], [1]]
    assert batches[0].end["xa"] == {"file": "binlog.000001", "pos": 4, "gtid": f"{UUID}:1-5"}
    assert "xa" not in batches[1].end
    assert batches[1].rows.column("_order")[0].as_py() > batches[0].rows.column("_order")[0].as_py()
