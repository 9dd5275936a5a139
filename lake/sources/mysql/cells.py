"""Cells: the values of one column of the binary log by their places in a buffer, and how numpy and Arrow take them from there."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Notes = list[tuple[int, str]]  # (row, what could not be kept of its value)
Ints = NDArray[np.int64]

PADDING = 64  # bytes that must follow the last value, so that a gather of eight bytes never reads beyond the buffer


class Unreadable(Exception):
    """A column whose values in the log cannot be decoded exactly; the message names it."""


@dataclass(frozen=True)
class Cells:
    """Values of one column in `data`, a buffer with PADDING at its end: where each begins (0 where it is null)."""

    data: bytes
    at: Ints
    null: NDArray[np.bool_]

    def little(self, size: int, offset: int = 0) -> NDArray[np.uint64]:
        """`size` bytes (up to 8) from each place, as unsigned numbers with the lowest byte first."""
        return little(self.data, self.at + offset if offset else self.at, size)

    def big(self, size: int, offset: int = 0) -> Ints:
        """`size` bytes (up to 7) from each place, as numbers with the highest byte first."""
        words: NDArray[np.uint64] = words_of(self.data, ">u8")[self.at + offset if offset else self.at]
        return (words >> np.uint64(64 - 8 * size)).astype(np.int64)

    def array(self, values: NDArray[Any], type_: pa.DataType | None = None) -> pa.Array:
        return pa.array(values, type_, mask=self.null if self.null.any() else None)

    def of(self, prefix: int, skip: int = 0) -> tuple[Ints, Ints]:
        """(start, end) of each value that has its length in `prefix` bytes before it; null ones are empty."""
        start = self.at + prefix
        end = np.where(self.null, start, start + self.little(prefix).astype(np.int64))
        return np.minimum(start + skip, end), end

    def binary(self, start: Ints, end: Ints) -> pa.Array:
        """The bytes between, as an Arrow array."""
        # An array over the whole buffer, of values and of gaps in turn, costs no copy; `take` then copies the values alone.
        count = len(start)
        order = np.argsort(start, kind="stable") if np.any(start[1:] < end[:-1]) else None
        if order is not None:
            start, end = start[order], end[order]
        bounds = np.empty(2 * count + 1, np.int64)
        bounds[0:-1:2], bounds[1::2], bounds[-1] = start, end, end[-1] if count else 0
        large = len(self.data) >= 2**31
        offsets = pa.py_buffer(bounds if large else bounds.astype(np.int32))
        whole = pa.Array.from_buffers(
            pa.large_binary() if large else pa.binary(), 2 * count, [None, offsets, pa.py_buffer(self.data)]
        )
        taken = np.arange(0, 2 * count, 2)
        if order is not None:
            back = np.empty(count, np.int64)
            back[order] = taken
            taken = back
        found = whole.take(pa.array(taken, mask=self.null if self.null.any() else None))
        return pc.cast(found, pa.binary()) if large else found

    def raw(self, start: Ints, end: Ints) -> Iterator[bytes | None]:
        """The bytes between, one value at a time."""
        for first, beyond, null in zip(start.tolist(), end.tolist(), self.null.tolist(), strict=True):
            yield None if null else self.data[first:beyond]


Decode = Callable[[Cells], tuple[pa.Array, Notes]]


@dataclass(frozen=True)
class Codec:
    """How long a value is (`size` bytes, or as `prefix` bytes before it say) and what it means; None: only stepped over."""

    size: int
    prefix: int
    decode: Decode | None


def little(data: bytes, at: Ints, size: int) -> NDArray[np.uint64]:
    words: NDArray[np.uint64] = words_of(data, "<u8")[at]
    return words if size == 8 else words & np.uint64((1 << 8 * size) - 1)


def words_of(data: bytes, kind: str) -> NDArray[np.uint64]:
    # Eight bytes from every place in the buffer, as a view: what makes a gather of odd sizes at odd places one step.
    return np.ndarray((len(data) - 7,), kind, data, 0, (1,))  # type: ignore[call-overload, no-any-return]
