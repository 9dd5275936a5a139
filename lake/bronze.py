"""Bronze: a batch from a source becomes one Delta commit, rows and position together.

`_sequence` is an epoch (the snapshot's generation) and then the order within it: `epoch << 52 | order`. `_position` is one JSON
for all rows of a batch: `{generation, complete, base, at, chunk?, content?}`, where `at` is where to follow the source's log
from, `chunk` where an unfinished snapshot stopped, and `base` the last complete generation while this one is unfinished.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake.exceptions import DeltaError

from lake.crash import crash_point
from lake.delta import Lake, join
from lake.errors import PermanentFailure
from lake.positions import Fact, facts
from lake.sources.base import OP, ORDER, SOURCE_TS, Table

EPOCH_BITS = 52
TABLES = "meta.tables"
_TIMESTAMP = pa.timestamp("us", tz="UTC")
# First, so that they are among the columns that Delta keeps statistics of, however wide the source's table is.
_OWN = pa.schema(
    [
        (OP, pa.string()),
        ("_sequence", pa.int64()),
        ("_position", pa.string()),
        (SOURCE_TS, _TIMESTAMP),
        ("_ingested_at", _TIMESTAMP),
        ("_batch", pa.string()),
    ]
)
_COMMENTS = {
    OP: "r snapshot, c created, u updated, d deleted",
    "_sequence": "orders all changes of the table: generation << 52 | order",
    "_position": "where to go on capturing after this batch (JSON)",
    SOURCE_TS: "when the source made the change; null in a snapshot",
    "_ingested_at": "when the batch was captured",
    "_batch": "the batch that brought the row; one commit",
}
_TABLES_SCHEMA = pa.schema(
    [
        ("fact", pa.int64()),
        *[(name, pa.string()) for name in ("name", "source", "database", "table")],
        ("key", pa.list_(pa.string())),
        ("mode", pa.string()),
        ("mirror", pa.string()),
        ("recorded_at", _TIMESTAMP),
    ]
)


@dataclass(frozen=True)
class Captured:
    """A table that is captured. An empty `key` means whole snapshots: the mirror is the last complete generation as it stands."""

    name: str
    source: str
    database: str
    table: str
    key: tuple[str, ...]
    mode: Literal["cdc", "snapshot"]
    mirror: str


@dataclass(frozen=True)
class State:
    """What bronze says about itself. `last_complete` is the generation that silver uses; 0: none yet."""

    generation: int = 0
    complete: bool = False
    sequence: int = -1
    last_complete: int = 0
    position: Mapping[str, Any] | None = None


def describe(source: str, table: Table) -> Captured:
    """The names that a source's table has in the lake."""
    database, name = table.id
    mirror = join("silver", f"{source}__{database}__{name}")
    return Captured(join("bronze", source, database, name), source, database, name, table.key, table.mode, mirror)


def captured(lake: Lake) -> list[Captured]:
    """Every table ever captured, sorted by name; the last fact of a name holds."""
    if not lake.exists(TABLES):
        return []
    last = {row["name"]: row for row in lake.read(TABLES).sort_by("fact").to_pylist()}
    columns = ("name", "source", "database", "table", "key", "mode", "mirror")
    return [Captured(**{**{c: last[name][c] for c in columns}, "key": tuple(last[name]["key"])}) for name in sorted(last)]


def register(lake: Lake, tables: Sequence[Captured]) -> None:
    """Record tables that are new or have changed; commits nothing otherwise."""
    known = {table.name: table for table in captured(lake)}
    news = [table for table in tables if known.get(table.name) != table]
    if not news:
        return
    lake.create(TABLES, _TABLES_SCHEMA, comment="Captured tables, as appended facts: the last one of a name holds.")
    rows = [
        (
            len(known) + lake.version(TABLES),
            t.name,
            t.source,
            t.database,
            t.table,
            list(t.key),
            t.mode,
            t.mirror,
            datetime.now(UTC),
        )
        for t in news
    ]
    lake.append(TABLES, pa.table([list(column) for column in zip(*rows, strict=True)], schema=_TABLES_SCHEMA))
    crash_point("capture.tables.registered")


