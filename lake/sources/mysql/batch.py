"""Rows events of one table as an Arrow table with bronze's columns. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pyarrow as pa

from lake.sources.base import OP, ORDER, SOURCE_TS, TIMESTAMP, WARNINGS, TableId
from lake.sources.mysql.cells import PADDING, Cells, Ints
from lake.sources.mysql.images import OPS, Places, Shape, find, merged
from lake.sources.mysql.rows import Layout
from lake.sources.mysql.transaction import Entry
from lake.sources.mysql.types import Column, Mapped, convert, out_of_range

# What is decoded at once. Arrays over the log take some ten times its bytes while they are made, and bronze's own columns some
# 300 bytes a row: a transaction of a million rows peaked at 670 MB as one piece, at 365 MB in these.
PIECE_BYTES, PIECE_ROWS = 8 * 2**20, 60_000


@dataclass(frozen=True)
class Captured:
    """A table as the log's reader needs it."""

    id: TableId
    columns: Mapping[str, Column]
    mapped: Mapping[str, Mapped]
    key: tuple[str, ...]
    schema: pa.Schema
    zone: str


def pieces(entries: Iterable[Entry], row_bytes: Mapping[Shape, float]) -> Iterator[list[Entry]]:
    """Entries in lists of about PIECE_BYTES or PIECE_ROWS, whichever is less; `row_bytes` is what rows have been seen to take."""
    piece: list[Entry] = []
    size, rows = 0, 0.0
    for entry in entries:
        piece.append(entry)
        size += len(entry.body)
        rows += len(entry.body) / row_bytes.get(entry.shape, entry.shape.row_bytes)
        if size >= PIECE_BYTES or rows >= PIECE_ROWS:
            yield piece
            piece, size, rows = [], 0, 0.0
    if piece:
        yield piece


def free_after(entries: Iterable[Entry], least: int) -> int:
    """An order that is free after the rows of these entries, if none is below `least`: no event has more rows than bytes."""
    for entry in entries:
        least = max(least, entry.order) + len(entry.body)
    return least


def decoded(table: Captured, entries: Sequence[Entry], least: int, *, noted: bool = False) -> tuple[pa.Table, int]:
    """(rows in the order of the log, the least order that is free after them); no row's order is below `least`.

    `_warnings` is there when there are any, or when `noted`. Raises Unreadable, ValueError, IndexError, or ArrowInvalid.
    """
    parts = []
    for layout, run in groupby(entries, key=lambda entry: entry.shape.layout):
        part, least = _run(table, layout, list(run), least)
        parts.append(part)
    rows = pa.concat_tables(parts) if len(parts) > 1 else parts[0]
    if not noted and rows.column(WARNINGS).null_count == rows.num_rows:
        rows = rows.drop_columns([WARNINGS])
    return rows, least


def _run(table: Captured, layout: Layout, entries: Sequence[Entry], least: int) -> tuple[pa.Table, int]:
    bodies = [entry.body for entry in entries]
    ends = np.fromiter(map(len, bodies), np.int64, len(bodies)).cumsum()
    starts = np.concatenate([[0], ends[:-1]])
    data = b"".join([*bodies, bytes(PADDING)])
    places = _places(data, entries, starts, ends)
    counts = np.bincount(places.event, minlength=len(entries))
    first, least = _orders(np.fromiter((entry.order for entry in entries), np.int64, len(entries)), counts, least)
    count = len(places.event)
    orders = np.repeat(first - counts.cumsum() + counts, counts) + np.arange(count)
    seconds = np.repeat(np.fromiter((entry.timestamp for entry in entries), np.int64, len(entries)), counts)
    arrays, notes = _columns(table, layout, data, places)
    own = {
        OP: pa.array(OPS, pa.string()).take(pa.array(places.op)),
        ORDER: pa.array(orders),
        SOURCE_TS: pa.array(seconds * 1_000_000).cast(TIMESTAMP),
        WARNINGS: _warnings(count, notes),
    }
    fields = [pa.field(name, array.type) for name, array in own.items()]
    return pa.table([*arrays, *own.values()], schema=pa.schema([*table.schema, *fields])), least


def _places(data: bytes, entries: Sequence[Entry], starts: Ints, ends: Ints) -> Places:
    """The rows of all events, a shape at a time: one-row transactions of inserts, updates and deletes are three steps."""
    by_shape: dict[Shape, list[int]] = {}
    for number, entry in enumerate(entries):
        by_shape.setdefault(entry.shape, []).append(number)
    found = []
    for shape, members in by_shape.items():
        numbers = np.array(members, np.int64)
        found.append(find(data, shape, starts[numbers], ends[numbers], numbers))
    return merged(found)


def _orders(bases: Ints, counts: Ints, least: int) -> tuple[Ints, int]:
    """(order of each event's first row, the next free one): the event's place in the log, unless rows before it reach beyond.

    They do where events are compressed, and hold more rows than bytes.
    """
    before = counts.cumsum() - counts
    first = before + np.maximum.accumulate(np.maximum(bases, least) - before)
    return first, int(first[-1] + counts[-1])


def _columns(table: Captured, layout: Layout, data: bytes, places: Places) -> tuple[list[pa.Array], list[tuple[int, str]]]:
    number = {name: i for i, name in enumerate(layout.names)}
    arrays, notes = [], []
    for field in table.schema:
        i = number.get(field.name)
        decode = layout.codecs[i].decode if i is not None else None
        if i is None or decode is None:
            arrays.append(pa.nulls(len(places.event), field.type))
            continue
        wire, found = decode(Cells(data, places.at[i], places.null[i]))
        arrays.append(convert(wire, table.mapped[field.name], table.zone))
        notes += found + out_of_range(wire, arrays[-1], table.columns[field.name])
    return arrays, notes


def _warnings(count: int, notes: list[tuple[int, str]]) -> pa.Array:
    if not notes:
        return pa.nulls(count, pa.string())
    by_row: dict[int, list[str]] = {}
    for row, note in notes:
        by_row.setdefault(row, []).append(note)
    return pa.array(["; ".join(by_row[row]) if row in by_row else None for row in range(count)], pa.string())
