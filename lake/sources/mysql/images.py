"""Row images of many rows events, found abreast: all at once, or the first row of every event, then the second, and so on.

Source: MySQL Internals, "ROWS_EVENT". A row's length is only known once it has been walked (unless no column of it varies, and
none is null), but events don't depend on each other, so numpy can walk a thousand of them in one step. Events of thousands of
one-row transactions take one step in all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lake.sources.mysql.cells import Cells, Ints, Unreadable, little
from lake.sources.mysql.compressed import length
from lake.sources.mysql.rows import Layout

CREATED, UPDATED, DELETED = 0, 1, 2
OPS = ("c", "u", "d")


@dataclass(frozen=True)
class Places:
    """Where the values of some rows are: per column and row, the value's place (0 where it is null)."""

    at: Ints
    null: NDArray[np.bool_]
    event: Ints  # of each row
    op: NDArray[np.int8]

    def rows(self, which: Any) -> "Places":
        return Places(self.at[:, which], self.null[:, which], self.event[which], self.op[which])


@dataclass(frozen=True, eq=False)
class Shape:
    """What rows events have in common: the layout, the operation, and which columns an image holds (usually all)."""

    layout: Layout
    op: int
    header: int  # bytes of an event before its first image
    present: tuple[tuple[int, ...], ...]  # for each image of a row: before and after for an update, else one
    row_bytes: int  # a guess, until rows have been seen


def shape(layout: Layout, op: int, body: bytes, at: int) -> Shape:
    """The shape of an event whose table number, flags and extra header end at `at`. Raises Unreadable."""
    count, at = length(body, at)
    if count != len(layout.names):
        raise Unreadable(f"a row has {count} columns where its table map has {len(layout.names)}")
    width, present = (count + 7) // 8, []
    for _ in range(2 if op == UPDATED else 1):
        bits = int.from_bytes(body[at : at + width], "little")
        present.append(tuple(i for i in range(count) if bits >> i & 1))
        at += width
    for image in present:
        missing = [layout.names[i] for i in layout.key if i not in image]
        if missing:
            raise Unreadable(
                f"key column {missing[0]} is not in every row image; set binlog_row_image=FULL on the server, and capture again "
                "with --resnapshot"
            )
    wanted = [] if op == DELETED else [i for i, codec in enumerate(layout.codecs) if codec.decode]
    lacking = [layout.names[i] for i in wanted if i not in present[-1]]
    if lacking or present[0] != present[-1]:  # a session may choose images of its own, and keeps those that it began with
        raise Unreadable(
            f"{f'column {lacking[0]}' if lacking else 'a column'} is not in every row image; set binlog_row_image=FULL on the "
            "server, end the sessions that began before, and capture again with --resnapshot"
        )
    guess = sum(width + sum(codec.size or codec.prefix + 8 for codec in layout.codecs) for _ in present)
    return Shape(layout, op, at, tuple(present), guess)


def find(data: bytes, shape: Shape, starts: Ints, ends: Ints, numbers: Ints) -> Places:
    """The rows of events that lie at these places in `data`; `numbers` name the events. Not in order of event.

    An update whose key changes is a delete of the old key and an insert of the new one. Raises Unreadable.
    """
    steps = [_Step(shape.layout, image) for image in shape.present]
    at = starts + shape.header
    images, rows = _even(data, steps, at, ends, numbers) or _walked(data, steps, at, ends, numbers)
    after = Places(*images[-1], rows, np.full(len(rows), shape.op, np.int8))
    return _rekeyed(data, shape.layout, Places(*images[0], rows, after.op), after) if shape.op == UPDATED else after


Image = tuple[Ints, NDArray[np.bool_]]  # places and nulls


def _even(data: bytes, steps: Sequence["_Step"], at: Ints, end: Ints, numbers: Ints) -> tuple[list[Image], Ints] | None:
    """(images, event of each row) where every row has the same size, all in one step; None where it turns out otherwise."""
    size = sum(step.size or 0 for step in steps)
    if not all(step.size for step in steps) or np.any((end - at) % size):
        return None
    counts = (end - at) // size
    rows = np.repeat(at - size * (counts.cumsum() - counts), counts) + size * np.arange(counts.sum())
    images, next_ = [], rows
    for step in steps:
        places, null, next_ = step.take(data, next_)
        images.append((places, null))
    # A null makes its row shorter. The first such row is where we looked for it, so it shows itself.
    return (images, np.repeat(numbers, counts)) if np.array_equal(next_, rows + size) else None


def _walked(data: bytes, steps: Sequence["_Step"], at: Ints, end: Ints, event: Ints) -> tuple[list[Image], Ints]:
    found: list[list[Image]] = [[] for _ in steps]
    events = []
    while True:
        live = at < end
        if not live.all():
            at, end, event = at[live], end[live], event[live]
        if not len(at):
            break
        for step, into in zip(steps, found, strict=True):
            places, null, at = step.take(data, at)
            if np.any(at > end):
                raise Unreadable("a row is longer than its event")
            into.append((places, null))
        events.append(event)
    return [_joined(image, steps[0].columns) for image in found], np.concatenate([np.empty(0, np.int64), *events])


