"""A stand-in for MongoDB: SecantusDB, a server of its wire protocol with change streams, as a process of its own.

It is GPL-2.0, so no module of ours imports it. `--sync-on-commit` because without it a kill lost acknowledged writes; the
oplog is kept for a year because its default of one hour would cost every resume token of a shop left alone over lunch.
"""

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lake.errors import PermanentFailure, TransientFailure
from lake.sandbox import process

DATABASE = "catalog"
_OPTIONS = (
    "--sync-on-commit",
    "--oplog-retention-seconds=31536000",
    "--oplog-max-entries=5000000",
    "--cache-size=256M",
    "--log-level=WARNING",
)


@dataclass(frozen=True)
class Mongo:
    """A running server."""

    pid: int
    port: int

    def url(self, database: str = DATABASE) -> str:
        return f"mongodb://127.0.0.1:{self.port}/{database}?directConnection=true"


def start(folder: Path, port: int | None = None) -> Mongo:
    """Start the server of `folder` (made if missing), on `port` if that is free; wait until it answers as ours."""
    program = Path(sys.executable).with_name("secantusd-py")
    if not program.exists():
        raise PermanentFailure(
            f"sandbox: no {program.name} beside {sys.executable}; run `make setup`, or set MONGO_URL to your server"
        )
    storage = folder / "mongo"
    stop(folder)  # one that a killed run left behind
    storage.mkdir(parents=True, exist_ok=True)
    options = folder / "secantusd.toml"  # an empty one of our own: without it the program takes one from the home folder
    options.touch()
    for _ in range(3):
        chosen = process.free_port(port)
        command = [sys.executable, str(program), f"--config={options}", f"--port={chosen}", _marker(storage), *_OPTIONS]
        found = _launch(command, folder, chosen)
        if found:
            return found
        port = None  # somebody took it between the choice and the start
    raise TransientFailure("sandbox: the MongoDB server found three ports in use one after the other; try again")


def running(folder: Path, port: int) -> Mongo | None:
    """The server of `folder`, if it runs and answers on `port`."""
    pid = process.find(_marker(folder / "mongo"))
    return Mongo(pid, port) if pid is not None and _answers_as(pid, port) else None


def stop(folder: Path) -> bool:
    """Stop the server of `folder` cleanly; False when it did not run."""
    return process.terminate(_marker(folder / "mongo"), nudge=_wake)


def _wake(pid: int) -> None:
    """Its stop waits 2 s for a thread that sits in accept(): a connection frees it."""
    port = process.argument_of(pid, "port")
    if port:
        process.listens(int(port))


def _marker(storage: Path) -> str:
    return f"--storage-path={storage}"


def _launch(command: list[str], folder: Path, port: int) -> Mongo | None:
    log = folder / "mongo.log"
    before = log.stat().st_size if log.exists() else 0
    # With PYTHONDONTWRITEBYTECODE its start takes seconds more.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    child = process.spawn(command, log, folder, env)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if _answers_as(child.pid, port):
            return Mongo(child.pid, port)
        if child.poll() is not None:
            said = process.tail(log, before)
            if "Address already in use" in said:
                return None
            raise _failure(said, folder)
        time.sleep(0.02)
    child.kill()
    child.wait()
    raise TransientFailure(f"sandbox: the MongoDB server did not answer on port {port} within 60 s; its log is {log}")


def _answers_as(pid: int, port: int) -> bool:
    """Whether what answers on the port is process `pid`."""
    import pymongo
    from pymongo.errors import PyMongoError

    if not process.listens(port):
        return False
    try:
        with pymongo.MongoClient[dict[str, Any]](
            f"mongodb://127.0.0.1:{port}/?directConnection=true", serverSelectionTimeoutMS=300
        ) as client:
            return bool(client.admin.command("serverStatus").get("pid") == pid)
    except PyMongoError:  # nobody there yet, or somebody else
        return False


def _failure(said: str, folder: Path) -> Exception:
    if "No space left on device" in said:
        return PermanentFailure(f"sandbox: no space left on the disk of {folder}; free some, then start again")
    last = (said.strip().splitlines() or ["it said nothing"])[-1]
    place = folder / "mongo"
    return PermanentFailure(f"sandbox: the MongoDB server does not start in {place}: {last}; remove the folder to begin afresh")
