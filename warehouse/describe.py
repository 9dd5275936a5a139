"""Which tables a release holds, what they mean, and which Delta versions they are taken at."""

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from lake.delta import Lake, split
from warehouse.history import commit_hash

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Published:
    """A table as the warehouse knows it: `name` is its name in the lake; in SQL all parts after the first are joined by `__`."""

    name: str
    key: tuple[str, ...] = ()
    grain: str = ""
    doc: str = ""
    comments: Mapping[str, str] = field(default_factory=dict)

    @property
    def schema(self) -> str:
        return split(self.name)[0]

    @property
    def table(self) -> str:
        return "__".join(split(self.name)[1:])

    @property
    def sql_name(self) -> str:
        return f"{quoted(self.schema)}.{quoted(self.table)}"


class Described(Protocol):
    """What a table says about itself: transforms.declaration.Table does, and so do the tables that models write."""

    @property
    def name(self) -> str: ...
    @property
    def grain(self) -> str: ...
    @property
    def key(self) -> tuple[str, ...]: ...
    @property
    def doc(self) -> str: ...
    @property
    def comments(self) -> Mapping[str, str]: ...


@dataclass(frozen=True)
class Pinned:
    """A table at one version; `commit` is the hash of the commit that made it."""

    table: Published
    version: int
    commit: str


def quoted(name: str) -> str:
    """An identifier as SQL text."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string as SQL text."""
    return "'" + text.replace("'", "''") + "'"


def published(lake: Lake, tables: Mapping[str, Described], mirrors: Collection[str], built: Collection[str]) -> list[Published]:
    """Every gold table of the lake, and those of `mirrors` that are there and still are tables.

    `tables` are all that is described; `built` names what a build ever made. A gold table that no build made and nobody describes
    is published with its own Delta metadata; one that a build made and nobody declares any more is not.
    """
    gold = [name for name in lake.names("gold") if name in tables or name not in built]
    silver = [name for name in sorted(mirrors) if name in tables and lake.exists(name)]
    found = [_described(tables[name]) if name in tables else _undeclared(lake, name) for name in [*gold, *silver]]
    kept = without_clashes(found)
    for table in found:
        if table not in kept:
            log.warning("%s is not published: another table's name differs only in case, which DuckDB cannot tell", table.name)
    return kept


def without_clashes(tables: Iterable[Published]) -> list[Published]:
    """Without the tables that DuckDB, which ignores case, would take for an earlier one."""
    first: dict[str, Published] = {}
    for table in tables:
        first.setdefault(table.sql_name.casefold(), table)
    return list(first.values())


def pin(lake: Lake, tables: Iterable[Published]) -> list[Pinned]:
    """The newest version of each table; the caller holds the build's lock, so that they belong together."""
    return [_pinned(lake, table) for table in tables]


def _pinned(lake: Lake, table: Published) -> Pinned:
    version = lake.open(table.name).version()
    return Pinned(table, version, commit_hash(lake, table.name, version))


def _described(table: Described) -> Published:
    return Published(table.name, tuple(table.key), table.grain, table.doc, dict(table.comments))


def _undeclared(lake: Lake, name: str) -> Published:
    comments = {f.name: f.metadata[b"comment"].decode() for f in lake.schema(name) if f.metadata and b"comment" in f.metadata}
    return Published(name=name, doc=str(lake.open(name).metadata().description or ""), comments=comments)
