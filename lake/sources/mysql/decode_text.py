"""Columns of text, words and bytes from the binary log: by one `take` where they are UTF-8 or bytes, else value by value."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake.sources.mysql.cells import Cells, Decode, Notes, Unreadable
from lake.sources.mysql.types import ADDRESSES, GEOMETRY, Column
from lake.sources.mysql.values import address_decoder, forgiving_decoder, text_decoder


def distinct(cells: Cells, size: int, text: Callable[[int], str], big: bool = True) -> tuple[pa.Array, Notes]:
    """Text that is made once for each value that there is."""
    found, which = np.unique(cells.big(size) if big else cells.little(size), return_inverse=True)
    # Cells that are null may hold anything: what has no text is theirs.
    used = np.zeros(len(found), bool)
    used[which[~cells.null]] = True
    texts = pa.array([text(int(value)) if there else None for value, there in zip(found, used, strict=True)], pa.string())
    return texts.take(cells.array(which)), []


def enums(cells: Cells, column: Column, size: int, words: tuple[str, ...]) -> tuple[pa.Array, Notes]:
    numbers = cells.little(size).astype(np.int64)
    if np.any(numbers[~cells.null] > len(words)):
        raise Unreadable(f"column {column.name} ({column.column_type}) has fewer words than when it was logged")
    return pa.array(["", *words], pa.string()).take(cells.array(numbers)), []  # 0 is the value of a wrong word


def sets(cells: Cells, size: int, words: tuple[str, ...]) -> tuple[pa.Array, Notes]:
    def joined(bits: int) -> str:
        return ",".join(word for index, word in enumerate(words) if bits >> index & 1)

    return distinct(cells, size, joined, big=False)


def strings(column: Column, prefix: int, width: int) -> Decode:
    """`width` is that of a BINARY column which is one of variable length by now, else 0."""
    if column.data_type in GEOMETRY:
        return lambda cells: (cells.binary(*cells.of(prefix, 4)), [])  # the spatial reference id stands before the WKB
    if column.data_type in ADDRESSES:
        return partial(each, prefix=prefix, read=address_decoder(column.data_type))
    if column.data_type == "binary" or width:
        return partial(_padded, prefix=prefix, width=column.octets if column.data_type == "binary" else width)
    if column.charset in (None, "binary"):
        return lambda cells: (cells.binary(*cells.of(prefix)), [])
    charset = column.charset or ""
    return partial(
        _text, prefix=prefix, column=column, plain=charset in ("utf8mb4", "utf8mb3", "utf8", "ascii") and not column.letters,
        read=text_decoder(charset, column.letters), forgiving=forgiving_decoder(charset),
    )  # fmt: skip


def _text(
    cells: Cells,
    prefix: int,
    column: Column,
    plain: bool,
    read: Callable[[bytes], str],
    forgiving: Callable[[bytes], str],
) -> tuple[pa.Array, Notes]:
    start, end = cells.of(prefix)
    if plain:
        try:
            return pc.cast(cells.binary(start, end), pa.string()), []  # checks that it is UTF-8
        except pa.ArrowInvalid:
            pass  # some value is not: found below, one by one
    values: list[str | None] = []
    notes: Notes = []
    for row, raw in enumerate(cells.raw(start, end)):
        try:
            values.append(None if raw is None else read(raw))
        except UnicodeDecodeError:
            assert raw is not None
            values.append(forgiving(raw))
            notes.append((row, f"{column.name}: X'{raw[:64].hex()}{'...' if len(raw) > 64 else ''}' is no {column.charset} text"))
    return pa.array(values, pa.string()), notes


def _padded(cells: Cells, prefix: int, width: int) -> tuple[pa.Array, Notes]:
    start, end = cells.of(prefix)
    if not np.any((end - start < width) & ~cells.null):
        return cells.binary(start, end), []
    # The log leaves out zeros at the end.
    return pa.array([raw if raw is None else raw.ljust(width, b"\0") for raw in cells.raw(start, end)], pa.binary()), []


def each(cells: Cells, prefix: int, read: Callable[[bytes], Any]) -> tuple[pa.Array, Notes]:
    return pa.array([raw if raw is None else read(raw) for raw in cells.raw(*cells.of(prefix))], pa.string()), []
