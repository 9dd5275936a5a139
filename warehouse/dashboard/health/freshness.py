"""How new each table is, from its source to the release."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl
import pyarrow as pa

from lake.config import Settings
from lake.delta import Lake
from lake.status import status
from transforms import catalog, graph, plan, progress
from transforms.declaration import silver_of
from warehouse.dashboard.health.sources import SourceStatus, of_sources, origins

CURRENT = "up to date"
_TABLES = {
    "table": pl.String(),
    "rows": pl.Int64(),
    "changed": pl.Datetime("us", "UTC"),
    "captured": pl.Datetime("us", "UTC"),
    "written": pl.Datetime("us", "UTC"),
    "version": pl.Int64(),
    "consumed": pl.Int64(),
    "standing": pl.String(),
}
_CAPTURED = {"ok": CURRENT, "unfinished": "its first snapshot is not complete"}


@dataclass(frozen=True)
class Known:
    """What the lake knows of its sources and its tables.

    `tables` has the sources' first: table, rows, `changed` (the source's clock at the newest change in bronze), `captured` (when
    capture last went on; of a table made of several sources that of the oldest), `written` (the last commit), version,
    `consumed` (the version up to which all who read it have read it), standing.
    """

    sources: tuple[SourceStatus, ...]
    tables: pl.DataFrame


def known(settings: Settings, now: datetime | None = None) -> Known:
    """How each source and each table of the lake stands."""
    now = now or datetime.now(UTC)
    lake = Lake(settings.lake_root)
    stand = status(settings, beside_source=False)
    seen = progress.load(lake)
    found = catalog.load(lake, {table for table, _ in seen})
    captured = {(table.source, f"{table.database}.{table.table}"): name for name, table in found.captured.items()}
    bronze = {captured[one.source, one.table]: one for one in stand}
    sources = {one.name: one for one in of_sources(settings, lake, stand, now)}
    steps = {step.table: step for step in plan.plan(found.tables, seen, found.at, unfit=found.unfit)}
    given = [name for name in found.at if name not in steps and name not in bronze and not name.startswith("changes.")]
    of_models = [name for name in lake.names("gold") if name not in steps]
    read = _consumed(found, seen)
    edges = [(edge.start, edge.end) for edge in graph.lineage(found.tables).edges]
    made_of = origins({name: one.source for name, one in bronze.items()}, edges)
    rows = []
    for name in [*bronze, *given, *steps, *of_models]:
        changed, standing = None, CURRENT
        behind = [sources[source] for source in sorted(made_of.get(name, ()))]
        if name in bronze:
            one = bronze[name]
            changed = one.last_change
            standing = _CAPTURED.get(one.state, f"{one.state}: {one.error}" if one.error else one.state)
        elif name in steps:
            standing = _standing(steps[name])
        late = [source for source in behind if source.late]
        if standing == CURRENT and late:
            standing = "; ".join(f"{source.name}: {source.told}" for source in late)
        marks = [source.captured for source in behind if source.captured]
        count, written, version = _held(lake, name)
        rows.append((name, count, changed, min(marks, default=None), written, version, read.get(name), standing))
    return Known(tuple(sources.values()), pl.DataFrame(rows, schema=_TABLES, orient="row"))


def beside(tables: pl.DataFrame, held: Mapping[str, int]) -> pl.DataFrame:
    """The tables of `known` with `in_release`, the version that a release holds, and what that adds to how they stand."""
    versions = pl.DataFrame({"table": list(held), "in_release": list(held.values())}, schema_overrides={"in_release": pl.Int64})
    joined = tables.join(versions, on="table", how="left", maintain_order="left")
    newer = (pl.col("in_release") < pl.col("version")) & (pl.col("standing") == CURRENT)
    absent = pl.col("table").str.starts_with("gold.") & pl.col("version").is_not_null() & pl.col("in_release").is_null()
    said = (
        pl.when(newer)
        .then(pl.lit("newer than this release"))
        .when(absent & (pl.col("standing") == CURRENT))
        .then(pl.lit("not in this release"))
        .otherwise("standing")
    )
    return joined.with_columns(standing=said)


def waiting(tables: pl.DataFrame) -> pl.DataFrame:
    """Those of `beside` that are not as new as they could be."""
    return tables.filter(pl.col("standing") != CURRENT)


def _standing(step: plan.Step) -> str:
    if step.how != "skip":
        return f"waits for a build: {step.why}"
    return CURRENT if step.why == "nothing new" else step.why


def _held(lake: Lake, name: str) -> tuple[int | None, datetime | None, int | None]:
    """Rows, last commit and version of a table, of its log alone; None where it is not there."""
    if not lake.exists(name):
        return None, None, None
    table = lake.open(name)
    [commit] = table.history(1)
    actions = pa.table(table.get_add_actions(flatten=True))
    counts = actions.column("num_records").to_pylist() if actions.num_rows else []
    # A file that another tool wrote without statistics does not tell its rows: then nobody knows their number.
    rows = None if None in counts else sum(counts)
    return rows, datetime.fromtimestamp(commit["timestamp"] / 1000, UTC), table.version()


def _consumed(found: catalog.Catalog, seen: plan.Progress) -> dict[str, int]:
    """The version of each table that every table that reads it has read; none where one of them was never built."""
    versions: dict[str, list[int]] = {}
    for name, table in found.tables.items():
        for read in table.inputs if name not in found.unfit else ():
            silver = found.tables.get(silver_of(read))
            fact = seen.get((name, read))
            versions.setdefault(silver.driving if silver else read, []).append(fact.version if fact else -1)
    return {name: min(read) for name, read in versions.items() if min(read) >= 0}
