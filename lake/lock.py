"""One runner at a time for each source, for the build and for the publish.

A lock is `flock` on a file in the data folder: the kernel frees it when its holder dies, however it dies. The function that
does the work takes it, not the orchestrator, so that the command line obeys it too.
"""

import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from lake.errors import TransientFailure

_POLL_SECONDS = 0.1


@contextmanager
def hold(data: Path, name: str, wait: float = 0.0) -> Iterator[None]:
    """Hold lock `name` of the data folder; wait up to `wait` seconds for another holder.

    Raises TransientFailure that names the holder (process, command, since when).
    """
    folder = data / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.lock"
    with path.open("a+") as file:
        _acquire(file.fileno(), path, name, time.monotonic() + wait)
        file.seek(0)
        file.truncate()
        json.dump(_me(), file)
        file.flush()
        # Not unlinked at the end: a waiter may already have this file open.
        yield


def _acquire(descriptor: int, path: Path, name: str, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                raise TransientFailure(f"{name}: another run holds the lock ({_holder(path)}); wait for it to end") from error
            time.sleep(_POLL_SECONDS)


def _me() -> dict[str, object]:
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:200]
    return {"pid": os.getpid(), "command": command, "since": datetime.now(UTC).isoformat(timespec="seconds")}


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text())
    except (OSError, ValueError):  # the holder is just writing it
        return "unknown process"
    return f"process {holder['pid']}, `{holder['command']}`, since {holder['since']}"
