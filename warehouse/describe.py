"""Which tables a release holds, what they mean, and which Delta versions they are taken at."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lake.delta import Lake
from warehouse.history import commit_hash


@dataclass(frozen=True)
class Published:
    """A table as the warehouse knows it: `name` is the same in the lake and in the file."""

    name: str
    key: tuple[str, ...] = ()
    grain: str = ""
    doc: str = ""
    comments: Mapping[str, str] = field(default_factory=dict)

    @property
    def schema(self) -> str:
        return self.name.partition(".")[0]

    @property
    def table(self) -> str:
        return self.name.partition(".")[2]

    @property
    def sql_name(self) -> str:
        return f"{quoted(self.schema)}.{quoted(self.table)}"


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


def published(lake: Lake, tables: Mapping[str, Any], mirrors: Collection[str], built: Collection[str]) -> list[Published]:
    """Every gold table of the lake, and those of `mirrors` that are there and still are tables.

    `tables` are those of transforms.catalog; `built` names what a build ever made. A gold table that no build made (a model's
    scores) is published too, described by its own Delta metadata; one that a build made and nobody declares any more is not.
    """
    gold = [name for name in lake.names("gold") if name in tables or name not in built]
    silver = [name for name in sorted(mirrors) if name in tables and lake.exists(name)]
    return [_described(tables[name]) if name in tables else _undeclared(lake, name) for name in [*gold, *silver]]


def pin(lake: Lake, tables: Iterable[Published]) -> list[Pinned]:
    """The newest version of each table; the caller holds the build's lock, so that they belong together."""
    return [_pinned(lake, table) for table in tables]


def _pinned(lake: Lake, table: Published) -> Pinned:
    version = lake.open(table.name).version()
    return Pinned(table, version, commit_hash(lake, table.name, version))


def _described(table: Any) -> Published:
    return Published(table.name, tuple(table.key), table.grain, table.doc, dict(table.comments))


def _undeclared(lake: Lake, name: str) -> Published:
    comments = {f.name: f.metadata[b"comment"].decode() for f in lake.schema(name) if f.metadata and b"comment" in f.metadata}
    return Published(name=name, doc=str(lake.open(name).metadata().description or ""), comments=comments)
