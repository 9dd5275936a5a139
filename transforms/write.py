"""From a computed result to a commit: the rules applied, the key checked, and only the difference written."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lake.crash import crash_point
from lake.delta import Lake
from lake.errors import PermanentFailure
from lake.fit import fit
from transforms.compare import DELETE, difference, example_of_duplicate, is_unique, without
from transforms.declaration import Table
from transforms.engine import Engine
from transforms.inputs import MOST_ROWS, TooMuch
from transforms.near import quoted
from transforms.rules import FLAG, keeps_out, refuse_unknown

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# A table up to this size is compared in Python (0.1 s); a larger one in the engine.
SMALL = 200_000
# A larger difference is committed by replacing the table: MERGE of 500,000 scattered rows into 5 M took 3.7 s and 400 MB.
_LARGEST_MERGE = 500_000
# Up to this many values, keys are counted in Python, from the staged files: 5 M numbers took 0.5 s, and 0.7 in the engine.
_MOST_VALUES = 20_000_000


@dataclass
class Written:
    """What a step did: rows changed and checked, rows that break each rule, and those that had to stay out."""

    changed: int = 0
    checked: int = 0
    broken: dict[str, int] = field(default_factory=dict)
    kept_out: pa.Table | None = None  # with a column for each rule, true where it is broken


class RuleBroken(PermanentFailure):
    """Rows break a rule of level fail, so nothing was written; `written` has the counts of every rule."""

    def __init__(self, message: str, written: Written) -> None:
        super().__init__(message)
        self.written = written


@dataclass(frozen=True)
class Writer:
    """Writes results of one table. `flag` marks the rows of a frame that break a rule (see rules.flag)."""

    engine: Engine
    lake: Lake
    table: Table
    flag: Callable[[DataFrame], DataFrame]

    def whole(self, frame: DataFrame, few: bool = False) -> Written:
        """Make the table equal to `frame`. An equal result commits nothing. `few` says that a small result is expected."""
        name, schema = self.table.name, self._schema(frame)
        refuse_unknown(frame, self.table.rules, self.table.file)
        if not self.lake.exists(name):
            self.lake.create(
                name, schema, partition_by=self.table.partition_by, comment=self.table.doc, comments=self.table.comments
            )
        same = _columns(self.lake.schema(name)) == _columns(schema)
        rows = self.lake.count(name)
        if same and self.table.key and rows <= SMALL and (rows or few):
            with suppress(TooMuch):  # the result has outgrown Python: the engine writes it
                return self.part(frame, self.lake.read(name, columns=schema.names))
        staged, written = self._stage(frame)
        if same and rows:
            return self._commit_difference(staged, written)
        crash_point("transforms.staged")
        commented = [
            f.with_metadata({"comment": self.table.comments[f.name]}) if f.name in self.table.comments else f for f in schema
        ]
        written.changed = _rows(staged)
        if same and not written.changed:
            shutil.rmtree(staged, ignore_errors=True)
            return written
        self.lake.commit_staged(name, staged, "append" if same else "overwrite", None if same else pa.schema(commented))
        return written

    def part(self, frame: DataFrame, old: pa.Table) -> Written:
        """Make the rows `old` of the table equal to `frame`. Both are small. TooMuch when the columns are not the table's."""
        written, new = self._small(frame)
        rows = difference(old, new, self.table.key)
        crash_point("transforms.computed")
        if rows.num_rows:
            written.changed = self.lake.merge(self.table.name, rows, self.table.key, delete=DELETE, old=old)
        return written

    def keys(self, frame: DataFrame, keys: pa.Table) -> Written:
        """Make the rows of the table that have one of these keys equal to `frame`, without reading them first. As `part` else."""
        written, new = self._small(frame)
        gone = without(keys.cast(pa.schema([new.schema.field(column) for column in self.table.key])), new)
        crash_point("transforms.computed")
        if new.num_rows or gone.num_rows:
            rows = pa.concat_tables([fit(new, new.schema), fit(gone, new.schema)])  # `fit` lets all columns be null
            marks = pa.array([False] * new.num_rows + [True] * gone.num_rows, pa.bool_())
            written.changed = self.lake.merge(self.table.name, rows.append_column(DELETE, marks), self.table.key, delete=DELETE)
        return written

    def _small(self, frame: DataFrame) -> tuple[Written, pa.Table]:
        """A small result, computed: what stays of it is as the rules and the key want it."""
        if _columns(self._schema(frame)) != _columns(self.lake.schema(self.table.name)):
            raise TooMuch("its columns changed")
        flagged = self.engine.arrow(self.flag(frame).limit(MOST_ROWS + 1))
        if flagged.num_rows > MOST_ROWS:
            raise TooMuch(f"the changes touch more than {MOST_ROWS:,} of its rows")
        written, new = self._judge(flagged)
        duplicate = example_of_duplicate(new, self.table.key)
        if duplicate:
            raise self._not_unique(duplicate)
        return written, new

    def _schema(self, frame: DataFrame) -> pa.Schema:
        from pyspark.sql.pandas.types import to_arrow_schema

        from lake.parquet import plain

        schema = plain(to_arrow_schema(frame.schema, timezone="UTC"))
        absent = sorted(set(self.table.declares) - set(schema.names))
        if absent:
            raise PermanentFailure(f"{self.table.file}: declares {', '.join(absent)}, which the function does not return")
        return pa.schema([field.with_nullable(True) for field in schema])

    def _judge(self, flagged: pa.Table) -> tuple[Written, pa.Table]:
        """Count what breaks rules, and part the rows that stay from those kept out."""
        flags = [f"{FLAG}{number}" for number in range(len(self.table.rules))]
        frame = pl.DataFrame(flagged.select(flags)) if flags else pl.DataFrame()
        written = Written(checked=flagged.num_rows)
        self._count(written, frame.sum().row(0) if flags else ())
        columns = [name for name in flagged.column_names if name not in flags]
        out = [f"{FLAG}{number}" for number in keeps_out(self.table.rules)]
        if not out or not any(written.broken.values()):
            return written, flagged.select(columns)
        mask = pa.array(frame.select(pl.any_horizontal(out)).to_series().to_list(), pa.bool_())
        written.kept_out = flagged.filter(mask)
        return written, flagged.filter(pc.invert(mask)).select(columns)

    def _count(self, written: Written, counts: Sequence[int | None]) -> None:
        written.broken = {given.name: count or 0 for given, count in zip(self.table.rules, counts, strict=True)}
        for given in self.table.rules:
            count = written.broken[given.name]
            if count and given.level == "fail":
                raise RuleBroken(
                    f"{self.table.name}: {count:,} rows break rule {given.name!r} of {self.table.file}; nothing was written",
                    written,
                )

    def _stage(self, frame: DataFrame) -> tuple[str, Written]:
        """Compute and write the result once, judge it from its files, and return the folder of what may be committed."""
        from pyspark.sql import functions as F

        table, engine = self.table, self.engine
        first = self.lake.stage(table.name)
        engine.write(frame, first, table.partition_by)
        staged = engine.parquet([first], frame.schema).select(*quoted(frame.columns))
        written = Written(checked=_rows(first))
        flagged = self.flag(staged)
        flags = [f"{FLAG}{number}" for number in range(len(table.rules))]
        sums = [F.sum(F.col(flag).cast("bigint")).alias(flag) for flag in flags]
        counts = engine.arrow(flagged.agg(*sums)).to_pylist()[0] if sums else {}
        self._count(written, [counts[flag] for flag in flags])
        bad = " or ".join(flag for flag in (f"{FLAG}{number}" for number in keeps_out(table.rules)) if counts[flag])
        if not bad:
            self._check_key(first, staged)
            return first, written
        written.kept_out = engine.arrow(flagged.filter(bad))
        second = self.lake.stage(table.name)
        engine.write(flagged.filter(f"not ({bad})").select(*quoted(frame.columns)), second, table.partition_by)
        self._check_key(second, engine.parquet([second], frame.schema))
        shutil.rmtree(first)
        return second, written

    def _check_key(self, folder: str, rows: DataFrame) -> None:
        """PermanentFailure where staged files, `rows` as a frame, have a key more than once."""
        key = self.table.key
        if not key or is_unique(folder, key, _MOST_VALUES):
            return
        twice = self.engine.arrow(rows.groupBy(*quoted(key)).count().filter("count > 1").limit(1))
        if twice.num_rows:
            raise self._not_unique([twice.column(column)[0].as_py() for column in key])

    def _not_unique(self, example: Sequence[object]) -> PermanentFailure:
        shown = ", ".join(f"{column} = {value!r}" for column, value in zip(self.table.key, example, strict=True))
        return PermanentFailure(f"{self.table.name}: the key is not unique, for example {shown}; mend {self.table.file}")

    def _commit_difference(self, staged: str, written: Written) -> Written:
        """Commit what staged files change in a large table; the files themselves when that is most of it."""
        from pyspark.sql import functions as F

        name, key = self.table.name, self.table.key
        current = self.engine.read(self.lake.path(name), self.lake.version(name))
        columns = quoted(current.columns)
        new = self.engine.parquet([staged], current.schema).select(*columns)
        sides = new.withColumn("_side", F.lit(1)).unionByName(current.withColumn("_side", F.lit(-1)))
        apart = sides.groupBy(*columns).agg(F.sum("_side").alias("_side")).filter("_side <> 0")
        rows = self.engine.arrow(apart.limit(_LARGEST_MERGE + 1 if key else 1))
        if rows.num_rows and (not key or rows.num_rows > _LARGEST_MERGE):
            crash_point("transforms.staged")
            written.changed = _rows(staged)
            self.lake.commit_staged(name, staged, "overwrite")
            return written
        if rows.num_rows:
            side = rows.column("_side").to_numpy()
            images = [rows.filter(pa.array(mask)).drop_columns(["_side"]) for mask in (side < 0, side > 0)]
            merged = difference(images[0], images[1], key)
            crash_point("transforms.computed")
            written.changed = self.lake.merge(name, merged, key, delete=DELETE, old=images[0])
        shutil.rmtree(staged, ignore_errors=True)  # an empty result has no folder
        return written


def _rows(folder: str) -> int:
    """Rows of the Parquet files below a folder, as their footers say."""
    return sum(pq.read_metadata(file).num_rows for file in Path(folder).rglob("*.parquet"))


def _columns(schema: pa.Schema) -> dict[str, pa.DataType]:
    return {field.name: field.type for field in schema}
