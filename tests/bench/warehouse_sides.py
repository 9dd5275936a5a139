"""One side of a comparison in a process of its own, so that its CPU time and peak memory are its own."""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import duckdb

Opens = Callable[..., duckdb.DuckDBPyConnection]
SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Took:
    """`value` is what was answered or returned; seconds; `peak` bytes of the process so far."""

    value: Any
    wall: float
    cpu: float
    peak: int


class Side:
    """A connection in another process, asked one query at a time."""

    def __init__(self, pipe: "Connection[Any, Any]") -> None:
        self._pipe = pipe

    def ask(self, sql: str) -> Took:
        self._pipe.send(sql)
        found = self._pipe.recv()
        if isinstance(found, Exception):
            raise found
        assert isinstance(found, Took)
        return found


@contextmanager
def side(opens: Opens, *arguments: Any) -> Iterator[Side]:
    """The connection that `opens(*arguments)` gives there."""
    here, there = SPAWN.Pipe()
    process = SPAWN.Process(target=_answer, args=(there, opens, arguments), daemon=True)
    process.start()
    there.close()
    try:
        yield Side(here)
    finally:
        here.close()
        process.join(30)
        if process.is_alive():
            process.kill()


def apart(function: Callable[..., Any], *arguments: Any) -> Took:
    """A call in a process of its own; start-up and imports are not counted in the times."""
    here, there = SPAWN.Pipe()
    process = SPAWN.Process(target=_call, args=(there, function, arguments))
    process.start()
    there.close()
    try:
        found = here.recv()
    finally:
        process.join()
    if isinstance(found, Exception):
        raise found
    assert isinstance(found, Took)
    return found


def _answer(pipe: "Connection[Any, Any]", opens: Opens, arguments: Sequence[Any]) -> None:
    connection = opens(*arguments)
    while True:
        try:
            sql = pipe.recv()
        except EOFError:  # the other end has all it wanted
            return
        try:
            pipe.send(_timed(lambda sql=sql: connection.execute(sql).fetchall()))  # type: ignore[misc]
        except duckdb.Error as error:
            pipe.send(RuntimeError(f"{sql}: {error}"))


def _call(pipe: "Connection[Any, Any]", function: Callable[..., Any], arguments: Sequence[Any]) -> None:
    try:
        pipe.send(_timed(lambda: function(*arguments)))
    except Exception as error:  # handed to the caller, who raises it
        pipe.send(RuntimeError(f"{type(error).__name__}: {error}"))


def _timed(act: Callable[[], Any]) -> Took:
    wall, cpu = time.perf_counter(), time.process_time()
    value = act()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Took(value, wall, cpu, _peak())


def _peak() -> int:
    """Bytes. Not getrusage's: that starts with what the process that started this one had."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024
