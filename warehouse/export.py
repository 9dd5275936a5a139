"""Answers as files for other programs, a batch of rows at a time: Parquet and Arrow's stream format."""

from collections.abc import Callable
from typing import IO, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from lake.errors import UsageError
from warehouse.errors import translated

_BATCH_ROWS = 122_880  # a row group of DuckDB's


def export(connection: duckdb.DuckDBPyConnection, text: str, form: str, sink: IO[bytes]) -> int:
    """Write the rows of the last statement of `text` in one of FORMS; returns how many. UsageError for what DuckDB refuses."""
    with translated(connection):
        cursor = connection.execute(text)
        if cursor is None or cursor.description is None:
            raise UsageError("the query has no rows to write")
        reader = cursor.to_arrow_reader(_BATCH_ROWS)
        rows = 0
        with FORMS[form](sink, reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)
                rows += batch.num_rows
    return rows


FORMS: dict[str, Callable[[IO[bytes], pa.Schema], Any]] = {"parquet": pq.ParquetWriter, "arrow": pa.ipc.new_stream}
