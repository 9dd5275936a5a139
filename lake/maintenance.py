"""Care for Delta tables as they are written: other column types, fewer files, a log that opens quickly.

All of it moves rows without changing them: readers of changes step over these commits, and what they replace stays on disk for
as long as an older version may be read.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction, RemoveAction

from lake.crash import crash_point
from lake.delta import Lake
from lake.errors import PermanentFailure, full_disk
from lake.log import REWRITE
from lake.parquet import RowWriter, add_action, batch_rows, plain

logger = logging.getLogger(__name__)

# (files smaller than this, how many of them are too many, the size that they are put together to). Two steps, so that a table
# with a batch a second is not written anew each minute; and the chunks of a large snapshot, of 1 MiB and more, stay as they are.
_SMALL = ((2**20, 64, 16 * 2**20), (16 * 2**20, 512, 128 * 2**20))
_BATCH_ROWS = 65_536


def rewrite(lake: Lake, name: str, schema: pa.Schema) -> int:
    """Write all rows of an unpartitioned table in other types, in one commit that readers of changes skip. Returns its version.

    Reads a part of a file at a time. Raises ArrowInvalid where a value does not fit. A kill leaves the table as it was.
    """
    table, target = lake.open(name), plain(schema)
    lake.prepare(table, target)
    written = [_written(lake, name, number, [file], target) for number, file in enumerate(lake.files(name))]
    crash_point("maintenance.rewritten")
    _replace(table, "overwrite", written, target)
    crash_point("maintenance.rewrite_committed")
    return lake.version(name)


def tidy(lake: Lake, name: str) -> bool:
    """Put small files of an unpartitioned table together where there are many. True if something was committed.

    Reads a part of a file at a time: delta-rs's own compaction holds whole files, and took 100 MB more at 25 M rows. Checkpoints
    of the log are written by delta-rs itself, every hundred commits.
    """
    done = False
    for limit, most, target in _SMALL:
        table = lake.open(name)
        actions = pa.table(table.get_add_actions(flatten=False)).select(["path", "size_bytes", "modification_time"])
        small = [action for action in actions.to_pylist() if action["size_bytes"] < limit]
        if len(small) >= most:
            _put_together(lake, name, table, small, target)
            logger.info("%s: %d small files put together", name, len(small))
            done = True
    return done


def _put_together(lake: Lake, name: str, table: DeltaTable, small: list[dict[str, Any]], target: int) -> None:
    schema, root = lake.schema(name), Path(lake.path(name))
    try:
        bins = _bins(small, target)
        written = [
            _written(lake, name, number, [str(root / unquote(one["path"])) for one in members], schema)
            for number, members in enumerate(bins)
        ]
        crash_point("maintenance.compact.before")
        _replace(table, "append", written, schema, [one for members in bins for one in members])
        crash_point("maintenance.compact.after")
    except (OSError, DeltaError) as error:
        why = full_disk(error) or f"small files were not put together: {str(error).splitlines()[0][:300]}; nothing is lost"
        raise PermanentFailure(f"{name}: {why}") from error


def _bins(files: list[dict[str, Any]], target: int) -> list[list[dict[str, Any]]]:
    """Files, oldest first, in groups of about `target` bytes."""
    groups: list[list[dict[str, Any]]] = [[]]
    size = 0
    for file in sorted(files, key=lambda file: file["modification_time"]):
        if size >= target:
            groups.append([])
            size = 0
        groups[-1].append(file)
        size += file["size_bytes"]
    return groups


def _written(lake: Lake, name: str, number: int, files: list[str], schema: pa.Schema) -> AddAction:
    """The rows of these files in these columns, as one new file that belongs to nothing yet."""
    folder = Path(lake.stage(name))
    folder.mkdir(parents=True)
    file = folder / f"part-{number:05}.parquet"
    with RowWriter(file, schema) as writer:
        for source in files:
            parquet = pq.ParquetFile(source)
            for batch in parquet.iter_batches(batch_rows(parquet.metadata, _BATCH_ROWS)):
                writer.write(_cast(pa.Table.from_batches([batch]), schema))
    return add_action(Path(lake.path(name)), file, (), data_change=False)


def _replace(
    table: DeltaTable,
    mode: Literal["append", "overwrite"],
    added: list[AddAction],
    schema: pa.Schema,
    removed: Sequence[Mapping[str, Any]] = (),
) -> None:
    now = int(time.time() * 1000)
    gone = [
        RemoveAction(
            path=one["path"],
            data_change=False,
            deletion_timestamp=now,
            partition_values={},
            size=one["size_bytes"],
        )
        for one in removed
    ]
    actions: list[AddAction | RemoveAction] = [*added, *gone]
    properties = CommitProperties(custom_metadata={REWRITE: "true"} if mode == "overwrite" else None)
    table.create_write_transaction(actions, mode, Schema.from_arrow(schema), partition_by=[], commit_properties=properties)


def _cast(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = [
        rows.column(field.name).cast(field.type) if field.name in rows.column_names else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)