def merged(parts: Sequence[Places]) -> Places:
    """All rows, in the order of their events and within those as they came."""
    whole = parts[0] if len(parts) == 1 else Places(
        np.concatenate([part.at for part in parts], axis=1),
        np.concatenate([part.null for part in parts], axis=1),
        np.concatenate([part.event for part in parts]),
        np.concatenate([part.op for part in parts]),
    )  # fmt: skip
    if np.all(whole.event[1:] >= whole.event[:-1]):
        return whole
    return whole.rows(np.argsort(whole.event, kind="stable"))


class _Step:
    """Walks over one image of each event: runs of columns of fixed size in one go, and one column of variable size after each."""

    def __init__(self, layout: Layout, present: Sequence[int]) -> None:
        self._codecs, self._present, self.columns = layout.codecs, present, len(layout.codecs)
        self._absent = [i for i in range(len(layout.codecs)) if i not in set(present)]
        self._bitmap = np.arange((len(present) + 7) // 8)
        bits = np.zeros(8 * len(self._bitmap), np.uint8)
        bits[: len(present)] = 1
        self._used = np.packbits(bits, bitorder="little")  # the others may be anything
        self._runs: list[tuple[list[int], Ints, int, int | None]] = []
        run: list[int] = []
        for i in present:
            if not layout.codecs[i].prefix:
                run.append(i)
                continue
            self._runs.append((*self._offsets(run), i))
            run = []
        if run:
            self._runs.append((*self._offsets(run), None))

        # Bytes of an image without nulls; None where that varies.
        even = not any(layout.codecs[i].prefix for i in present)
        self.size = len(self._bitmap) + sum(layout.codecs[i].size for i in present) if even else None

    def _offsets(self, run: list[int]) -> tuple[list[int], Ints, int]:
        sizes = np.array([0, *(self._codecs[i].size for i in run)], np.int64).cumsum()
        return run, sizes[:-1, None], int(sizes[-1])

    def take(self, data: bytes, at: Ints) -> tuple[Ints, NDArray[np.bool_], Ints]:
        """(places, nulls, where the next image begins)."""
        bitmaps = np.frombuffer(data, np.uint8)[at[:, None] + self._bitmap] & self._used
        places = np.zeros((len(self._codecs), len(at)), np.int64)
        null = np.zeros((len(self._codecs), len(at)), bool)
        null[self._absent] = True
        at = at + len(self._bitmap)
        limit = len(data) - 8
        if bitmaps.any():
            bits = np.unpackbits(bitmaps, axis=1, bitorder="little").astype(bool)
            for index, i in enumerate(self._present):
                null[i], codec = bits[:, index], self._codecs[i]
                places[i] = np.where(null[i], 0, at)
                size = codec.prefix + little(data, at, codec.prefix).astype(np.int64) if codec.prefix else codec.size
                at = np.minimum(at + np.where(null[i], 0, size), limit)
            return places, null, at
        for run, offsets, size, variable in self._runs:
            places[run] = at + offsets
            at = at + size
            if variable is not None:
                places[variable] = at
                prefix = self._codecs[variable].prefix
                # A wrong length must end in an error, not beyond the buffer.
                at = np.minimum(at, limit)
                at = np.minimum(at + prefix + little(data, at, prefix).astype(np.int64), limit)
        return places, null, at


def _joined(steps: list[Image], columns: int) -> Image:
    if not steps:
        return np.empty((columns, 0), np.int64), np.empty((columns, 0), bool)
    if len(steps) == 1:
        return steps[0]
    return np.concatenate([at for at, _ in steps], axis=1), np.concatenate([null for _, null in steps], axis=1)


def _rekeyed(data: bytes, layout: Layout, before: Places, after: Places) -> Places:
    """Updates as rows: the after image, but a delete and an insert where the key changes."""
    changed = np.zeros(len(after.event), bool)
    for i in layout.key:
        one, other = (Cells(data, image.at[i], image.null[i]) for image in (before, after))
        changed |= differ(one, other, layout.codecs[i].size, layout.codecs[i].prefix)
    if not changed.any():
        return after
    turned = Places(after.at, after.null, after.event, np.where(changed, CREATED, UPDATED).astype(np.int8))
    old = before.rows(changed)
    old = Places(old.at, old.null, old.event, np.full(len(old.event), DELETED, np.int8))
    both = Places(
        np.concatenate([old.at, turned.at], axis=1),
        np.concatenate([old.null, turned.null], axis=1),
        np.concatenate([old.event, turned.event]),
        np.concatenate([old.op, turned.op]),
    )
    place = np.concatenate([np.flatnonzero(changed) * 2, np.arange(len(turned.event)) * 2 + 1])
    return both.rows(np.argsort(place, kind="stable"))


def differ(one: Cells, other: Cells, size: int, prefix: int) -> NDArray[np.bool_]:
    """Whether the stored bytes of two columns differ, row by row."""
    if prefix:
        (start, end), (begin, stop) = one.of(prefix), other.of(prefix)
        different = end - start != stop - begin
        for i in np.flatnonzero(~different).tolist():
            different[i] = one.data[start[i] : end[i]] != other.data[begin[i] : stop[i]]
        return np.asarray(different | (one.null != other.null))
    bytes_ = np.frombuffer(one.data, np.uint8)
    wide = np.arange(size)
    different = np.any(bytes_[one.at[:, None] + wide] != bytes_[other.at[:, None] + wide], axis=1)
    return np.asarray(different | (one.null != other.null))
