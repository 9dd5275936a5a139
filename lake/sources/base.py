"""What every source reader gives: tables, a snapshot in chunks, and the changes since a position.

A reader never writes and has never heard of Delta. Only the reader looks inside a `Position`; everyone else stores it, as
JSON, and hands it back.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import pyarrow as pa

Position = Mapping[str, Any]
TableId = tuple[str, str]  # (database, table)
Mode = Literal["cdc", "snapshot"]

# Columns that a reader adds to the source's own: the operation, its place within the epoch, and the source's clock.
OP, ORDER, SOURCE_TS = "_op", "_order", "_source_ts"
TIMESTAMP = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class Table:
    """One table of the source: its columns as Arrow types, its key (empty: none), and a guess of its rows.

    `error` says why it cannot be captured at all.
    """

    id: TableId
    schema: pa.Schema
    key: tuple[str, ...]
    rows: int = 0
    error: str = ""

    @property
    def name(self) -> str:
        return ".".join(self.id)

    @property
    def mode(self) -> Mode:
        return "cdc" if self.key else "snapshot"


@dataclass(frozen=True)
class Batch:
    """Rows of one table, with `_op`, `_order` and `_source_ts`; `end` is where to go on after them.

    `last` marks the final chunk of a snapshot (which may hold no rows).
    """

    table: TableId
    rows: pa.Table
    end: Position
    last: bool = False


@dataclass(frozen=True)
class Mark:
    """Every batch up to here has been given: all tables have reached `end`."""

    end: Position


@dataclass(frozen=True)
class Reset:
    """The source emptied, dropped or replaced this table by a statement: only a new snapshot knows its rows."""

    table: TableId
    why: str


@dataclass(frozen=True)
class Failed:
    """This table cannot go on; the others do."""

    table: TableId
    why: str


Change = Batch | Mark | Reset | Failed


class Reader(Protocol):
    """One connected source."""

    def tables(self) -> list[Table]: ...

    def position(self) -> Position:
        """The end of the source's log now. Raises PermanentFailure when changes cannot be read from it."""

    def probe(self, position: Position) -> None:
        """Raise what following the log from here would raise: better before a long snapshot than after it."""

    def snapshot(self, table: Table, after: Position | None) -> Iterator[Batch]:
        """All rows in chunks, from the start or after the `end` of an earlier chunk. The last batch has `last` set."""

    def fingerprint(self, table: Table) -> str:
        """A short text that is equal as long as the content of the table is, whatever the order of its rows."""

    def changes(self, since: Mapping[TableId, Position]) -> Iterator[Change]:
        """Changes of these tables since their positions, up to the end that the log had at the call."""

    def later(self, one: Position, other: Position) -> Position:
        """The later of two positions."""

    def close(self) -> None: ...
