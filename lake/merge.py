"""Rows merged into a Delta table by key: the files that hold such a key are copied, in one commit with its change feed.

delta-rs's MERGE joins whole rows: 105,000 scattered rows into 5 M took it 5 to 6 s of processor time. Here the keys alone are
looked for, and the rest goes from file to file a part at a time. A row stays in the file that it was in, so files that lie
apart by date go on doing so.

Source: Delta transaction log protocol, "Add File and Remove File", "Add CDC File", "Commit Provenance Information".
"""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable

from lake import log
from lake.crash import crash_point
from lake.fit import fit
from lake.near import outside
from lake.parquet import NULL_PARTITION, RowWriter, batch_rows, plain, statistics

# Files are copied in pieces of about this many rows, and each piece becomes a file: a table that was written as one large file
# lies in bounded ones after its first merge.
_PIECE_ROWS = 1_000_000
_BATCH_ROWS = 131_072
_AT_ONCE = 2
Numbers = np.ndarray[Any, np.dtype[np.int64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]
Partition = tuple[str | None, ...]


@dataclass(frozen=True)
class _File:
    """A file of the table; `path` as the log has it. `values` are what its partition gives to all of its rows."""

    path: str
    size: int
    values: Mapping[str, Any]
    partition: Partition


@dataclass(frozen=True)
class _Piece:
    """Some row groups of a file. Their row `rows[i]` has the key of row `news[i]` of those to merge."""

    file: _File
    groups: Sequence[int]
    rows: Numbers
    news: Numbers


@dataclass
class _Changes:
    """What the change feed is to say of one partition: parts of rows, and what happened to each row of them."""

    rows: list[pa.Table] = field(default_factory=list)
    kinds: list[pa.Array] = field(default_factory=list)

    def add(self, rows: pa.Table, kinds: np.ndarray[Any, Any]) -> None:
        if rows.num_rows:
            self.rows.append(rows)
            self.kinds.append(pa.array(kinds, pa.string()))


class Merge:
    """Rows on their way into a table. `gone` says which of them delete their key instead; a key must not occur twice."""

    def __init__(self, root: Path, table: DeltaTable, rows: pa.Table, gone: Mask, key: Sequence[str]) -> None:
        self._root, self._table, self._key = root, table, list(key)
        self._schema = plain(pa.schema(table.schema().to_arrow())).remove_metadata()
        self._by: list[str] = table.metadata().partition_columns
        self._stored = pa.schema([column for column in self._schema if column.name not in self._by])
        self._rows, self._gone = fit(rows, self._schema), gone
        self._keys = _frame(self._rows.select(self._key)).with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias("_new"))
        if self._keys.select(self._key).is_duplicated().any():
            raise ValueError(f"rows to merge into {root} have a key ({', '.join(key)}) twice")
        self._codes, self._partitions = _coded([self._rows.column(name) for name in self._by], self._rows.num_rows)

    def run(self, folder: Path, old: pa.Table | None) -> int:
        """Copy files into `folder`, which is below the table's own, and commit. Returns how many rows changed; 0: no commit.

        `old` are the rows that the table has of these keys, or more of them, where the caller knows.
        """
        try:
            actions, changed = self._prepared(folder, old)
            if changed:
                crash_point("merge.written")
                log.commit(self._root, self._table.version() + 1, actions)
        except Exception:  # what was interrupted instead may be committed: its files stay, and vacuum takes them if they are not
            self._forget(folder)
            raise
        if not changed:
            self._forget(folder)
        return changed

    def _prepared(self, folder: Path, old: pa.Table | None) -> tuple[list[dict[str, Any]], int]:
        """The actions of the commit, whose files are written, and how many rows they change."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = [piece for pieces in pool.map(self._find, self._candidates(old)) for piece in pieces]
            touched = {piece.file.path: piece.file for piece in found if len(piece.rows)}
            pieces = [piece for piece in found if piece.file.path in touched]
            mine, others = self._places(pieces)
            copied = list(pool.map(lambda piece, news: self._copy(piece, news, folder), pieces, mine))
            fresh = list(pool.map(lambda place: self._write(folder, place[0], place[1]), others.items()))
        same = [self._same(piece, taken) for piece, (_, taken) in zip(pieces, copied, strict=True)]
        differs = [len(news) > len(equal) or not equal.all() for news, equal in zip(mine, same, strict=True)]
        moved = {piece.file.path for piece, other in zip(pieces, differs, strict=True) if other}
        feed, counts = self._feed(pieces, [taken for _, taken in copied], same)
        added = [add for add in fresh if add]
        for piece, (add, _) in zip(pieces, copied, strict=True):
            if add and piece.file.path in moved:
                added.append(add)
            elif add:  # all of its file's rows are as they were
                (self._root / unquote(add["path"])).unlink()
        now = int(time.time() * 1000)
        info = {
            "timestamp": now,
            "operation": "MERGE",
            "operationParameters": {"key": ", ".join(self._key)},
            "operationMetrics": counts,
            "readVersion": self._table.version(),
            "engineInfo": "cartlake",
        }
        # The rows of a commit that takes nothing away need no feed of their own.
        told = [self._tell(folder, partition, changes) for partition, changes in feed.items()] if moved else []
        gone = [{"remove": self._removed(touched[path], now)} for path in moved]
        return [{"commitInfo": info}, *({"add": add} for add in added), *told, *gone], sum(counts.values())

    def _forget(self, folder: Path) -> None:
        for written in (folder, self._told(folder)):
            shutil.rmtree(written, ignore_errors=True)

    def _told(self, folder: Path) -> Path:
        """Where the change feed's files of the merge into this folder lie."""
        return self._root / "_change_data" / folder.name

    def _candidates(self, old: pa.Table | None) -> Iterator[_File]:
        """The files that can hold one of the keys, by partition and by the bounds in the log."""
        actions = pa.table(self._table.get_add_actions(flatten=True))
        near = old if old is not None else self._rows.select(self._key)
        keep = np.ones(actions.num_rows, bool)
        for column in self._key:
            if f"min.{column}" in actions.column_names:
                low, high = (actions.column(f"{end}.{column}") for end in ("min", "max"))
                keep &= ~outside(low, high, near.column(column))
        values = [actions.column(f"partition.{column}") for column in self._by]
        codes, partitions = _coded(values, actions.num_rows)
        known = (
            set(_coded([near.column(c) for c in self._by], near.num_rows)[1]) if set(self._by) <= set(near.column_names) else None
        )
        paths, sizes = actions.column("path").to_pylist(), actions.column("size_bytes").to_pylist()
        for number in np.flatnonzero(keep):
            partition = partitions[codes[number]]
            if known is None or partition in known:
                given = {name: column[number] for name, column in zip(self._by, values, strict=True)}
                yield _File(paths[number], sizes[number], given, partition)

    def _find(self, file: _File) -> list[_Piece]:
        parquet = pq.ParquetFile(self._root / unquote(file.path))
        pieces = []
        for groups in _bundles(parquet.metadata):
            there = [column for column in self._key if column in parquet.schema_arrow.names]
            keys = self._filled(parquet.read_row_groups(groups, columns=there), file).select(self._key)
            place = pl.int_range(pl.len(), dtype=pl.Int64).alias("_row")
            pairs = _frame(keys).with_columns(place).join(self._keys, on=self._key, how="inner", nulls_equal=True).sort("_row")
            pieces.append(_Piece(file, groups, pairs["_row"].to_numpy(), pairs["_new"].to_numpy()))
        return pieces

    def _places(self, pieces: Sequence[_Piece]) -> tuple[list[Numbers], dict[Partition, Numbers]]:
        """Where new rows go: into the piece that had their key, or the last one of their partition, or a new file of it."""
        place = np.full(self._rows.num_rows, -1)
        last: dict[Partition, int] = {}
        for number, piece in enumerate(pieces):
            last[piece.file.partition] = number
            place[piece.news[self._codes[piece.news] == self._code_of(piece.file.partition)]] = number
        new = {}
        homeless = (place < 0) & ~self._gone
        for code in np.unique(self._codes[homeless]):
            numbers, partition = np.flatnonzero(homeless & (self._codes == code)), self._partitions[code]
            if partition in last:
                place[numbers] = last[partition]
            else:
                new[partition] = numbers
        place[self._gone] = -1
        order = np.argsort(place, kind="stable")
        ends = np.searchsorted(place[order], np.arange(len(pieces) + 1))
        return [order[ends[number] : ends[number + 1]] for number in range(len(pieces))], new

    def _copy(self, piece: _Piece, news: Numbers, folder: Path) -> tuple[dict[str, Any] | None, pa.Table]:
        """The add action of the piece without the rows found but with its new ones (None: it is empty), and the rows found."""
        parquet, taken, begin = pq.ParquetFile(self._root / unquote(piece.file.path)), [self._stored.empty_table()], 0
        file = self._file(folder, piece.file.partition)
        with RowWriter(file, self._stored) as writer:
            for batch in parquet.iter_batches(batch_rows(parquet.metadata, _BATCH_ROWS), row_groups=piece.groups):
                rows = fit(pa.Table.from_batches([batch]), self._stored).cast(self._stored)
                first, end = np.searchsorted(piece.rows, [begin, begin + rows.num_rows])
                if first < end:
                    found = piece.rows[first:end] - begin
                    stays = np.ones(rows.num_rows, bool)
                    stays[found] = False
                    taken.append(rows.take(found))
                    rows = rows.filter(pa.array(stays))
                begin += batch.num_rows
                writer.write(rows)
            writer.write(self._rows.take(news).select(self._stored.names))
        return self._added(file, piece.file.partition), self._filled(pa.concat_tables(taken), piece.file)

    def _write(self, folder: Path, partition: Partition, news: Numbers) -> dict[str, Any] | None:
        file = self._file(folder, partition)
        with RowWriter(file, self._stored) as writer:
            writer.write(self._rows.take(news).select(self._stored.names))
        return self._added(file, partition)

    def _same(self, piece: _Piece, taken: pa.Table) -> Mask:
        """Which of the rows found in a piece stay as they are."""
        return _equal(taken, self._rows.take(piece.news)) & ~self._gone[piece.news]

    def _feed(
        self, pieces: Sequence[_Piece], taken: Sequence[pa.Table], sames: Sequence[Mask]
    ) -> tuple[dict[Partition, _Changes], dict[str, int]]:
        """Images of the rows that changed, by partition, and how many rows were inserted, updated and deleted."""
        feed: dict[Partition, _Changes] = {}
        there = np.zeros(self._rows.num_rows, bool)
        equal = np.zeros(self._rows.num_rows, bool)
        for piece, rows, same in zip(pieces, taken, sames, strict=True):
            there[piece.news], equal[piece.news] = True, same
            kinds = np.where(self._gone[piece.news], "delete", "update_preimage")[~same]
            feed.setdefault(piece.file.partition, _Changes()).add(rows.filter(pa.array(~same)), kinds)
        new = ~self._gone & ~equal
        for code in np.unique(self._codes[new]):
            numbers = np.flatnonzero(new & (self._codes == code))
            kinds = np.where(there[numbers], "update_postimage", "insert")
            feed.setdefault(self._partitions[code], _Changes()).add(self._rows.take(numbers), kinds)
        counts = {"Inserted": new & ~there, "Updated": new & there, "Deleted": there & self._gone}
        changes = {partition: changes for partition, changes in feed.items() if changes.rows}
        return changes, {f"numTargetRows{what}": int(rows.sum()) for what, rows in counts.items()}

    def _tell(self, folder: Path, partition: Partition, changes: _Changes) -> dict[str, Any]:
        """The cdc action of a partition's changes, written."""
        rows = pa.concat_tables([part.select(self._stored.names) for part in changes.rows])
        rows = rows.append_column("_change_type", pa.chunked_array(changes.kinds))
        # Not in folders by partition: delta-rs 1.6.6 does not decode this path, and so cannot find what it wrote itself there.
        file = self._file(self._told(folder))
        with RowWriter(file, rows.schema) as writer:
            writer.write(rows)
        values = dict(zip(self._by, partition, strict=True))
        return {"cdc": {"path": self._path(file), "size": file.stat().st_size, "partitionValues": values, "dataChange": False}}

    def _filled(self, rows: pa.Table, file: _File) -> pa.Table:
        """The rows with the columns of their partition, in the table's order and types."""
        for name, value in file.values.items():
            rows = rows.append_column(name, pa.repeat(value, rows.num_rows))
        return fit(rows, self._schema).cast(self._schema)

    def _file(self, folder: Path, partition: Partition = ()) -> Path:
        for name, value in zip(self._by, partition, strict=False):
            folder /= f"{name}={NULL_PARTITION if value is None else quote(value, safe='')}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"part-{uuid.uuid4().hex}.parquet"

    def _path(self, file: Path) -> str:
        return quote(file.relative_to(self._root).as_posix(), safe="/=-_.~")

    def _added(self, file: Path, partition: Partition) -> dict[str, Any] | None:
        """The add action of a file; None, and the file is removed, where it has no row."""
        footer = pq.read_metadata(file)
        if not footer.num_rows:
            file.unlink()
            return None
        told = file.stat()
        return {
            "path": self._path(file),
            "partitionValues": dict(zip(self._by, partition, strict=True)),
            "size": told.st_size,
            "modificationTime": int(told.st_mtime * 1000),
            "dataChange": True,
            "stats": json.dumps(statistics(footer)),
        }

    def _removed(self, file: _File, now: int) -> dict[str, Any]:
        return {
            "path": file.path,
            "deletionTimestamp": now,
            "dataChange": True,
            "extendedFileMetadata": True,
            "partitionValues": dict(zip(self._by, file.partition, strict=True)),
            "size": file.size,
        }

    def _code_of(self, partition: Partition) -> int:
        return self._partitions.index(partition) if partition in self._partitions else -1


