"""The rows events of a transaction until it is known whether it counts; beyond a bound they lie in files that nobody can see."""

import struct
import tempfile
from collections.abc import Iterator
from typing import IO, NamedTuple

from lake.sources.base import TableId
from lake.sources.mysql.images import Shape

_RECORD = struct.Struct("<IQII")  # shape, order, timestamp, size


class Entry(NamedTuple):
    """One rows event: `order` is the least that its rows may have in bronze, `timestamp` the server's clock."""

    table: TableId
    shape: Shape
    order: int
    timestamp: int
    body: bytes


class Transaction:
    """Entries in memory up to `limit` bytes, the earlier ones in a file for each table. Files go with the object."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.entries: list[Entry] = []
        self.bytes = 0
        self.spilled: dict[TableId, Spill] = {}
        self.unreadable: dict[TableId, str] = {}  # tables of which it has rows that cannot be read, and why
        self.followed: set[TableId] = set()  # tables whose rows may have followed a foreign key
        self.least = 0  # the order that no row may be below: that of its commit, where that came later

    def add(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.bytes += len(entry.body)
        if self.bytes >= self._limit:
            self.spill()

    def spill(self) -> None:
        for entry in self.entries:
            if entry.table not in self.spilled:
                self.spilled[entry.table] = Spill(entry.table)
            self.spilled[entry.table].add(entry)
        self.entries, self.bytes = [], 0

    @property
    def tables(self) -> set[TableId]:
        return {entry.table for entry in self.entries} | set(self.spilled)

    def clear(self) -> None:
        """Forget all, and give the disk back."""
        for spill in self.spilled.values():
            spill.close()
        self.entries, self.bytes, self.spilled, self.unreadable, self.followed, self.least = [], 0, {}, {}, set(), 0


class Spill:
    """Entries of one table in an unlinked file, which the system removes however the process ends."""

    def __init__(self, table: TableId) -> None:
        self._table = table
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="cartlake-")  # noqa: SIM115 (closed by close)
        self._shapes: dict[Shape, int] = {}
        self.bytes, self._first, self._beyond = 0, 0, 0

    def add(self, entry: Entry) -> None:
        number = self._shapes.setdefault(entry.shape, len(self._shapes))
        self._file.write(_RECORD.pack(number, entry.order, entry.timestamp, len(entry.body)))
        self._file.write(entry.body)
        self._first = self._first or entry.order
        self._beyond = max(self._beyond, entry.order) + len(entry.body)
        self.bytes += len(entry.body)

    def free(self, least: int) -> int:
        """An order that is free after all rows, if none is below `least`: no event has more rows than bytes."""
        return least + self.bytes if least > self._first else self._beyond

    def entries(self, least: int = 0) -> Iterator[Entry]:
        """All, once; none has an order below `least`."""
        shapes = list(self._shapes)
        self._file.seek(0)
        while head := self._file.read(_RECORD.size):
            number, order, timestamp, size = _RECORD.unpack(head)
            yield Entry(self._table, shapes[number], max(order, least), timestamp, self._file.read(size))

    def close(self) -> None:
        self._file.close()
