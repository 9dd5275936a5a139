"""The sandbox's two servers as one thing: started together, found when they already run, stopped when the last user leaves."""

import fcntl
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lake.config import Settings
from lake.errors import PermanentFailure
from lake.lock import hold
from lake.sandbox import mariadb, mongo, state

_WAIT = 180.0  # longer than the slowest start of another process


@dataclass(frozen=True)
class Sandbox:
    """Where the servers are. The URLs hold passwords: never print them."""

    mysql: mariadb.MariaDb
    mongo: mongo.Mongo
    started: bool  # by the call that returned this

    @property
    def mysql_url(self) -> str:
        """The pipeline's account: SELECT, REPLICATION SLAVE, REPLICATION CLIENT."""
        return self.mysql.url("cartlake")

    @property
    def shop_mysql_url(self) -> str:
        """The shop application's account: everything in softcart."""
        return self.mysql.url("shop")

    @property
    def admin_mysql_url(self) -> str:
        return self.mysql.url("root")

    @property
    def mongo_url(self) -> str:
        return self.mongo.url()

    def describe_mysql(self) -> str:
        """Where it is, without a password."""
        return f"127.0.0.1:{self.mysql.port}/{mariadb.DATABASE}, accounts cartlake (pipeline) and shop; passwords in state.json"

    def describe_mongo(self) -> str:
        return self.mongo_url


def start(settings: Settings, keep: bool = True) -> Sandbox:
    """Start what does not run yet. `keep`: the servers stay until `stop`; else until the last `running` block ends.

    Raises PermanentFailure (no mariadbd, disk full, a data folder of another user) or TransientFailure, in one line.
    """
    with hold(settings.data, "sandbox", wait=_WAIT):
        found = _found(settings)
        if found:
            if keep:
                state.write(settings.sandbox_state, state.read(settings.sandbox_state) | {"keep": True})
            return found
        return _start(settings, keep)


def stop(settings: Settings) -> bool:
    """Stop both servers cleanly, if they are ours; False when none ran."""
    with hold(settings.data, "sandbox", wait=_WAIT):
        return _stop(settings.sandbox.folder, settings.sandbox_state)


def find(settings: Settings) -> Sandbox | None:
    """The running sandbox; None when it does not run, or only half of it does."""
    return _found(settings)


def status(settings: Settings) -> list[dict[str, Any]]:
    """One row a server: name, whether it runs, pid, port, data folder."""
    known, folder = state.read(settings.sandbox_state), settings.sandbox.folder
    mysql = mariadb.running(folder, known["mysql_port"], state.passwords(folder)) if known else None
    documents = mongo.running(folder, known["mongo_port"]) if known else None
    rows: list[dict[str, Any]] = []
    for name, found, place in (("MariaDB", mysql, folder / "mysql"), ("SecantusDB", documents, folder / "mongo")):
        pid, port = (found.pid, found.port) if found else (None, None)
        rows.append({"server": name, "runs": found is not None, "pid": pid, "port": port, "folder": str(place)})
    return rows


@contextmanager
def running(settings: Settings) -> Iterator[Sandbox]:
    """A running sandbox for the length of the block.

    Servers that `start` left running stay; those that a block started stop when the last block, of whatever process, ends.
    A process killed in its block leaves them to the next one.
    """
    settings.data.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(settings.data / ".sandbox-users", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)  # each user holds a share; the kernel drops it however the user ends
        try:
            yield start(settings, keep=False)
        finally:
            with hold(settings.data, "sandbox", wait=_WAIT):
                if not state.read(settings.sandbox_state).get("keep") and _alone(descriptor):
                    _stop(settings.sandbox.folder, settings.sandbox_state)
    finally:
        os.close(descriptor)


def _alone(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _found(settings: Settings) -> Sandbox | None:
    known = state.read(settings.sandbox_state)
    if not known:
        return None
    folder = settings.sandbox.folder
    mysql = mariadb.running(folder, known["mysql_port"], state.passwords(folder))
    documents = mongo.running(folder, known["mongo_port"])
    return Sandbox(mysql, documents, started=False) if mysql and documents else None


def _start(settings: Settings, keep: bool) -> Sandbox:
    folder = settings.sandbox.folder
    known = state.read(settings.sandbox_state) or state.read(folder / "ports.json")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        settings.sandbox_state.unlink(missing_ok=True)
        passwords = state.passwords(folder)
        with ThreadPoolExecutor(2) as both:  # each takes about a second, mostly waiting
            mysql = both.submit(mariadb.start, folder, passwords, known.get("mysql_port"))
            documents = both.submit(mongo.start, folder, known.get("mongo_port"))
            sandbox = Sandbox(mysql.result(), documents.result(), started=True)
        ports = {"mysql_port": sandbox.mysql.port, "mongo_port": sandbox.mongo.port}
        state.write(folder / "ports.json", ports)  # taken again next time if free: a client keeps its settings
        urls = {
            "MYSQL_URL": sandbox.mysql_url,
            "MONGO_URL": sandbox.mongo_url,
            "SHOP_MYSQL_URL": sandbox.shop_mysql_url,
            "ADMIN_MYSQL_URL": sandbox.admin_mysql_url,
        }
        pids = {"mysql_pid": sandbox.mysql.pid, "mongo_pid": sandbox.mongo.pid, "started_at": int(time.time())}
        state.write(settings.sandbox_state, {**urls, **ports, **pids, "keep": keep})
    except BaseException as error:
        _stop(folder, settings.sandbox_state)
        if isinstance(error, OSError):
            raise PermanentFailure(f"sandbox: {folder}: {error.strerror or error}; or choose another [sandbox] folder") from error
        raise
    return sandbox


def _stop(folder: Path, state_file: Path) -> bool:
    state_file.unlink(missing_ok=True)
    with ThreadPoolExecutor(2) as both:
        return any(list(both.map(lambda server: server.stop(folder), (mariadb, mongo))))
