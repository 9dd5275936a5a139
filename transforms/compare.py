"""Two small sets of rows of one table: what changed between them, by key. A null equals a null."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa

# Marks, among the rows of a difference, those whose key is to be deleted.
DELETE = "_delete"
# What the change feed calls images that are there after a commit.
_THERE = ["insert", "update_postimage"]


def difference(old: pa.Table, new: pa.Table, key: Sequence[str]) -> pa.Table:
    """The rows to merge to make `old` into `new`: new and changed rows, and gone ones marked in column `_delete`."""
    columns = new.column_names
    before, after = _frame(old).select(columns), _frame(new)
    texts = [pl.col(name).map_elements(repr, return_dtype=pl.String) for name, kind in after.schema.items() if kind.is_nested()]
    # A nested column cannot be joined on; its text can.
    position = pl.int_range(pl.len(), dtype=pl.Int64).alias("_row")
    changed = (
        after.with_columns(texts)
        .with_columns(position)
        .join(before.with_columns(texts), on=columns, how="anti", nulls_equal=True)["_row"]
    )
    gone = before.with_columns(position).join(after, on=list(key), how="anti", nulls_equal=True)["_row"]
    upserts = new.take(pa.array(changed.to_list(), pa.int64()))
    deletes = old.select(columns).take(pa.array(gone.to_list(), pa.int64())).cast(new.schema)
    rows = pa.concat_tables([upserts, deletes])
    marks = [False] * upserts.num_rows + [True] * deletes.num_rows
    return rows.append_column(DELETE, pa.array(marks, pa.bool_()))


def without(keys: pa.Table, rows: pa.Table) -> pa.Table:
    """The keys that none of these rows has."""
    columns = keys.column_names
    return _frame(keys).join(_frame(rows.select(columns)), on=columns, how="anti", nulls_equal=True).to_arrow().cast(keys.schema)


def example_of_duplicate(rows: pa.Table, key: Sequence[str]) -> tuple[object, ...] | None:
    """A key that occurs more than once, the least one."""
    frame = _frame(rows.select(list(key)))
    twice = frame.filter(frame.is_duplicated())
    return twice.sort(list(key)).row(0) if twice.height else None


def is_unique(folder: str, key: Sequence[str], most: int) -> bool:
    """Whether each row of the Parquet files below a folder has another key; False too where that is more than `most` values."""
    if not any(Path(folder).rglob("*.parquet")):
        return True
    keys = pl.scan_parquet(f"{folder}/**/*.parquet", hive_partitioning=True, try_parse_hive_dates=False).select(key)
    rows = int(keys.select(pl.len()).collect().item())
    return rows * len(key) <= most and keys.collect().n_unique() == rows


def count_with(files: Sequence[str], keys: pa.Table) -> int:
    """How many rows of these Parquet files have one of these keys. Reads the keys' columns alone, where such a key can be."""
    if not files or not keys.num_rows:
        return 0
    wanted = _frame(keys)
    near = [
        pl.col(name).is_between(wanted[name].min(), wanted[name].max()) for name in wanted.columns if not wanted[name].has_nulls()
    ]
    found = pl.scan_parquet(list(files)).select(wanted.columns).filter(*near)
    same = found.join(wanted.lazy(), on=wanted.columns, how="semi", nulls_equal=True)
    return int(same.select(pl.len()).collect(engine="streaming").item())


def distinct(*tables: pa.Table) -> pa.Table:
    """The distinct rows of tables with the same columns."""
    rows = pa.concat_tables([table.cast(tables[0].schema) for table in tables])
    return _frame(rows).unique().to_arrow().cast(rows.schema)


def latest(feed: pa.Table, key: Sequence[str]) -> pa.Table:
    """The rows that are there after a change feed, of the keys that it names."""
    last = _ordered(feed).unique(subset=list(key), keep="last", maintain_order=True)
    there = last.filter(pl.col("_change_type").is_in(_THERE)).drop("_change_type", "_commit_version")
    return there.to_arrow().cast(pa.schema([feed.schema.field(name) for name in there.columns]))


def touched(feed: pa.Table, columns: Sequence[str], *, key: Sequence[str] = (), uses: Sequence[str] = ()) -> pa.Table:
    """Distinct values of `columns` in a change feed, of old and new rows alike.

    With `uses`, an update that leaves those columns (and `columns`) as they were touches nothing.
    """
    frame = _frame(feed)
    if uses and key:
        seen = [*dict.fromkeys([*columns, *uses])]
        # The net effect counts: of each key the first and the last image.
        ordered = _ordered(feed)
        first = ordered.unique(subset=list(key), keep="first", maintain_order=True)
        last = ordered.unique(subset=list(key), keep="last", maintain_order=True)
        existed = first.filter(pl.col("_change_type").is_in(["delete", "update_preimage"]))
        exists = last.filter(pl.col("_change_type").is_in(_THERE))
        names = [*dict.fromkeys([*key, *seen])]
        lost = existed.select(names).join(exists.select(names), on=names, how="anti", nulls_equal=True)
        won = exists.select(names).join(existed.select(names), on=names, how="anti", nulls_equal=True)
        frame = pl.concat([lost, won])
    return frame.select(list(columns)).unique().to_arrow().cast(pa.schema([feed.schema.field(name) for name in columns]))


def _ordered(feed: pa.Table) -> pl.DataFrame:
    """The rows of a change feed as they came: what a commit took away before what it brought."""
    return _frame(feed).sort("_commit_version", pl.col("_change_type").is_in(_THERE), maintain_order=True)


def _frame(rows: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(rows)
    return frame if isinstance(frame, pl.DataFrame) else frame.to_frame()
