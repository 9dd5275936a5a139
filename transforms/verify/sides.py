"""The two sides of a comparison, as frames of the same columns and types: the source's rows, and silver's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

from lake import fit, quarantine
from lake.capture_report import Progress
from lake.delta import Lake
from lake.errors import PermanentFailure
from lake.parquet import plain
from lake.sources import base
from lake.sources.base import OP, ORDER, SOURCE_TS, TIMESTAMP, WARNINGS, Reader
from transforms.declaration import LINEAGE, ByKey, Table

if TYPE_CHECKING:
    from transforms.inputs import Inputs

_BATCH_ROWS = 65_536


@dataclass(frozen=True)
class Silver:
    """A silver table at one version, and the source's rows that are kept out of it."""

    lake: Lake
    table: Table
    version: int
    schema: pa.Schema

    def rows(self) -> Iterator[pl.DataFrame]:
        # Through Arrow's own file system: see Lake.read.
        files = SubTreeFileSystem(self.lake.path(self.table.name), LocalFileSystem())
        data = self.lake.open(self.table.name, self.version).to_pyarrow_dataset(filesystem=files)
        for batch in data.to_batches(columns=self.schema.names, batch_size=_BATCH_ROWS, batch_readahead=2, fragment_readahead=1):
            yield frame(_fitted(pa.Table.from_batches([batch]), self.schema))

    def held(self) -> pl.DataFrame:
        """Keys of the rows that wait in the quarantine of a declared table."""
        fields = [self.schema.field(name) for name in self.table.key]
        place = quarantine.name(self.table.name)
        keys = []
        if self.table.rules and self.lake.exists(place):
            keys = [json.loads(key) for key in self.lake.read(place, columns=["key"]).column("key").to_pylist()]
        columns = [pc.cast(pa.array([key[field.name] for key in keys]), field.type) for field in fields]
        return frame(pa.table(columns, schema=pa.schema(fields)))


@dataclass(frozen=True)
class Mirrored:
    """The source's rows as an automatic mirror has them: as they are."""

    reader: Reader
    source: base.Table
    schema: pa.Schema
    on_progress: Progress

    def rows(self) -> Iterator[pl.DataFrame]:
        done = 0
        for batch in self.reader.snapshot(self.source, None):
            yield frame(_fitted(self.computed(batch.rows), self.schema))
            done += batch.rows.num_rows
            self.on_progress(self.source.name, done, max(self.source.rows, done))

    def computed(self, rows: pa.Table) -> pa.Table:
        return rows

    def keys(self, rows: pa.Table, table: Table) -> set[tuple[Any, ...]]:
        """The silver table's keys of rows as the source's log has them, which of a delete may hold no more than that."""
        named = dict(table.update.keys) if isinstance(table.update, ByKey) else {}
        columns = [pc.cast(rows.column(named[name]), self.schema.field(name).type) for name in table.key]
        return set(zip(*(frame(pa.table({"key": column}))["key"].to_list() for column in columns), strict=True))


@dataclass(frozen=True)
class Declared(Mirrored):
    """The source's rows as the function of a declared table makes them, on the engine."""

    table: Table
    inputs: Inputs

    def computed(self, rows: pa.Table) -> pa.Table:
        from transforms.inputs import Bronze

        name, engine = self.table.driving, self.inputs.engine
        own = {
            OP: rows.column(OP),
            "_sequence": rows.column(ORDER),
            SOURCE_TS: rows.column(SOURCE_TS),
            "_ingested_at": pa.array([datetime.now(UTC)] * rows.num_rows, TIMESTAMP),
        }
        given = rows.drop_columns([column for column in (OP, ORDER, SOURCE_TS, WARNINGS) if column in rows.column_names])
        for column, values in own.items():
            given = given.append_column(column, values)
        typed = Bronze(self.inputs, name).typed(engine.frame(given), self.table.sources[name])
        frames = [typed if read == name else self.inputs.frame(read, self.table.sources.get(read)) for read in self.table.reads]
        return engine.arrow(self.table.function(*frames).select(*(f"`{column}`" for column in self.schema.names)))


def columns_of_mirror(name: str, silver: pa.Schema, source: pa.Schema) -> tuple[pa.Schema, tuple[str, ...]]:
    """The columns that both have, in types that hold the values of both, and notes on those that only one has."""
    fields = []
    for field in silver:
        if field.name in source.names:
            kind = fit.common(field.type, source.field(field.name).type)
            if kind is None:
                raise PermanentFailure(
                    f"{name}: column {field.name} is {field.type}, and {source.field(field.name).type} in the source"
                )
            fields.append(pa.field(field.name, kind))
    news = [column for column in source.names if column not in silver.names]
    gone = [column for column in silver.names if column not in source.names]
    notes = [f"not captured yet: column {', '.join(news)}"] if news else []
    notes += [f"dropped in the source, not compared: column {', '.join(gone)}"] if gone else []
    return pa.schema(fields), tuple(notes)


def columns_of_declared(silver: pa.Schema) -> pa.Schema:
    """All but those that lead back to bronze."""
    return pa.schema([field for field in silver if field.name not in LINEAGE])


def frame(rows: pa.Table) -> pl.DataFrame:
    found = pl.from_arrow(rows)
    return found if isinstance(found, pl.DataFrame) else found.to_frame()


def without(rows: Iterator[pl.DataFrame], held: pl.DataFrame, key: Sequence[str]) -> Iterator[pl.DataFrame]:
    """The rows whose key is not among those held."""
    for part in rows:
        yield part.join(held, on=list(key), how="anti", nulls_equal=True) if held.height else part


def _fitted(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    return pa.table([pc.cast(rows.column(field.name), field.type) for field in plain(schema)], schema=plain(schema))
