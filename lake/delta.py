"""Delta tables through delta-rs: with `maintenance.py` the only module that knows how a table is written.

A table has a name with dots, `gold.fact_sales`; each part is a folder below the lake's root. Change data feed is on,
so every consumer can ask what changed since the version it read last.
"""

import re
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote

import numpy as np
import pyarrow as pa
from deltalake import ColumnProperties, CommitProperties, DeltaTable, Schema, WriterProperties, write_deltalake
from deltalake.exceptions import TableNotFoundError
from deltalake.transaction import AddAction
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

from lake.crash import crash_point
from lake.errors import PermanentFailure, TransientFailure
from lake.feed import feed
from lake.log import commits, is_rewrite
from lake.parquet import add_action, bounded, plain
from lake.row_groups import part as parted

# delta-rs would clean the log by itself when it writes a checkpoint, by age alone, and take versions with it that a kept release
# stands on; `lake/vacuum.py` cleans it by what is needed. The two durations are for other tools.
_PROPERTIES: dict[str, str | None] = {
    "delta.enableChangeDataFeed": "true",
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 90 days",
    "delta.deletedFileRetentionDuration": "interval 90 days",
}
WRITER = WriterProperties(compression="ZSTD", compression_level=1)
# Columns with a minimum and a maximum in the log. Delta's own rule is the first 32; some types may have none (see `bounded`).
_BOUNDS = "delta.dataSkippingStatsColumns"
_MOST_BOUNDS = 32
_QUOTED = re.compile("`(?:[^`]|``)*`")
_NO_SUCH = -1
_CHECKPOINT = 100  # commits; delta-rs's own interval


