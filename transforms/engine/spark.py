"""Apache Spark through Spark Connect: a server of its own process for a master, or a remote one.

One Python process cannot hold a Sail session and a classic Spark session, but two Connect sessions live side by side.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pyarrow as pa

from lake.errors import PermanentFailure, UsageError
from lake.parquet import plain
from transforms.engine import Engine

if TYPE_CHECKING:
    from pyspark.sql.connect.dataframe import DataFrame
    from pyspark.sql.connect.session import SparkSession

    from lake.config import Settings

# A cold start took 6 s on two idle cores; a laden machine gets twenty times that.
_START_SECONDS = 120.0
# No table of ours has deletion vectors, so its files are its rows.
_MOST_FILES = 1000
_MAIN = "org.apache.spark.sql.connect.service.SparkConnectServer"


class SparkEngine(Engine):
    """A session with a Spark Connect server."""

    name = "spark"

    def __init__(self, session: SparkSession, cores: int, server: subprocess.Popen[bytes] | None = None) -> None:
        super().__init__(session, cores)
        self._server = server

    @classmethod
    def launch(cls, settings: Settings) -> SparkEngine:
        """Connect to `engine.remote`, or start a server for `engine.master` (default local[cores])."""
        from pyspark.sql.connect.session import SparkSession

        if settings.engine.remote:
            session = SparkSession.builder.remote(settings.engine.remote).create()
            session.conf.set("spark.sql.session.timeZone", "UTC")
            return cls(session, settings.engine.cores)
        token = f"cartlake-{uuid.uuid4().hex[:12]}"
        log = settings.data / "logs" / "spark.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        port = _free_port()
        with log.open("wb") as output:
            server = subprocess.Popen(
                [*_command(settings, token, port)],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "SPARK_HOME": str(_home()), "SPARK_LOCAL_IP": "127.0.0.1"},
                preexec_fn=_die_with_parent,
            )
        try:
            _wait(server, port, log)
            session = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").create()
            if session.conf.get("spark.app.name") != token:
                raise PermanentFailure(f"port {port} was taken by another Spark Connect server; try again")
        except BaseException:
            _end(server)
            raise
        return cls(session, settings.engine.cores, server)

    def read(self, path: str, version: int) -> DataFrame:
        """As any engine does, but a table of few files is read from them: Spark's own jobs over the log took 1 s a table."""
        from deltalake import DeltaTable
        from pyspark.sql.pandas.types import from_arrow_schema

        table = DeltaTable(path, version=version)
        files = [unquote(file) for file in table.file_uris()]
        if self._server is None or table.metadata().partition_columns or len(files) > _MOST_FILES:
            return super().read(path, version)
        schema = from_arrow_schema(plain(pa.schema(table.schema().to_arrow())))
        return self.parquet(files, schema) if files else self.spark.createDataFrame([], schema)

    def stop(self) -> None:
        super().stop()
        if self._server is not None:
            _end(self._server)


def _command(settings: Settings, token: str, port: int) -> Iterator[str]:
    jars = sorted(settings.spark_jars.glob("*.jar")) if settings.spark_jars else []
    if not any("delta-spark" in jar.name for jar in jars):
        raise UsageError(
            f"no Delta jars for Apache Spark in {settings.spark_jars}; fetch them with: python scripts/fetch_jars.py"
        )
    if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        raise UsageError('Apache Spark needs Java 17 or newer on PATH; install it (make setup does), or set engine.kind = "sail"')
    path = ":".join(map(str, jars))
    cores = str(settings.engine.cores)
    master = settings.engine.master or f"local[{cores}]"
    conf = {
        "spark.app.name": token,
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
        "spark.driver.extraClassPath": path,
        "spark.executor.extraClassPath": path,
        "spark.driver.extraJavaOptions": "-XX:+UseParallelGC",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.session.timeZone": "UTC",
        # Spark's own default type is INT96, which the Delta protocol does not have.
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.sql.shuffle.partitions": cores,
        "spark.default.parallelism": cores,
        "spark.databricks.delta.snapshotPartitions": cores,
        "spark.serializer": "org.apache.spark.serializer.KryoSerializer",
        "spark.ui.enabled": "false",
        "spark.local.dir": str(settings.data / "spill"),
        "spark.sql.warehouse.dir": str(settings.data / "spill" / "warehouse"),
    }
    yield from (str(_home() / "bin" / "spark-submit"), "--class", _MAIN, "--master", master)
    yield from ("--driver-memory", f"{max(settings.engine.memory // 2**20, 512)}m")
    for key, value in conf.items():
        yield from ("--conf", f"{key}={value}")
    yield "spark-internal"


def _home() -> Path:
    import pyspark

    return Path(str(pyspark.__file__)).parent


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _die_with_parent() -> None:
    """Ask the kernel to end this child when its parent dies, however it dies."""
    import ctypes
    import signal

    parent_death_signal = 1  # PR_SET_PDEATHSIG
    ctypes.CDLL(None).prctl(parent_death_signal, signal.SIGTERM)


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            last = (log.read_text(errors="replace").strip().splitlines() or ["no output"])[-1]
            raise PermanentFailure(f"the Spark Connect server ended at its start ({last[:200]}); see {log}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise PermanentFailure(f"the Spark Connect server did not answer within {_START_SECONDS:.0f} s; see {log}")


def _end(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(15)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
