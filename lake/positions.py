"""`meta.positions`: where each source stands beyond what the bronze rows themselves say, as appended facts.

- reached: every table named (with its generation) has all changes up to this position
- ended: a snapshot whose last chunk held no rows is complete; `version` is bronze's at that moment
- wanted: this generation of a table is no longer good (the source emptied or replaced the table), so a new snapshot is due
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import pyarrow as pa

from lake.crash import crash_point
from lake.delta import Lake

NAME = "meta.positions"
_SCHEMA = pa.schema(
    [
        ("fact", pa.int64()),
        ("source", pa.string()),
        ("kind", pa.string()),
        ("tables", pa.string()),
        ("position", pa.string()),
        ("version", pa.int64()),
        ("recorded_at", pa.timestamp("us", tz="UTC")),
    ]
)
_COMMENTS = {
    "fact": "number that grows within a source; the later fact holds",
    "tables": "JSON: bronze table -> generation of its snapshot",
    "position": "JSON that only the source's reader understands",
    "version": "bronze table's version that an `ended` fact belongs to",
}

Kind = Literal["reached", "ended", "wanted"]


@dataclass(frozen=True)
class Fact:
    number: int
    source: str
    kind: Kind
    tables: Mapping[str, int]
    position: Mapping[str, Any]
    version: int
    recorded_at: datetime


def record(
    lake: Lake, source: str, kind: Kind, tables: Mapping[str, int], position: Mapping[str, Any], *, number: int, version: int = -1
) -> Fact:
    """Append one fact. The caller holds the source's lock, so numbers cannot clash."""
    lake.create(NAME, _SCHEMA, comment="Where each source stands, as appended facts: the later one holds.", comments=_COMMENTS)
    fact = Fact(number, source, kind, dict(tables), dict(position), version, datetime.now(UTC))
    values = [number, source, kind, json.dumps(fact.tables), json.dumps(fact.position), version, fact.recorded_at]
    lake.append(NAME, pa.table([[value] for value in values], schema=_SCHEMA))
    crash_point("capture.positions.written")
    return fact


def facts(lake: Lake, source: str | None = None) -> list[Fact]:
    """All facts, or those of a source, oldest first."""
    if not lake.exists(NAME):
        return []
    rows = lake.read(NAME, filters=[("source", "=", source)] if source else None).sort_by("fact").to_pylist()
    return [
        Fact(
            r["fact"], r["source"], r["kind"], json.loads(r["tables"]), json.loads(r["position"]), r["version"], r["recorded_at"]
        )
        for r in rows
    ]