def _bundles(footer: pq.FileMetaData) -> Iterator[list[int]]:
    """A file's row groups, in bundles of about as many rows as a piece may have."""
    bundle: list[int] = []
    rows = 0
    for group in range(footer.num_row_groups):
        more = footer.row_group(group).num_rows
        if bundle and rows + more > _PIECE_ROWS:
            yield bundle
            bundle, rows = [], 0
        bundle.append(group)
        rows += more
    if bundle:
        yield bundle


def _coded(columns: Sequence[pa.ChunkedArray], rows: int) -> tuple[Numbers, list[Partition]]:
    """The partition of each row, as Delta writes its values, and as a number of the list."""
    if not columns:
        return np.zeros(rows, np.int64), [()]
    names = [str(number) for number in range(len(columns))]
    texts = _frame(pa.table([pc.cast(_bare(column), pa.string()) for column in columns], names=names))
    known = texts.unique(maintain_order=True)
    numbered = known.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias("code"))
    codes = texts.join(numbered, on=names, how="left", nulls_equal=True, maintain_order="left")["code"]
    return codes.to_numpy(), known.rows()


def _bare(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Moments without their zone, which is UTC: Delta writes them so in a partition."""
    kind = column.type
    return column.cast(pa.timestamp(kind.unit)) if pa.types.is_timestamp(kind) and kind.tz else column


def _equal(one: pa.Table, other: pa.Table) -> Mask:
    """Which rows are the same in every column; a null equals a null."""
    same = np.ones(one.num_rows, bool)
    for mine, theirs in zip(_frame(one).iter_columns(), _frame(other).iter_columns(), strict=True):
        if mine.dtype.is_nested():  # polars does not compare all of them; their texts say the same
            mine, theirs = (column.map_elements(repr, return_dtype=pl.String, skip_nulls=False) for column in (mine, theirs))
        same &= mine.eq_missing(theirs).to_numpy()
    return same


def _frame(rows: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(rows)
    return frame if isinstance(frame, pl.DataFrame) else frame.to_frame()
