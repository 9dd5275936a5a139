"""A small shop built on an Apache Spark cluster of this machine, and compared row by row with what Sail builds.

    cluster_demo.py [WORKERS]      two when not said

Starts a sandbox, a standalone master and its workers, all on free ports of 127.0.0.1 and in a folder of its own, and ends each
of them; what else runs here is left alone. Exits 1 where a table differs.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa

from lake.capture import capture
from lake.config import Settings, load
from lake.delta import Lake
from lake.errors import CartlakeError, PermanentFailure
from lake.sandbox import running, shop
from transforms.build import build
from transforms.engine import same, server, start

ROOT = Path(__file__).resolve().parent.parent
WORKER_MEMORY, DAEMON_MEMORY = "1g", "256m"
EXECUTOR = {"CARTLAKE_ENGINE__MEMORY": "768MiB", "CARTLAKE_ENGINE__CORES": "1"}
COMPARED = ("silver", "gold", "quarantine")
WHEN = "quarantined_at"  # the one column that tells when it was written
# The demo's tables are small: a part for each worker, not Spark's usual 200, and no time spent on compiling queries.
SMALL = {
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
}


@dataclass(frozen=True)
class Daemon:
    """A master or worker that we started, in a process group of its own, and where it writes."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def said(self, what: str) -> list[str]:
        """Each time that the log says `what`: its first group."""
        return re.findall(what, self.log.read_text(errors="replace"))

    def wait_for(self, what: str) -> str:
        """The first group of `what` once the log says it. PermanentFailure when it does not come."""
        deadline = time.monotonic() + server.START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            if found := self.said(what):
                return found[0]
            time.sleep(0.1)
        last = (self.log.read_text(errors="replace").strip().splitlines() or ["no output"])[-1]
        raise PermanentFailure(f"the Spark {self.name} did not start: {last[:200]}")


@contextmanager
def daemon(name: str, kind: str, arguments: list[str], folder: Path) -> Iterator[Daemon]:
    """A process of Spark's own for the length of the block. Its executors are its children, and end no later than it does."""
    log = folder / f"{name}.log"
    env = server.environment(folder, "127.0.0.1") | {"SPARK_DAEMON_MEMORY": DAEMON_MEMORY, "SPARK_NO_DAEMONIZE": "1"}
    command = [str(server.home() / "bin" / "spark-class"), f"org.apache.spark.deploy.{kind}", *arguments]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=env,
            preexec_fn=server.die_with_parent,
            start_new_session=True,
        )
    try:
        yield Daemon(name, process, log)
    finally:
        server.end(process)


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[tuple[str, list[Daemon]]]:
    """A standalone master's address, and its workers."""
    with ExitStack() as stack:
        here = ["--host", "127.0.0.1", "--port", "0", "--webui-port", "0"]
        master = stack.enter_context(daemon("master", "master.Master", here, folder))
        address = master.wait_for(r"Starting Spark master at (spark://\S+)")
        each = ["--cores", "1", "--memory", WORKER_MEMORY]
        found = [
            stack.enter_context(
                daemon(f"worker-{n}", "worker.Worker", [*here, *each, "--work-dir", str(folder / f"work-{n}"), address], folder)
            )
            for n in range(1, workers + 1)
        ]
        for worker in found:
            worker.wait_for(r"(Successfully registered with master)")
        print(f"master {address} (process {master.process.pid})", flush=True)
        for worker in found:
            print(f"{worker.name}: 1 core, {WORKER_MEMORY} (process {worker.process.pid})", flush=True)
        yield address, found


def settings_of(home: Path, **more: str) -> Settings:
    """The project's own settings, the smallest shop, a folder of its own, and no server of the user's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CARTLAKE_") or name == "CARTLAKE_CACHE"}
    kept = {name: value for name, value in kept.items() if name not in ("MYSQL_URL", "MONGO_URL")}
    small = {"CARTLAKE_DATA": str(home), "CARTLAKE_SANDBOX__SCALE": "10000", "CARTLAKE_SANDBOX__UNTIL": str(date(2026, 10, 31))}
    return load(ROOT / "cartlake.toml", {**kept, **small, **more})


def where_it_ran(workers: list[Daemon], log: Path) -> str:
    """The executors of each worker, and how many tasks each of them finished."""
    tasks = Counter(re.findall(r"Finished task .* \(executor (\d+)\)", log.read_text(errors="replace")))
    lines = []
    for worker in workers:
        executors = sorted(set(worker.said(r"Asked to launch executor \S+/(\d+)")))
        lines += [f"{worker.name}: executor {number}, {tasks[number]:,} tasks" for number in executors]
        lines += [] if executors else [f"{worker.name}: no executor"]
    return "\n".join(lines)


def compare(one: Lake, other: Lake) -> int:
    """Print each table that is not the same in both lakes; how many there are."""
    names = sorted({name for lake in (one, other) for layer in COMPARED for name in lake.names(layer)})
    differ, rows = 0, 0
    for name in names:
        if not (one.exists(name) and other.exists(name)):
            found = f"only {'sail' if one.exists(name) else 'spark'} built it"
        else:
            left, right = (_lasting(lake.read(name)) for lake in (one, other))
            found, rows = same.difference(left, right), rows + left.num_rows
        if found:
            differ += 1
            print(f"DIFFERS {name}: {found}")
    print(f"{len(names) - differ} of {len(names)} tables have the same rows and types ({rows:,} rows)")
    return differ


def _lasting(rows: pa.Table) -> pa.Table:
    return rows.drop_columns([WHEN]) if WHEN in rows.column_names else rows


def main(workers: int = 2) -> int:
    """Build twice, compare, and end all that was started."""
    with tempfile.TemporaryDirectory(prefix="cartlake-cluster-") as temporary:
        home = Path(temporary)
        ours = settings_of(home / "sail", CARTLAKE_ENGINE__KIND="sail")
        server.jars(ours)
        server.environment(home, "127.0.0.1")  # no Java, and nothing need be started
        with running(ours):
            shop.create(ours)
            capture(ours)
        lake, twin = Path(ours.lake_root), home / "spark" / "lake"
        shutil.copytree(lake, twin)
        began = time.monotonic()
        build(ours)
        shutil.copytree(lake / "ref", twin / "ref")  # the same salt for e-mail addresses
        print(f"sail: built in {time.monotonic() - began:.0f} s", flush=True)
        with cluster(home, workers) as (address, daemons):
            theirs = settings_of(home / "spark", CARTLAKE_ENGINE__MASTER=address, **EXECUTOR)
            engine = start(theirs)
            try:
                for name, value in SMALL.items():
                    engine.spark.conf.set(name, value)
                began = time.monotonic()
                report = build(theirs, engine=engine)
                print(
                    f"spark: {len(report.steps)} tables built on {workers} workers in {time.monotonic() - began:.0f} s",
                    flush=True,
                )
            finally:
                engine.stop()
            print(where_it_ran(daemons, theirs.data / "logs" / "spark.log"))
        return int(compare(Lake(ours.lake_root), Lake(theirs.lake_root)) > 0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")  # a short life does not repay more compiling
    try:
        sys.exit(main(*map(int, sys.argv[1:])))
    except CartlakeError as error:
        sys.exit(f"cluster-demo: {error}")
