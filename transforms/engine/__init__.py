"""The two engines behind one small interface. Only this package knows which of them is at work.

An engine computes; delta-rs commits. A table is read at a fixed version, and a bulk result is written as Parquet into a
folder that `Lake.stage` named, so no large table passes through Python.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lake.errors import PermanentFailure, TransientFailure, UsageError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql.connect.dataframe import DataFrame
    from pyspark.sql.connect.session import SparkSession
    from pyspark.sql.types import StructType

    from lake.config import Settings

# Longer than any useful message; an engine's error may carry a whole plan.
_LONGEST_MESSAGE = 400
# Rows of a row group, and so of a file of a table without partitions (lake/row_groups.py). Spark goes by bytes, 128 MiB.
_GROUP_ROWS = 262_144


class Engine:
    """A Spark Connect session and the few things that the build asks of it."""

    name = ""
    memory_hint = "raise engine.memory"
    spreads = True  # each task writes a file of its own for each partition, so rows of a partition are brought together first

    def __init__(self, session: SparkSession, cores: int) -> None:
        # Tells pyspark.sql.functions that columns are Connect's: what SparkSession.builder.remote() does too.
        os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"
        from transforms.engine.retries import Garbled

        session.client.set_retry_policies([*session.client.get_retry_policies(), Garbled()])
        self.spark = session
        self.cores = cores

    def read(self, path: str, version: int) -> DataFrame:
        """A Delta table as it was at a version."""
        return self.spark.read.format("delta").option("versionAsOf", str(version)).load(path)

    def parquet(self, files: Sequence[str], schema: StructType | None = None) -> DataFrame:
        """Parquet files as one frame; a column of `schema` that a file lacks is null."""
        reader = self.spark.read.schema(schema) if schema is not None else self.spark.read
        return reader.parquet(*files)

    def write(self, frame: DataFrame, folder: str, partition_by: Sequence[str] = ()) -> None:
        """Write a frame as Parquet into a folder that is not there yet."""
        # One file for each partition rather than one for each task and partition.
        spread = frame.repartition(self.cores, *partition_by) if partition_by and self.spreads else frame
        # Text is worth a dictionary and zstd; numbers alone are not: 5 M sales took 3.5 s of processor time, and 5.2 with both.
        texts = any(kind == "string" for column, kind in frame.dtypes if column not in partition_by)
        groups = {"max_row_group_size": str(_GROUP_ROWS)}
        plainly = {"compression": "snappy", "dictionary_enabled": "false", "parquet.enable.dictionary": "false"}
        writer = spread.write.mode("error").options(**groups, **({"compression": "zstd"} if texts else plainly))
        (writer.partitionBy(*partition_by) if partition_by else writer).parquet(folder)

    def frame(self, rows: pa.Table) -> DataFrame:
        """Rows of Arrow as a frame."""
        if not rows.num_rows:
            from pyspark.sql.pandas.types import from_arrow_schema

            return self.spark.createDataFrame([], from_arrow_schema(rows.schema))
        return self.spark.createDataFrame(rows)

    def arrow(self, frame: DataFrame) -> pa.Table:
        """The rows of a small result."""
        from lake.parquet import plain

        rows = frame.toArrow()
        return rows.cast(plain(rows.schema))

    def explain(self, error: Exception) -> PermanentFailure | TransientFailure:
        """An error of the engine as one of ours: one line, with the way out where it is known."""
        text = " ".join(str(error).split())
        low = text.lower()
        if "resources exhausted" in low or "outofmemory" in low or "failed to allocate" in low:
            return PermanentFailure(f"engine {self.name}: out of memory; {self.memory_hint} ({text[:_LONGEST_MESSAGE]})")
        if "statuscode.unavailable" in low or "failed to connect" in low:
            return TransientFailure(f"engine {self.name} went away: {text[:_LONGEST_MESSAGE]}")
        return PermanentFailure(f"engine {self.name}: {text[:_LONGEST_MESSAGE]}")

    def stop(self) -> None:
        """End the session, and the server if this engine started one."""
        self.spark.stop()


def kind(settings: Settings) -> str:
    """Which engine the settings ask for: `auto` is spark when a master or a remote is set."""
    chosen = settings.engine.kind
    if chosen == "auto":
        return "spark" if settings.engine.master or settings.engine.remote else "sail"
    if chosen == "sail" and (settings.engine.master or settings.engine.remote):
        raise UsageError(
            'engine.kind = "sail" runs in this process: unset engine.master and engine.remote, or set kind to "spark"'
        )
    return chosen


def start(settings: Settings) -> Engine:
    """Start the engine that the settings ask for."""
    if kind(settings) == "spark":
        from transforms.engine.spark import SparkEngine

        return SparkEngine.launch(settings)
    from transforms.engine.sail import SailEngine

    return SailEngine.launch(settings)
