"""Server processes that are ours: started apart from this one, recognised by their arguments, stopped by descriptor.

A pid alone says nothing (it is recycled); a process is ours when its command line holds the very argument that names our folder.
It is signalled through a pidfd opened before that check, so the pid cannot change hands in between. Linux only (/proc).
"""

import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


def find(argument: str) -> int | None:
    """The pid of this user's running process that has `argument` among its arguments, word for word."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _has(int(entry.name), argument):
            return int(entry.name)
    return None


def spawn(command: Sequence[str], log: Path, cwd: Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a server in a session of its own (Ctrl-C in our terminal is not meant for it), its output appended to `log`."""
    with log.open("ab") as out:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, cwd=cwd, env=env, start_new_session=True
        )


def terminate(argument: str, patience: float = 30.0, nudge: Callable[[int], None] | None = None) -> bool:
    """Stop the process that has `argument`: SIGTERM, and SIGKILL after `patience` seconds. False when there is none.

    `nudge(pid)` is called while we wait, for a server that hears of its end only when something happens.
    """
    pid = find(argument)
    if pid is None:
        return False
    with _held(pid, argument) as descriptor:
        if descriptor is None:
            return False
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        deadline = time.monotonic() + patience
        while not _ended(descriptor, 0.02 if nudge else patience) and time.monotonic() < deadline:
            if nudge:
                nudge(pid)
        if not _ended(descriptor, 0):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            _ended(descriptor, 10)
    _reap(pid)
    return True


def free_port(preferred: int | None = None) -> int:
    """A TCP port of the loopback interface that nobody listens on now; `preferred` if that is one."""
    for port in [preferred, 0] if preferred else [0]:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free to the servers too
            try:
                probe.bind(("127.0.0.1", port or 0))
            except OSError:
                continue  # somebody has the preferred one: let the kernel choose
            return int(probe.getsockname()[1])
    raise OSError("no free TCP port on 127.0.0.1")


def listens(port: int) -> bool:
    """Whether anybody takes connections on a loopback port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def tail(log: Path, since: int = 0, size: int = 20_000) -> str:
    """The end of a log, from byte `since` at the earliest."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(since, log.stat().st_size - size))
        return file.read().decode(errors="replace")


def argument_of(pid: int, name: str) -> str | None:
    """The value of `--name=value` on a process's command line; None when it has no such argument or is gone."""
    prefix = f"--{name}="
    return next((text.removeprefix(prefix) for text in _arguments(pid) if text.startswith(prefix)), None)


def _has(pid: int, argument: str) -> bool:
    return argument in _arguments(pid)


def _arguments(pid: int) -> list[str]:
    """The command line of a process of ours; empty for one that is gone, a zombie, or another user's."""
    folder = Path(f"/proc/{pid}")
    try:
        mine = folder.stat().st_uid == os.getuid()
        return os.fsdecode((folder / "cmdline").read_bytes()).split("\0") if mine else []
    except (FileNotFoundError, ProcessLookupError, PermissionError):  # ended while we looked, or hidden from us
        return []


@contextmanager
def _held(pid: int, argument: str) -> Iterator[int | None]:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        yield None
        return
    try:
        yield descriptor if _has(pid, argument) else None
    finally:
        os.close(descriptor)


def _ended(descriptor: int, patience: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(patience * 1000))


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return  # another process started it, so it is not ours to reap
