"""What every source reader gives: tables, a snapshot in chunks, and the changes since a position.

A reader never writes and has never heard of Delta. Only the reader looks inside a `Position`; everyone else stores it, as
JSON, and hands it back.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import pyarrow as pa

Position = Mapping[str, Any]
TableId = tuple[str, str]  # (database, table)
Mode = Literal["cdc", "cursor", "snapshot", "files"]

# Columns that a reader adds to the source's own: the operation, its place within the epoch, the source's clock, and what could
# not be kept of a value (null where all was; the column may be left out).
OP, ORDER, SOURCE_TS, WARNINGS = "_op", "_order", "_source_ts", "_warnings"
# Names that bronze needs for itself, so that no column of a source may have them.
RESERVED = (OP, ORDER, SOURCE_TS, WARNINGS, "_sequence", "_position", "_ingested_at", "_batch")
TIMESTAMP = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class Table:
    """One table of the source: its columns as Arrow types, its key (empty: none), and a guess of its rows.

    `error` says why it cannot be captured at all, `follow` how the reader follows a table that has a key.
    """

    id: TableId
    schema: pa.Schema
    key: tuple[str, ...]
    rows: int = 0
    error: str = ""
    follow: Mode = "cdc"

    @property
    def name(self) -> str:
        return ".".join(self.id)

    @property
    def mode(self) -> Mode:
        """How it is kept up to date: as `follow` says, but nothing can be followed without a key."""
        return self.follow if self.key or self.follow == "files" else "snapshot"


@dataclass(frozen=True)
class Batch:
    """Rows of one table, with `_op`, `_order`, `_source_ts` and perhaps `_warnings`; `end` is where to go on after them.

    `last` marks the final chunk of a snapshot (which may hold no rows). `more` are further rows of the same columns that do not
    fit in memory at once, such as those of a huge transaction: read once, in order, and committed together with `rows`.
    """

    table: TableId
    rows: pa.Table
    end: Position
    last: bool = False
    more: Iterable[pa.Table] = ()


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


@dataclass(frozen=True)
class Anew:
    """`_order` of this table begins anew after its position, because another server is followed now: the epoch is raised.

    Comes before any batch of the table.
    """

    table: TableId
    why: str


Change = Batch | Mark | Reset | Failed | Anew

# Told all keys that a table has in the source, in parts with a column `_part`, it gives the keys that the lake has besides, and
# those that the lake lacks, with their `_part`. So a reader compares without knowing where rows are kept.
Difference = Callable[[Table, Iterable[pa.Table]], tuple[pa.Table, pa.Table]]


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
