"""Where rows are put that cannot be what their table asks for: `quarantine.<table>`, each with its reason and its text."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from lake.delta import Lake

SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("rule", pa.string()),
        ("reason", pa.string()),
        ("raw", pa.string()),
        ("_sequence", pa.int64()),
        ("quarantined_at", pa.timestamp("us", "UTC")),
    ]
)
COMMENTS = {
    "key": "key columns of the row, as JSON; of a file's line [file, line]",
    "rule": "the first rule that the row breaks, in the order of its table's file",
    "reason": "every rule that the row breaks",
    "raw": "the row as bronze has it, as JSON; of a gold table the row that was computed; of a file the text",
    "_sequence": "the change that brought the row; null in gold, and of a file",
}


@dataclass(frozen=True)
class Line:
    """Text of a file that is no record."""

    file: str
    line: int
    rule: str
    reason: str
    raw: str


def name(table: str) -> str:
    """silver.sales -> quarantine.sales; a gold table keeps its layer, so that two cannot clash."""
    layer, rest = table.split(".", 1)
    return f"quarantine.{rest}" if layer == "silver" else f"quarantine.{layer}_{rest}"


def add_lines(lake: Lake, table: str, lines: Sequence[Line]) -> int:
    """Put lines of files into quarantine, those that are not there yet; how many were new. Safe to repeat."""
    if not lines:
        return 0
    place, now = name(table), datetime.now(UTC)
    lake.create(place, SCHEMA, comment=f"Lines of files that {table} lacks, and why", comments=COMMENTS)
    keys = [json.dumps([line.file, line.line], ensure_ascii=False) for line in lines]
    between: list[tuple[str, str, object]] = [("key", ">=", min(keys)), ("key", "<=", max(keys))]
    held = {(row["key"], row["raw"]) for row in lake.read(place, columns=["key", "raw"], filters=between).to_pylist()}
    rows = [
        {"key": key, "rule": line.rule, "reason": line.reason, "raw": line.raw, "_sequence": None, "quarantined_at": now}
        for key, line in zip(keys, lines, strict=True)
        if (key, line.raw) not in held
    ]
    if rows:
        lake.append(place, pa.Table.from_pylist(rows, schema=SCHEMA))
    return len(rows)
