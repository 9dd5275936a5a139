"""Which keys of a captured table are present in the lake, compared with those that its source has.

DuckDB folds and joins, because it spills to disk: the memory does not grow with the table.
"""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lake import bronze
from lake.delta import Lake
from lake.sources.base import Difference, Table

_MEMORY = "200MB"
PART = "_part"


def difference(lake: Lake, source: str) -> Difference:
    """The comparison that a reader of this source may ask for."""

    def compare(table: Table, keys: Iterable[pa.Table]) -> tuple[pa.Table, pa.Table]:
        return compared(lake, bronze.describe(source, table).name, table, keys)

    return compare


def compared(lake: Lake, name: str, table: Table, keys: Iterable[pa.Table]) -> tuple[pa.Table, pa.Table]:
    """(keys in the lake that are not among `keys`, those of `keys` that the lake lacks, with their column `_part`)."""
    import duckdb

    generation = bronze.state(lake, name).last_complete
    columns = ", ".join(_quoted(column) for column in table.key)
    schema = pa.schema([table.schema.field(column) for column in table.key])
    with tempfile.TemporaryDirectory(prefix="cartlake-keys-") as folder:
        there = Path(folder) / "source.parquet"
        with pq.ParquetWriter(there, schema.append(pa.field(PART, pa.int64()))) as writer:
            for part in keys:
                writer.write_table(part.cast(writer.schema))
        with duckdb.connect(config={"memory_limit": _MEMORY, "temp_directory": folder, "threads": "1"}) as connection:
            connection.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
            connection.execute(
                f"CREATE TABLE here AS SELECT {columns} FROM read_parquet($files, union_by_name = true)"
                f" WHERE _sequence >= $first GROUP BY {columns} HAVING arg_max(_op, _sequence) <> 'd'",
                {"files": lake.files(name, lake.version(name)), "first": generation << bronze.EPOCH_BITS},
            )
            same = " AND ".join(f"here.{_quoted(c)} IS NOT DISTINCT FROM there.{_quoted(c)}" for c in table.key)
            connection.execute(f"CREATE VIEW there AS SELECT * FROM read_parquet('{there}')")
            gone = connection.execute(f"SELECT * FROM here ANTI JOIN there ON {same}").to_arrow_table()
            lacking = connection.execute(f"SELECT * FROM there ANTI JOIN here ON {same}").to_arrow_table()
        return gone.cast(schema), lacking.cast(schema.append(pa.field(PART, pa.int64())))


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'
