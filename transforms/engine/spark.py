"""Apache Spark through Spark Connect: a server of its own process for a master, or a remote one.

One Python process cannot hold a Sail session and a classic Spark session, but two Connect sessions live side by side.
"""

from __future__ import annotations

import subprocess
import threading
import uuid
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pyarrow as pa

from lake.errors import PermanentFailure, TransientFailure, UsageError
from lake.parquet import plain
from transforms.engine import Engine, server

if TYPE_CHECKING:
    from pyspark.sql.connect.dataframe import DataFrame
    from pyspark.sql.connect.session import SparkSession

    from lake.config import Settings

# No table of ours has deletion vectors, so its files are its rows.
_MOST_FILES = 1000
# The retries that the client makes by itself go on for ten minutes: too long for an address that is wrong.
_FIRST_TRIES = 4
FORMAT = "delta"


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
            return cls(_remote(settings.engine.remote), settings.engine.cores)
        token, port = f"cartlake-{uuid.uuid4().hex[:12]}", server.free_port()
        process = server.launch(settings, token, port)
        try:
            session = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").create()
            if session.conf.get("spark.app.name") != token:
                raise PermanentFailure(f"port {port} was taken by another Spark Connect server; try again")
            if not server.is_local(settings.engine.master):
                _wait_for_executors(session, settings)
        except BaseException:
            server.end(process)
            raise
        return cls(session, settings.engine.cores, process)

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
            server.end(self._server)


def _remote(address: str) -> SparkSession:
    """A session with a server that someone else runs; one clear error where none answers, or where it has no Delta."""
    from pyspark.errors import PySparkException
    from pyspark.sql.connect.client.retries import DefaultPolicy
    from pyspark.sql.connect.session import SparkSession

    try:
        session = SparkSession.builder.remote(address).create()
    except PySparkException as error:
        raise UsageError(
            f"engine.remote: {address!r}: {' '.join(str(error).split())[:200]}; write it as sc://HOST:15002"
        ) from error
    usual = session.client.get_retry_policies()
    session.client.set_retry_policies([DefaultPolicy(max_retries=_FIRST_TRIES)])
    try:
        for name, value in server.SESSION.items():
            session.conf.set(name, value)
        has_delta = knows(session, FORMAT)
    except Exception as error:  # gRPC's own types and pyspark's have no common parent
        raise TransientFailure(
            f"engine.remote: no Spark Connect server answers at {address} ({' '.join(str(error).split())[:200]}); "
            "start it, or unset engine.remote"
        ) from error
    session.client.set_retry_policies(usual)
    if not has_delta:
        session.stop()
        raise UsageError(
            f"engine.remote: the Spark Connect server at {address} has no Delta: start it with delta-spark "
            "(--packages io.delta:delta-spark_4.2_2.13:4.4.0, or --jars with the files that scripts/fetch_jars.py fetches), "
            "or unset engine.remote"
        )
    return session


def knows(session: SparkSession, kind: str) -> bool:
    """Whether a server can read a format: it is asked for the schema of a table that is not there, and no job runs."""
    from pyspark.errors import PySparkException

    try:
        _ = session.read.format(kind).load("/nowhere/cartlake").schema
    except PySparkException as error:
        return "DATA_SOURCE_NOT_FOUND" not in str(error)
    return True


def _wait_for_executors(session: SparkSession, settings: Settings) -> None:
    """Run a tiny job: a cluster that cannot give an executor what it asks for would let the build wait for ever."""
    given_up = threading.Event()

    def give_up() -> None:
        given_up.set()
        session.interruptAll()

    timer = threading.Timer(server.START_SECONDS, give_up)
    timer.start()
    try:
        session.range(1).collect()
    except Exception as error:
        if not given_up.is_set():
            raise
        memory = f"{settings.engine.memory // 2**20:,} MiB and {settings.engine.cores} cores"
        raise TransientFailure(
            f"no worker of {settings.engine.master} gave an executor of {memory} within {server.START_SECONDS:.0f} s; "
            "set engine.memory and engine.cores to what a worker has free"
        ) from error
    finally:
        timer.cancel()
