"""All tables of this lake: the declared ones, and mirrors of what else is captured."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from lake import bronze, positions
from lake.bronze import Captured
from lake.delta import Lake
from lake.errors import UsageError
from transforms import ref
from transforms.declaration import Source, Table, silver_of
from transforms.mirror import mirrors
from transforms.plan import At
from transforms.table import tables


@dataclass(frozen=True)
class Catalog:
    """Tables by name, why some of them cannot be built from what is captured, and the version of everything that is there."""

    tables: Mapping[str, Table]
    unfit: Mapping[str, str]
    at: dict[str, At]
    captured: Mapping[str, Captured]


def load(lake: Lake, built: Collection[str], declared: Mapping[str, Table] | None = None) -> Catalog:
    """The catalog of a lake as it is now; `built` names the tables that have been built before."""
    captured = {table.name: table for table in bronze.captured(lake)}
    declared = _with_logs(tables() if declared is None else declared)
    unfit = {name: why for name, table in declared.items() if name not in built and (why := _unfit(lake, table, captured))}
    # A captured table of another shape than the one that a declared table expects is useful as a mirror at least.
    taken = {read for name, table in declared.items() if name not in unfit for read in table.reads}
    found = {**declared, **mirrors(captured.values(), taken)}
    return Catalog(found, unfit, _versions(lake, found, captured), captured)


def _with_logs(declared: Mapping[str, Table]) -> dict[str, Table]:
    """A table that reads a change log depends on the code of the silver table that types it."""
    found = dict(declared)
    for name, table in declared.items():
        for read in table.reads:
            silver = declared.get(silver_of(read))
            if silver is not None:
                also = tuple(other for other in silver.reads if other != silver.driving)
                found[name] = dataclasses.replace(table, fingerprint=f"{table.fingerprint}+{silver.fingerprint}", also=also)
    return found


def _unfit(lake: Lake, table: Table, captured: Mapping[str, Captured]) -> str:
    for name, source in table.sources.items():
        if name in captured and lake.exists(name):
            missing = lacking(lake, name, source)
            if missing:
                return f"{name} has no column {', '.join(missing)}: it is mirrored as it is"
    return ""


def lacking(lake: Lake, name: str, source: Source) -> list[str]:
    """Required columns that a captured table does not have."""
    have = set(lake.schema(name).names)
    return [column for column, kind in source.columns.items() if column not in have and not kind.endswith("?")]


def _versions(lake: Lake, found: Mapping[str, Table], captured: Mapping[str, Captured]) -> dict[str, At]:
    facts = positions.facts(lake)
    at: dict[str, At] = {}
    for name, (version, state) in bronze.consistent(lake, facts).items():
        at[name] = At(version, state.last_complete, state.below)
    # What is below ref/ may come from anywhere: any Delta table that somebody put there can be read.
    given = {read: table.file for table in found.values() for read in table.reads if read.startswith("ref.")}
    for name in dict.fromkeys([*found, ref.SHOP, *given]):
        version = lake.version(name)
        if version >= 0:
            at[name] = At(version)
        elif name in given and name != ref.SHOP:
            raise UsageError(f"{given[name]}: reads {name}, and there is no Delta table in {lake.path(name)}")
    for table in found.values():
        for read in table.reads:
            silver = found.get(silver_of(read))
            if silver is not None and silver.driving in at:
                at[read] = at[silver.driving]
    return at
