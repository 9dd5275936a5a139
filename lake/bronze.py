"""Bronze: a batch from a source becomes one Delta commit, rows and position together.

`_sequence` is an epoch and then the order within it: `epoch << 52 | order`. A snapshot's generation is its first epoch; a
failover to another server begins the next one. `_position` is one JSON for all rows of a batch:
`{generation, epoch, complete, base, rows, mode, key, at, chunk?, content?}`, where `at` is where to follow the source's log from,
`chunk` where an unfinished snapshot stopped, `base` the last complete generation while this one is unfinished, and `rows` how
many rows the table has so far.
"""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake.exceptions import DeltaError

from lake import maintenance
from lake.crash import crash_point
from lake.delta import Lake, join, schema_of
from lake.errors import PermanentFailure
from lake.fit import fit, grown
from lake.parquet import plain
from lake.positions import Fact, facts, reached_last
from lake.sources.base import OP, ORDER, SOURCE_TS, WARNINGS, Mode, Table

EPOCH_BITS = 52
TABLES = "meta.tables"
_END = 2**63 - 1
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
        (WARNINGS, pa.string()),
    ]
)
# What bronze adds to the source's columns.
COLUMNS = tuple(_OWN.names)
_COMMENTS = {
    OP: "r snapshot, c created, u updated, d deleted",
    "_sequence": "orders all changes of the table: epoch << 52 | order",
    "_position": "where to go on capturing after this batch (JSON)",
    SOURCE_TS: "when the source made the change; null in a snapshot",
    "_ingested_at": "when the batch was captured",
    "_batch": "the batch that brought the row; one commit",
    WARNINGS: "values that could not be kept as they are, such as a date that is none; null when all were",
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
    mode: Mode
    mirror: str


@dataclass(frozen=True)
class State:
    """What bronze says about itself. `last_complete` is the generation that silver uses; 0: none yet.

    `sequence` is the highest one; rows from `below` on belong to a snapshot that is not finished and do not count.
    """

    generation: int = 0
    complete: bool = False
    sequence: int = -1
    last_complete: int = 0
    position: Mapping[str, Any] | None = None

    @property
    def epoch(self) -> int:
        """Epoch of the last batch: the generation, or more after a failover."""
        return int((self.position or {}).get("epoch", self.generation))

    @property
    def below(self) -> int:
        return _END if self.complete or not self.generation else self.generation << EPOCH_BITS


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
        ended = fact.kind == "ended" and generation > found.last_complete and generation >= found.generation
        if ended and fact.versions.get(name, upto) <= upto:
            found = State(generation, True, max(found.sequence, generation << EPOCH_BITS), generation, fact.position)
    return found


def consistent(lake: Lake, known: Sequence[Fact]) -> dict[str, tuple[int, State]]:
    """Each captured table's version that belongs together with those of its source's other tables, and its state there.

    That is the version at which all tables of the source had reached the same position: a capture that was killed between two
    tables has brought one of them further. A table that has not gone on with the others since its last snapshot is as it is now.
    """
    reached, found = reached_last(known), {}
    for table in captured(lake):
        version = lake.version(table.name)
        if version < 0:
            continue
        now, fact = state(lake, table.name, version, known), reached.get(table.name)
        found[table.name] = version, now
        if fact is not None and fact.tables[table.name] == now.last_complete and fact.versions.get(table.name, version) < version:
            then = fact.versions[table.name]
            found[table.name] = then, state(lake, table.name, then, known)
    return found


def write(lake: Lake, name: str, rows: pa.Table, epoch: int, position: Mapping[str, Any], more: Iterable[pa.Table] = ()) -> int:
    """Commit one batch, which has the source's columns and `_op`, `_order`, `_source_ts`. Returns the table's version.

    `more` rows of the same columns are streamed into the same commit. New columns join the table; where a column has become
    wider in the source, the whole table is first written anew. Raises PermanentFailure where a column no longer fits.
    """
    constant = {"_position": json.dumps(position), "_ingested_at": datetime.now(UTC), "_batch": uuid.uuid4().hex}
    first = _with_own(rows, epoch, constant)
    try:
        lake.create(name, first.schema, comments=_COMMENTS)
        table = lake.open(name)
        known = schema_of(table)
        schema = grown(name, plain(first.schema), known)
        if any(schema.field(field.name).type != field.type for field in known):
            maintenance.rewrite(lake, name, pa.schema([schema.field(field.name) for field in known]))
            table = lake.open(name)
        parts = (fit(part, schema) for part in _stream(first, more, epoch, constant))
        crash_point("bronze.commit.before")
        data: pa.Table | pa.RecordBatchReader = next(parts)
        if more:
            data = pa.RecordBatchReader.from_batches(data.schema, _batches(data, parts))
        version = lake.append(name, data, merge_schema=len(schema) > len(known), table=table)
    except (OSError, DeltaError) as error:
        raise PermanentFailure(f"{name}: cannot write to {lake.root}: {_disk(error)}") from error
    crash_point("bronze.commit.after")
    return version


def _stream(first: pa.Table, more: Iterable[pa.Table], epoch: int, constant: Mapping[str, Any]) -> Iterator[pa.Table]:
    yield first
    for rows in more:
        yield _with_own(rows, epoch, constant)


def _batches(first: pa.Table, parts: Iterator[pa.Table]) -> Iterator[pa.RecordBatch]:
    yield from first.to_batches()
    for part in parts:
        yield from part.to_batches()


def _with_own(rows: pa.Table, epoch: int, constant: Mapping[str, Any]) -> pa.Table:
    """The rows with bronze's own columns first."""
    count = rows.num_rows
    own = {
        OP: rows.column(OP),
        "_sequence": pc.add(rows.column(ORDER), pa.scalar(epoch << EPOCH_BITS, pa.int64())),
        SOURCE_TS: rows.column(SOURCE_TS),
        WARNINGS: rows.column(WARNINGS) if WARNINGS in rows.column_names else pa.nulls(count, pa.string()),
        **{column: _repeated(value, _OWN.field(column).type, count) for column, value in constant.items()},
    }
    data = rows.drop_columns([column for column in (OP, ORDER, SOURCE_TS, WARNINGS) if column in rows.column_names])
    return pa.table({**{name: own[name] for name in COLUMNS}, **dict(zip(data.column_names, data.columns, strict=True))})


def _repeated(value: Any, kind: pa.DataType, count: int) -> pa.Array:
    """One value for every row. Texts as dictionaries: as plain texts `_position` and `_batch` took a third of a commit."""
    if pa.types.is_string(kind):
        return pa.repeat(pa.scalar(value, pa.string_view()), count)
    return pa.repeat(pa.scalar(value, kind), count)


def _tail(lake: Lake, name: str, version: int) -> tuple[int, dict[str, Any]] | None:
    """The highest `_sequence` and the position beside it, from the statistics and one file."""
    table = lake.open(name, version)
    actions = pa.table(table.get_add_actions(flatten=True))
    if not actions.num_rows:
        return None
    files = dict(zip(actions.column("path").to_pylist(), lake.files(name, version), strict=True))
    tops = actions.column("max._sequence").to_pylist() if "max._sequence" in actions.column_names else [None]
    if None in tops:  # a file that another tool wrote, without statistics
        found = lake.read(name, version, ["_sequence", "_position"])
    else:
        found = _last_rows(files[actions.column("path")[tops.index(max(tops))].as_py()])
    if not found.num_rows:
        return None
    top = pc.max(found.column("_sequence")).as_py()
    at = found.column("_position")[pc.index(found.column("_sequence"), top).as_py()].as_py()
    return top, json.loads(at)


def _last_rows(file: str) -> pa.Table:
    """The part of a file that holds its highest `_sequence`."""
    parquet = pq.ParquetFile(file)
    place = parquet.schema_arrow.names.index("_sequence")
    groups = range(parquet.metadata.num_row_groups)
    marks = [parquet.metadata.row_group(group).column(place).statistics for group in groups]
    told = all(mark is not None and mark.has_min_max for mark in marks)
    wanted = [max(groups, key=lambda group: marks[group].max)] if told else list(groups)
    return parquet.read_row_groups(wanted, columns=["_sequence", "_position"])


def _disk(error: Exception) -> str:
    text = str(error)
    return "the disk is full; free space and run again" if "No space left" in text else text.splitlines()[0][:300]
