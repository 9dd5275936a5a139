"""A Spark Connect server as a process of its own, for `local[*]` or a cluster: its command, its start and its end."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from lake.config import Settings
from lake.errors import PermanentFailure, UsageError
from transforms.engine import java

# A cold start took 6 s on two idle cores; a laden machine gets twenty times that.
START_SECONDS = 120.0
_MAIN = "org.apache.spark.sql.connect.service.SparkConnectServer"
# Variables of the user's shell that would lead Spark to another installation or configuration.
_FOREIGN = ("SPARK_REMOTE", "SPARK_HOME", "SPARK_CONF_DIR", "SPARK_CONNECT_MODE_ENABLED", "PYSPARK_SUBMIT_ARGS", "MASTER")
_STANDALONE = re.compile(r"spark://(\[[^]]+\]|[^,:/]+):(\d+)")
_LEAST_MEMORY = 512  # MiB; with less a JVM of Spark's refuses to start
# What every session has, also with a server that someone else started.
SESSION = {
    "spark.sql.session.timeZone": "UTC",
    # Spark's own default type is INT96, which the Delta protocol does not have.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
}


def launch(settings: Settings, token: str, port: int) -> subprocess.Popen[bytes]:
    """Start the server and wait until it listens. PermanentFailure or UsageError says what is missing."""
    arguments = command(settings, token, port)
    log = settings.data / "logs" / "spark.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        server = subprocess.Popen(
            arguments,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment(settings.data / "spill", _address(settings.engine.master)),
            preexec_fn=die_with_parent,
        )
    try:
        _wait(server, port, log)
    except BaseException:
        end(server)
        raise
    return server


def is_local(master: str) -> bool:
    """Whether the executors are threads of the server itself."""
    return not master or master.startswith("local")


def home() -> Path:
    """The Apache Spark that the package pyspark brings."""
    import pyspark

    return Path(str(pyspark.__file__)).parent


def jars(settings: Settings) -> list[Path]:
    """The Delta jars; UsageError where they are not."""
    found = sorted(settings.spark_jars.glob("*.jar"))
    if not any("delta-spark" in jar.name for jar in found):
        raise UsageError(
            f"no Delta jars for Apache Spark in {settings.spark_jars}; fetch them with: python scripts/fetch_jars.py"
        )
    return found


def environment(scratch: Path, address: str) -> dict[str, str]:
    """The variables with which each process of Apache Spark starts; PermanentFailure where there is no Java."""
    kept = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    more = {"SPARK_LOCAL_IP": address} if address else {}
    return {**kept, **more, "SPARK_HOME": str(home()), "JAVA_HOME": str(java.home(scratch))}


def free_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def die_with_parent() -> None:
    """Ask the kernel to end this child when its parent dies, however it dies."""
    parent_death_signal = 1  # PR_SET_PDEATHSIG
    ctypes.CDLL(None).prctl(parent_death_signal, signal.SIGTERM)


def end(server: subprocess.Popen[bytes]) -> None:
    """Stop a process that we started, by force if it does not listen."""
    server.terminate()
    try:
        server.wait(15)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def command(settings: Settings, token: str, port: int) -> list[str]:
    """How the server is started. UsageError where the Delta jars are not, or the master's host is not known."""
    master = settings.engine.master or f"local[{settings.engine.cores}]"
    conf = {
        "spark.app.name": token,
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
        "spark.driver.extraJavaOptions": "-XX:+UseParallelGC",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.serializer": "org.apache.spark.serializer.KryoSerializer",
        "spark.ui.enabled": "false",
        "spark.local.dir": str(settings.data / "spill"),
        "spark.sql.warehouse.dir": str(settings.data / "spill" / "warehouse"),
        **SESSION,
        **_where(settings),
    }
    given = [part for key, value in conf.items() for part in ("--conf", f"{key}={value}")]
    head = [str(home() / "bin" / "spark-submit"), "--class", _MAIN, "--master", master, "--driver-memory", _memory(settings)]
    return [*head, *given, "spark-internal"]


def _memory(settings: Settings) -> str:
    return f"{max(settings.engine.memory // 2**20, _LEAST_MEMORY)}m"


def _where(settings: Settings) -> Mapping[str, str]:
    """What depends on where the executors run: `engine.memory` and `engine.cores` are those of each executor of a cluster."""
    delta, master, cores = jars(settings), settings.engine.master, str(settings.engine.cores)
    if is_local(master):
        path = ":".join(map(str, delta))
        return {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.extraClassPath": path,
            "spark.executor.extraClassPath": path,
            "spark.sql.shuffle.partitions": cores,
            "spark.default.parallelism": cores,
            "spark.databricks.delta.snapshotPartitions": cores,
        }
    address = _address(master)
    return {
        **({"spark.driver.host": address} if address else {}),
        "spark.jars": ",".join(map(str, delta)),  # the server hands them to executors, on whatever machine
        "spark.executor.memory": _memory(settings),
        "spark.executor.cores": cores,
    }


def _address(master: str) -> str:
    """The address of this machine that executors can reach: the one on the way to the master. Empty leaves it to Spark."""
    if is_local(master):
        return "127.0.0.1"
    found = _STANDALONE.match(master)
    if not found:
        return ""
    host, port = found[1].strip("[]"), int(found[2])
    try:
        family, kind, _, _, name = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    except OSError as error:
        raise UsageError(f"engine.master: {master}: {host} is not known ({error.strerror or error})") from error
    with socket.socket(family, kind) as probe:
        probe.connect(name)  # sends nothing, but chooses the road
        return str(probe.getsockname()[0])


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            last = (log.read_text(errors="replace").strip().splitlines() or ["no output"])[-1]
            raise PermanentFailure(f"the Spark Connect server ended at its start ({last[:200]}); see {log}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise PermanentFailure(f"the Spark Connect server did not answer within {START_SECONDS:.0f} s; see {log}")