def state(lake: Lake, name: str, version: int | None = None, known: Sequence[Fact] | None = None) -> State:
    """State of a bronze table, at a version or now. `known` are facts of its source that the caller has read already."""
    upto = lake.version(name) if version is None else version
    found = State()
    tail = _tail(lake, name, upto) if upto >= 0 else None
    if tail is not None:
        sequence, at = tail
        found = State(at["generation"], at["complete"], sequence, at["generation"] if at["complete"] else at["base"], at)
    for fact in facts(lake) if known is None else known:
        generation = fact.tables.get(name, 0)
        if fact.kind == "ended" and fact.version <= upto and generation > found.last_complete and generation >= found.generation:
            found = State(generation, True, max(found.sequence, generation << EPOCH_BITS), generation, fact.position)
    return found


def write(lake: Lake, name: str, rows: pa.Table, epoch: int, position: Mapping[str, Any]) -> int:
    """Commit one batch, which has the source's columns and `_op`, `_order`, `_source_ts`. Returns the table's version.

    Raises PermanentFailure where a column no longer fits the one in bronze.
    """
    count = rows.num_rows
    constant = {"_position": json.dumps(position), "_ingested_at": datetime.now(UTC), "_batch": uuid.uuid4().hex}
    own = {
        OP: rows.column(OP),
        "_sequence": pc.add(rows.column(ORDER), pa.scalar(epoch << EPOCH_BITS, pa.int64())),
        SOURCE_TS: rows.column(SOURCE_TS),
        **{column: pa.repeat(pa.scalar(value, _OWN.field(column).type), count) for column, value in constant.items()},
    }
    data = rows.drop_columns([OP, ORDER, SOURCE_TS])
    table = pa.table([own[field.name] for field in _OWN] + data.columns, schema=pa.schema([*_OWN, *data.schema]))
    try:
        lake.create(name, table.schema, comments=_COMMENTS)
        fitted, grown = _fit(name, table, lake.schema(name))
        crash_point("bronze.commit.before")
        version = lake.append(name, fitted, merge_schema=grown)
    except (OSError, DeltaError) as error:
        raise PermanentFailure(f"{name}: cannot write to {lake.root}: {_disk(error)}") from error
    crash_point("bronze.commit.after")
    return version


def _fit(name: str, rows: pa.Table, schema: pa.Schema) -> tuple[pa.Table, bool]:
    """The rows in bronze's types, and whether they bring new columns. A column that the source dropped stays, as null."""
    columns, fields = [], []
    for field in schema:
        if field.name not in rows.column_names:
            columns.append(pa.nulls(rows.num_rows, field.type))
        elif rows.schema.field(field.name).type == field.type:
            columns.append(rows.column(field.name))
        else:
            columns.append(_narrower(name, field, rows.column(field.name)))
        fields.append(pa.field(field.name, field.type))
    news = [column for column in rows.column_names if column not in schema.names]
    columns += [rows.column(column) for column in news]
    fields += [rows.schema.field(column) for column in news]
    return pa.table(columns, schema=pa.schema(fields)), bool(news)


def _narrower(name: str, field: pa.Field, values: pa.ChunkedArray) -> pa.ChunkedArray:
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    if any(kind(field.type) and kind(values.type) for kind in kinds):
        try:
            return pc.cast(values, field.type)
        except pa.ArrowInvalid:
            pass  # a value is too large: refused below, like every other change of type
    raise PermanentFailure(
        f"{name}: column {field.name} is {field.type} in bronze and {values.type} in the source; "
        "change it back, or remove the bronze table's folder to capture it anew"
    )


def _tail(lake: Lake, name: str, version: int) -> tuple[int, dict[str, Any]] | None:
    """The highest `_sequence` and the position beside it, from the statistics and one file."""
    table = lake.open(name, version)
    actions = pa.table(table.get_add_actions(flatten=True))
    if not actions.num_rows:
        return None
    # A space in the lake's own folder comes back as %20.
    files = dict(zip(actions.column("path").to_pylist(), map(unquote, table.file_uris()), strict=True))
    tops = actions.column("max._sequence").to_pylist() if "max._sequence" in actions.column_names else [None]
    if None in tops:  # a file that another tool wrote, without statistics
        found = lake.read(name, version, ["_sequence", "_position"])
    else:
        newest = actions.column("path")[tops.index(max(tops))].as_py()
        found = pq.read_table(files[newest], columns=["_sequence", "_position"])
    if not found.num_rows:
        return None
    top = pc.max(found.column("_sequence")).as_py()
    at = found.column("_position")[pc.index(found.column("_sequence"), top).as_py()].as_py()
    return top, json.loads(at)


def _disk(error: Exception) -> str:
    text = str(error)
    return "the disk is full; free space and run again" if "No space left" in text else text.splitlines()[0][:300]
