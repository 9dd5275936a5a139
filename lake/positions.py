"""`meta.positions`: where each source stands beyond what the bronze rows themselves say, as appended facts.

- reached: every table named (with its generation) has all changes up to this position, at these versions of bronze
- ended: a snapshot whose last chunk held no rows is complete; `versions` has bronze's at that moment
- wanted: this generation of a table is no longer good (the source emptied or replaced the table), so a new snapshot is due
- paused, resumed: what an operator asked of a table
- failed: why a table, or with no table the whole source, could not go on; a later `reached` that names it clears it
"""

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import pyarrow as pa
from deltalake.exceptions import CommitFailedError

from lake.crash import crash_point
from lake.delta import Lake

logger = logging.getLogger(__name__)

NAME = "meta.positions"
_SCHEMA = pa.schema(
    [
        ("fact", pa.int64()),
        ("source", pa.string()),
        ("kind", pa.string()),
        ("tables", pa.string()),
        ("position", pa.string()),
        ("versions", pa.string()),
        ("epochs", pa.string()),
        ("recorded_at", pa.timestamp("us", tz="UTC")),
    ]
)
_COMMENTS = {
    "fact": "number that grows within a source; the later fact holds",
    "tables": "JSON: bronze table -> generation of its snapshot",
    "position": "JSON that only the source's reader understands; of a failure what it said",
    "versions": "JSON: bronze table -> its version when the fact was recorded",
    "epochs": "JSON: bronze table -> epoch of the changes that come next",
}
# Facts that later ones have overtaken are removed once there are so many.
_MOST = 500

Kind = Literal["reached", "ended", "wanted", "paused", "resumed", "failed"]


@dataclass(frozen=True)
class Fact:
    number: int
    source: str
    kind: Kind
    tables: Mapping[str, int]
    position: Mapping[str, Any]
    recorded_at: datetime
    versions: Mapping[str, int] = field(default_factory=dict)
    epochs: Mapping[str, int] = field(default_factory=dict)


def record(
    lake: Lake,
    source: str,
    kind: Kind,
    tables: Mapping[str, int],
    position: Mapping[str, Any],
    *,
    number: int,
    versions: Mapping[str, int] | None = None,
    epochs: Mapping[str, int] | None = None,
) -> Fact:
    """Append one fact. The caller holds the source's lock, so numbers cannot clash."""
    lake.create(NAME, _SCHEMA, comment="Where each source stands, as appended facts: the later one holds.", comments=_COMMENTS)
    fact = Fact(number, source, kind, dict(tables), dict(position), datetime.now(UTC), dict(versions or {}), dict(epochs or {}))
    texts = [json.dumps(part) for part in (fact.tables, fact.position, fact.versions, fact.epochs)]
    values = [number, source, kind, *texts, fact.recorded_at]
    lake.append(NAME, pa.table([[value] for value in values], schema=_SCHEMA), merge_schema=True)
    crash_point("capture.positions.written")
    return fact


def facts(lake: Lake, source: str | None = None) -> list[Fact]:
    """All facts, or those of a source, oldest first."""
    if not lake.exists(NAME):
        return []
    rows = lake.read(NAME, filters=[("source", "=", source)] if source else None).sort_by("fact").to_pylist()
    return [_fact(row) for row in rows]


def next_number(known: Sequence[Fact]) -> int:
    return known[-1].number + 1 if known else 1


def paused(known: Sequence[Fact]) -> set[str]:
    """Bronze tables that an operator has paused."""
    last = {name: fact.kind for fact in known if fact.kind in ("paused", "resumed") for name in fact.tables}
    return {name for name, kind in last.items() if kind == "paused"}


def failures(known: Sequence[Fact]) -> dict[str, Fact]:
    """The last failure of each bronze table that has not gone on since; under "" that of the source as a whole."""
    found: dict[str, Fact] = {}
    for fact in known:
        if fact.kind == "failed":
            found |= dict.fromkeys(fact.tables or ("",), fact)
        elif fact.kind == "reached":
            for name in ("", *fact.tables):
                found.pop(name, None)
    return found


def reached_last(known: Sequence[Fact]) -> dict[str, Fact]:
    """The last `reached` fact of each bronze table."""
    return {name: fact for fact in known if fact.kind == "reached" for name in fact.tables}


def prune(lake: Lake, source: str, known: Sequence[Fact]) -> None:
    """Remove overtaken facts of a source, once there are many. A clash with another source's commit leaves it for later."""
    old = overtaken(known)
    if len(old) < _MOST:
        return
    kept = {fact.number for fact in known} - old
    highest = max(old)
    spared = ", ".join(str(number) for number in sorted(kept) if number < highest) or "0"
    table = lake.open(NAME)
    try:
        table.delete(f"source = '{source}' and fact <= {highest} and fact not in ({spared})")
        table.optimize.compact()
    except CommitFailedError as error:
        logger.info("%s: not pruned this time: %s", NAME, error)


def overtaken(known: Sequence[Fact]) -> set[int]:
    """Numbers of the facts that no reader needs any more: all `reached` and `failed` ones but the last of each table."""
    needed: set[int] = {fact.number for fact in _needed(known)}
    return {fact.number for fact in known if fact.kind in ("reached", "failed")} - needed


def _needed(known: Sequence[Fact]) -> Collection[Fact]:
    last = [fact for fact in known if fact.kind == "reached"][-1:]
    return [*reached_last(known).values(), *failures(known).values(), *last]


def _fact(row: Mapping[str, Any]) -> Fact:
    parts = [json.loads(row.get(name) or "{}") for name in ("tables", "position", "versions", "epochs")]
    alone = row.get("version")  # how it was written before there were `versions`
    if not parts[2] and alone is not None and alone >= 0:
        parts[2] = dict.fromkeys(parts[0], alone)
    return Fact(row["fact"], row["source"], row["kind"], parts[0], parts[1], row["recorded_at"], parts[2], parts[3])