class Lake:
    """A folder of Delta tables."""

    def __init__(self, root: str) -> None:
        self.root = root

    def path(self, name: str) -> str:
        """Folder of a table: what is not a plain letter is written @XX, so that any database's names fit."""
        return "/".join([self.root, *(_folder(part) for part in split(name))])

    def exists(self, name: str) -> bool:
        return DeltaTable.is_deltatable(self.path(name))

    def open(self, name: str, version: int | None = None) -> DeltaTable:
        """The table, at a version or the newest. PermanentFailure when it is not there."""
        try:
            return DeltaTable(self.path(name), version=version)
        except TableNotFoundError:
            raise PermanentFailure(f"{name}: no such table in {self.root}") from None

    def version(self, name: str) -> int:
        """The newest version; -1 when there is no such table."""
        return self.open(name).version() if self.exists(name) else _NO_SUCH

    def names(self, layer: str) -> list[str]:
        """All tables below a layer such as `bronze`, sorted."""
        root = Path(self.root)
        logs = sorted((root / layer).glob("**/_delta_log"))
        return sorted(join(*(unquote(part.replace("@", "%")) for part in log.parent.relative_to(root).parts)) for log in logs)

    def create(
        self,
        name: str,
        schema: pa.Schema,
        *,
        partition_by: Sequence[str] = (),
        comment: str = "",
        comments: Mapping[str, str] | None = None,
    ) -> None:
        """Make an empty table unless it is there. `comments` describes columns."""
        if self.exists(name):
            return
        fields = [f.with_metadata({"comment": comments[f.name]}) if comments and f.name in comments else f for f in plain(schema)]
        DeltaTable.create(
            self.path(name),
            pa.schema(fields),
            mode="ignore",
            partition_by=list(partition_by),
            name=name,
            description=comment or None,
            configuration={**_PROPERTIES, _BOUNDS: _bounds(plain(schema))},
        )
        crash_point("delta.created")

    def append(
        self,
        name: str,
        rows: pa.Table | pa.RecordBatch | pa.RecordBatchReader,
        *,
        merge_schema: bool = False,
        table: DeltaTable | None = None,
    ) -> int:
        """Append rows in one commit; with `merge_schema` new columns join the table, null before. Returns the version.

        `table` is the newest version where the caller has it open.
        """
        table = table or self.open(name)
        writer = _writer(rows.schema)
        write_deltalake(table, rows, mode="append", schema_mode="merge" if merge_schema else None, writer_properties=writer)
        crash_point("delta.appended")
        return self._committed(table)

    def overwrite(self, name: str, rows: pa.Table | pa.RecordBatchReader, *, schema_change: bool = False) -> int:
        """Replace all rows in one commit; with `schema_change` the columns too. Returns the version."""
        table = self.open(name)
        if schema_change:
            self.prepare(table, rows.schema)
        write_deltalake(
            table, rows, mode="overwrite", schema_mode="overwrite" if schema_change else None, writer_properties=WRITER
        )
        crash_point("delta.overwritten")
        return self._committed(table)

    def merge(
        self, name: str, rows: pa.Table, key: Sequence[str], *, delete: str | None = None, old: pa.Table | None = None
    ) -> int:
        """Upsert `rows` by key in one commit; returns how many rows changed, and commits nothing if none did.

        Rows whose boolean column `delete` is true delete their key; the column itself is not stored. A matched row that is
        equal in every column is left alone. Keys in `rows` must be unique; a null in a key matches a null. `old` are the rows
        that the table has of these keys, or more of them, where the caller knows: files that cannot hold them are not read.
        """
        from lake.merge import Merge  # capture need not load what it asks for

        table = self.open(name)
        fresh = rows.drop_columns([delete]) if delete else rows
        gone = rows.column(delete).to_numpy() if delete else np.zeros(rows.num_rows, bool)
        if old is not None and not old.num_rows:
            fresh = fresh.filter(pa.array(~gone))
            if fresh.num_rows:
                self.append(name, fresh, table=table)
            return int(fresh.num_rows)
        try:
            changed = Merge(Path(self.path(name)), table, fresh, gone, key).run(Path(self.stage(name)), old)
        except FileExistsError as error:
            raise TransientFailure(f"{name}: another process has written to it meanwhile; run again") from error
        crash_point("delta.merged")
        self._committed(table, checkpoint=bool(changed))
        return changed

    def stage(self, name: str) -> str:
        """A fresh sub-folder of the table, for an engine to write Parquet into; vacuum removes what is never committed."""
        return f"{self.path(name)}/staged-{uuid.uuid4().hex}"

    def commit_staged(self, name: str, folder: str, mode: Literal["append", "overwrite"], schema: pa.Schema | None = None) -> int:
        """Commit the Parquet files that an engine wrote into a staged folder, with statistics. Returns the version.

        An overwrite may give the table another `schema`.
        """
        table = self.open(name)
        if schema is not None:
            self.prepare(table, schema)
        partitions = table.metadata().partition_columns
        files = sorted(Path(folder).rglob("*.parquet"))
        if not partitions:
            files = [part for file in files for part in parted(file)]
        actions: list[AddAction] = [add_action(Path(self.path(name)), file, partitions) for file in files]
        crash_point("delta.staged")
        table.create_write_transaction(
            actions,  # type: ignore[arg-type]
            mode,
            table.schema() if schema is None else Schema.from_arrow(plain(schema)),
            partition_by=partitions,
            commit_properties=CommitProperties(),
        )
        crash_point("delta.staged_committed")
        return self._committed(table)

    def added_files(self, name: str, since: int, upto: int) -> list[str] | None:
        """Data files that commits in (since, upto] appended, as absolute paths, oldest first.

        Commits that move rows without changing them (compaction, `rewrite`) are skipped. None when the log no longer reaches
        back to `since`.
        """
        root, found = Path(self.path(name)), commits(self.path(name), since, upto)
        if found is None:
            return None
        adds = [action["add"] for actions in found for action in actions if "add" in action]
        return [str(root / unquote(add["path"])) for add in adds if add["dataChange"]]

    def rewritten(self, name: str, since: int, upto: int) -> bool:
        """Whether a commit in (since, upto] wrote all rows in other types."""
        return any(map(is_rewrite, commits(self.path(name), since, upto) or ()))

    def files(self, name: str, version: int | None = None) -> list[str]:
        """Data files of a table, as absolute paths."""
        # A space in the lake's own folder comes back as %20.
        return [unquote(file) for file in self.open(name, version).file_uris()]

    def feed(self, name: str, since: int, upto: int) -> pa.Table | None:
        """Changed rows of the commits in (since, upto]: the table's columns, `_change_type` and `_commit_version`.

        None when the log no longer reaches back to `since`, a file of that time is gone, or another tool keeps the table in a way
        that its files alone do not tell.
        """
        table = self.open(name, upto)
        if table.metadata().configuration.get("delta.columnMapping.mode", "none") != "none":
            return None
        return feed(Path(self.path(name)), schema_of(table).remove_metadata(), since, upto)

    def read(
        self,
        name: str,
        version: int | None = None,
        columns: Sequence[str] | None = None,
        filters: list[tuple[str, str, object]] | None = None,
    ) -> pa.Table:
        """Rows of a table, at a version or the newest."""
        # delta-rs's own file system calls back into Python from Arrow's threads: 9 of 20 processes that had read through it under
        # load aborted as they exited, and 0 of 20 through Arrow's.
        files = SubTreeFileSystem(self.path(name), LocalFileSystem())
        table = self.open(name, version)
        rows = table.to_pyarrow_table(columns=list(columns) if columns else None, filters=filters, filesystem=files)
        return rows.cast(plain(rows.schema))

    def is_plain(self, name: str, version: int | None = None) -> bool:
        """Whether the rows of a table are those of its files, column by column: no marks of deleted rows, no other names in the
        files, no partition that only the log knows."""
        table = self.open(name, version)
        return table.protocol().min_reader_version == 1 and not table.metadata().partition_columns

    def count(self, name: str, version: int | None = None) -> int:
        """Rows of a table, from the statistics in its log."""
        actions = pa.table(self.open(name, version).get_add_actions(flatten=True))
        return sum(actions.column("num_records").to_pylist()) if actions.num_rows else 0

    def schema(self, name: str, version: int | None = None) -> pa.Schema:
        """Columns of a table with plain Arrow types (string, int64 …)."""
        return schema_of(self.open(name, version))

    def prepare(self, table: DeltaTable, schema: pa.Schema) -> None:
        """Before a table gets other types: give up the bounds of columns that may have none then."""
        known, allowed = table.metadata().configuration.get(_BOUNDS, ""), _QUOTED.findall(_bounds(plain(schema)))
        kept = ",".join(name for name in _QUOTED.findall(known) if name in allowed)
        if kept != known:
            table.alter.set_table_properties({_BOUNDS: kept})
            table.update_incremental()

    def _committed(self, table: DeltaTable, checkpoint: bool = False) -> int:
        """The version after a commit; `checkpoint` where delta-rs did not make it."""
        table.update_incremental()
        if checkpoint and table.version() % _CHECKPOINT == 0:
            table.create_checkpoint()
        return table.version()


