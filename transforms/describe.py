"""What tables there are and how each one stands, from the declarations and from what the builds recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lake.config import Settings
from lake.delta import Lake
from transforms import catalog, progress
from transforms.declaration import ByGroup, ByKey, History, Table
from transforms.graph import Graph, lineage, star
from transforms.plan import order


@dataclass(frozen=True)
class Listed:
    """One table; `rows` and `built_at` are None where it was never built."""

    table: str
    grain: str
    update: str
    rows: int | None
    built_at: datetime | None
    file: str

    def row(self) -> dict[str, Any]:
        """For people to read."""
        built = self.built_at.replace(tzinfo=None).isoformat(" ", "seconds") if self.built_at else None
        return {**vars(self), "built_at": built}


def tables(settings: Settings, declared: Mapping[str, Table] | None = None) -> list[Listed]:
    """Every table, inputs first, mirrors too."""
    lake = Lake(settings.lake_root)
    found, built = _known(lake, declared), progress.last_builds(lake)
    return [
        Listed(
            name,
            found[name].grain,
            shown(found[name]),
            lake.count(name) if lake.exists(name) else None,
            built.get(name),
            found[name].file,
        )
        for name in order(found)
    ]


def graph(settings: Settings, *, erd: bool = False, declared: Mapping[str, Table] | None = None) -> Graph:
    """What reads what; with `erd` how the tables of gold refer to each other, with their columns where they are built."""
    lake = Lake(settings.lake_root)
    found = _known(lake, declared)
    if not erd:
        return lineage(found)
    gold = [name for name in found if name.startswith("gold.") and lake.exists(name)]
    return star(found, {name: {field.name: str(field.type) for field in lake.schema(name)} for name in gold})


def shown(table: Table) -> str:
    """How a table is kept up to date, as its declaration says it."""
    strict = ", strict" if table.strict else ""
    match table.update:
        case ByKey(input):
            return f"by_key({input}{strict})"
        case ByGroup(columns):
            return f"by_group({', '.join(columns)}{strict})"
        case History() as update:
            return f"history(of {update.of}{strict})"
        case _:
            return "rebuild()"


def _known(lake: Lake, declared: Mapping[str, Table] | None) -> Mapping[str, Table]:
    return catalog.load(lake, {table for table, _ in progress.load(lake)}, declared).tables
