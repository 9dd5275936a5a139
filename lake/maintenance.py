"""Care for Delta tables as they are written: other column types, fewer files, a log that opens quickly.

All of it moves rows without changing them: readers of changes step over these commits, and what they replace stays on disk for
as long as an older version may be read.
"""

import logging
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction, RemoveAction

from lake.crash import crash_point
from lake.delta import WRITER, Lake
from lake.errors import PermanentFailure, full_disk
from lake.log import REWRITE
from lake.parquet import add_action, plain

logger = logging.getLogger(__name__)

# (files smaller than this, how many of them, the size that they are put together to). Two steps, so that a table that gets a
# small file a second is not written anew as a whole each minute.
_SMALL = ((16 * 2**20, 64), (128 * 2**20, 64))
_BATCH_ROWS = 65_536


def rewrite(lake: Lake, name: str, schema: pa.Schema) -> int:
    """Write all rows of an unpartitioned table in other types, in one commit that readers of changes skip. Returns its version.

    Reads a part of a file at a time. Raises ArrowInvalid where a value does not fit. A kill leaves the table as it was.
    """
    table, folder, target = lake.open(name), Path(lake.stage(name)), plain(schema)
    lake.prepare(table, target)
    folder.mkdir(parents=True)
    actions: list[AddAction | RemoveAction] = []
    for number, file in enumerate(lake.files(name)):
        written = folder / f"part-{number:05}.parquet"
        with pq.ParquetWriter(written, target, compression="zstd", compression_level=1) as writer:
            for batch in pq.ParquetFile(file).iter_batches(_BATCH_ROWS):
                writer.write_table(_cast(pa.Table.from_batches([batch]), target))
        actions.append(add_action(Path(lake.path(name)), written, (), data_change=False))
    crash_point("maintenance.rewritten")
    table.create_write_transaction(
        actions,
        "overwrite",
        Schema.from_arrow(target),
        partition_by=[],
        commit_properties=CommitProperties(custom_metadata={REWRITE: "true"}),
    )
    crash_point("maintenance.rewrite_committed")
    return lake.version(name)


def tidy(lake: Lake, name: str) -> bool:
    """Put small files together where there are many. True if something was committed.

    delta-rs itself writes a checkpoint of the log every hundred commits.
    """
    table, done = lake.open(name), False
    for size, most in _SMALL:
        sizes = pa.table(table.get_add_actions(flatten=True)).column("size_bytes").to_pylist()
        if sum(one < size for one in sizes) >= most:
            done |= _compact(table, size)
    if done:
        logger.info("%s: put together into %d files", name, len(table.file_uris()))
    return done


def _compact(table: DeltaTable, size: int) -> bool:
    before = table.version()
    crash_point("maintenance.compact.before")
    try:
        # One task at a time: each holds a file of the target size in memory.
        table.optimize.compact(target_size=size, max_concurrent_tasks=1, writer_properties=WRITER)
    except (OSError, DeltaError) as error:
        why = full_disk(error) or f"small files were not put together: {str(error).splitlines()[0][:300]}; nothing is lost"
        raise PermanentFailure(f"{table.table_uri}: {why}") from error
    crash_point("maintenance.compact.after")
    return table.version() > before


def _cast(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = [
        rows.column(field.name).cast(field.type) if field.name in rows.column_names else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)