def schema_of(table: DeltaTable) -> pa.Schema:
    """Columns of an open table with plain Arrow types."""
    return plain(pa.schema(table.schema().to_arrow()))


def _writer(schema: pa.Schema) -> WriterProperties:
    """A dictionary pays for text alone: of 1 M rows of sales, without one for their numbers and times, the commits took 0.48 s
    of processor time instead of 0.94, and 16 MB instead of 22."""
    plainly = ColumnProperties(dictionary_enabled=False)
    columns = {field.name: plainly for field in plain(schema) if not pa.types.is_string(field.type)}
    return WriterProperties(compression="ZSTD", compression_level=1, column_properties=columns)


def _bounds(schema: pa.Schema) -> str:
    names = [field.name.replace("`", "``") for field in schema if bounded(field.type)]
    return ",".join(f"`{name}`" for name in names[:_MOST_BOUNDS])


def _folder(part: str) -> str:
    # Percent signs would be the usual way, but delta-rs decodes them in the paths it is given; Sail cannot read below a tilde.
    return quote(part, safe="").replace("~", "%7E").replace("%", "@")


def split(name: str) -> list[str]:
    """Parts of a table name; a part that holds a dot is written in backquotes: bronze.shop.`my.db`.orders."""
    parts, quoted, part = [], False, ""
    for character in name:
        if character == "`":
            quoted = not quoted
        elif character == "." and not quoted:
            parts.append(part)
            part = ""
        else:
            part += character
    return [*parts, part]


def join(*parts: str) -> str:
    """The name of a table from its parts; the inverse of `split`."""
    return ".".join(f"`{part}`" if "." in part else part for part in parts)
