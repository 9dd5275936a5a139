"""What a declared table is: its inputs, its update, its rules, as plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from transforms.rules import Rule

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# Columns of bronze that a silver table keeps, so that each row leads back to the change that made it.
LINEAGE = {"_sequence": "bigint", "_source_ts": "timestamp"}
_LOG = "changes."


@dataclass(frozen=True)
class Source:
    """A bronze table and the columns that a silver table takes from it, with Spark types; `?` marks an optional column."""

    name: str
    columns: Mapping[str, str]


@dataclass(frozen=True)
class Lookup:
    """How rows of an input touch rows of the driving input: `column` there equals `of` here.

    `uses` names the columns that the function takes from the input: a change in others touches nothing.
    """

    column: str
    of: str
    uses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rebuild:
    """Compute the whole table and commit the difference."""


@dataclass(frozen=True)
class ByKey:
    """Recompute the keys that changed in `input`; `keys` maps each key column to the input's column."""

    input: str
    keys: Mapping[str, str]


@dataclass(frozen=True)
class ByGroup:
    """Recompute the groups (columns of both the driving input, which is the first read, and the table) that a change touched.

    `across` names further inputs that have these columns: they too are cut down to the groups, and decide which ones.
    """

    columns: tuple[str, ...]
    across: tuple[str, ...] = ()


@dataclass(frozen=True)
class History:
    """Type 2: a version for each change of `columns` of natural key `of`, from the typed change log."""

    columns: tuple[str, ...]
    of: str
    valid_from: str


Update = Rebuild | ByKey | ByGroup | History


@dataclass(frozen=True)
class Table:
    """A declared table."""

    name: str
    grain: str
    key: tuple[str, ...]
    reads: tuple[str, ...]
    update: Update
    function: Callable[..., DataFrame]
    file: str
    fingerprint: str
    doc: str = ""
    sources: Mapping[str, Source] = field(default_factory=dict)
    lookups: Mapping[str, Lookup] = field(default_factory=dict)
    partition_by: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    pii: tuple[str, ...] = ()
    comments: Mapping[str, str] = field(default_factory=dict)
    unknown: bool = False
    strict: bool = False  # an update that would have to be a rebuild is refused
    dated: str = ""  # its column that says when, for backfills: a date, a timestamp or an int yyyymmdd …
    dated_there: str = ""  # … and what the driving input calls it
    also: tuple[str, ...] = ()  # inputs of the change log that it reads; no arguments of the function

    @property
    def inputs(self) -> tuple[str, ...]:
        """Everything whose change may change this table."""
        return tuple(dict.fromkeys([*self.reads, *self.also]))

    @property
    def driving(self) -> str:
        """The input whose rows decide which rows of this table change."""
        return self.update.input if isinstance(self.update, ByKey) else self.reads[0]

    @property
    def grouped(self) -> tuple[str, ...]:
        """The inputs that by_group cuts down to the groups."""
        return (self.driving, *self.update.across) if isinstance(self.update, ByGroup) else ()

    @property
    def depends(self) -> tuple[str, ...]:
        """Tables that must be built before this one: what it reads, what types its change log, what its rules refer to."""
        typing = [silver_of(read) for read in self.reads]
        referred = [given.table for given in self.rules]
        return tuple(dict.fromkeys(name for name in [*self.inputs, *typing, *referred] if name))

    @property
    def declares(self) -> tuple[str, ...]:
        """Columns that the function must return, because something in the declaration names them."""
        groups = self.update.columns if isinstance(self.update, ByGroup) else ()
        judged = [column for given in self.rules for column in (given.column, *given.unique)]
        named = [*self.key, *self.partition_by, *self.pii, *self.comments, *groups, self.dated, *judged]
        return tuple(dict.fromkeys(name for name in named if name))


def silver_of(read: str) -> str:
    """The silver table whose change log `read` is: silver.customers of changes.customers; empty of other inputs."""
    return f"silver.{read.removeprefix(_LOG)}" if read.startswith(_LOG) else ""
