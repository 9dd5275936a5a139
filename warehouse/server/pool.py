"""The workers of the SQL server: each is lent to one query, follows the newest release, and is replaced when it ends."""

import io
import queue
import threading
import time
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import pyarrow as pa

from lake.config import Settings
from lake.errors import PermanentFailure, TransientFailure, UsageError
from warehouse.files import Shelf
from warehouse.release import choose
from warehouse.server import worker

_START_SECONDS = 60.0
_STOPPING = "the SQL server is being stopped"
_WAKE = 0.25  # seconds between two looks at whether the server is being stopped
# Takes the names of the columns, with their types where those are ENUMs, and the rows; the rows must be read before it returns.
Take = Callable[[list[tuple[str, str]], pa.RecordBatchReader], None]


class Pool:
    """`settings.serve.queries` workers on the newest release. `follow` must be called now and then."""

    def __init__(self, settings: Settings) -> None:
        self.number = choose(settings).number
        self._settings = settings
        self._shelf = Shelf.of(settings)
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        self._alive: set[_Worker] = set()
        self._lock = threading.Lock()
        self._closed = False
        # Forked from a process that has no threads, and has the imports: a worker is there in a fraction of a second.
        self._context = get_context("forkserver")
        self._context.set_forkserver_preload(["warehouse.server.worker"])
        self._fill(1)  # the others follow, while this one answers

    def ask(self, text: str, take: Take) -> None:
        """Run a client's query and give its answer to `take`.

        UsageError for what is refused or wrong, PermanentFailure for a limit reached, TransientFailure when every worker is
        busy for longer than a query may take.
        """
        lent = self._lend(self._settings.serve.query_seconds + worker.GRACE)
        try:
            lent.ask(text, self.number, take)
        except (EOFError, OSError):
            if self._closed:
                raise TransientFailure(_STOPPING) from None
            raise PermanentFailure(worker.epitaph(self._settings, lent.exit_code())) from None
        finally:
            self._give_back(lent)

    def follow(self) -> None:
        """Serve the newest release from now on, and replace workers that ended. Cheap when there is nothing to do."""
        self._fill(self._settings.serve.queries)
        numbers = self._shelf.numbers()
        if numbers and numbers[-1] != self.number:
            self.number = choose(self._settings).number
            for _ in range(self._settings.serve.queries):  # those at work switch when they are lent next
                try:
                    lent = self._idle.get_nowait()
                except queue.Empty:
                    break
                try:
                    lent.switch(self.number)
                except (EOFError, OSError):
                    lent.end()
                finally:
                    self._give_back(lent)

    def close(self) -> None:
        """End every worker, whatever it is doing."""
        with self._lock:
            self._closed = True
            for one in self._alive:
                one.end()
            self._alive.clear()

    def _fill(self, wanted: int) -> None:
        with self._lock:
            for gone in [one for one in self._alive if not one.process.is_alive()]:
                gone.end()
                self._alive.discard(gone)
            missing = 0 if self._closed else wanted - len(self._alive)
            fresh = [_Worker(self._context, self._settings, self.number) for _ in range(missing)]
            self._alive.update(fresh)
        failed: PermanentFailure | None = None
        for one in fresh:
            try:
                one.opened()
                self._idle.put(one)
            except PermanentFailure as error:
                failed = error
                one.end()
        if failed is not None:
            raise failed

    def _lend(self, seconds: float) -> "_Worker":
        until = time.monotonic() + seconds
        while not self._closed:
            try:
                found = self._idle.get(timeout=min(_WAKE, max(until - time.monotonic(), 0)))
                if found.process.is_alive():
                    return found
            except queue.Empty:
                if time.monotonic() >= until:
                    raise TransientFailure(
                        f"all serve.queries ({self._settings.serve.queries}) were busy for {seconds:g} s; try again, or raise it"
                    ) from None
        raise TransientFailure(_STOPPING)

    def _give_back(self, lent: "_Worker") -> None:
        if lent.unsound:  # it ended, or the rest of an answer that nobody took is still in the pipe
            lent.end()
        elif lent.process.is_alive():
            self._idle.put(lent)


class _Worker:
    """The pool's end of a worker's pipe."""

    def __init__(self, context, settings: Settings, number: int) -> None:  # type: ignore[no-untyped-def]  # a private class
        self._channel: Connection
        self._channel, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=worker.run, args=(settings, theirs, number), daemon=True)
        self.process.start()
        theirs.close()
        self.unsound = False
        self._ending = threading.Lock()

    def opened(self) -> None:
        """Wait until the release is open."""
        try:
            state, told = self._channel.recv() if self._channel.poll(_START_SECONDS) else ("failed", "no answer")
        except EOFError:
            state, told = "failed", "its process ended"
        if state != "open":
            raise PermanentFailure(f"a worker of the SQL server did not start: {told}")

    def switch(self, number: int) -> None:
        self._channel.send(("", number))
        self._channel.recv()

    def ask(self, text: str, number: int, take: Take) -> None:
        self.unsound = True  # until the whole answer has been read
        self._channel.send((text, number))
        state, told = self._channel.recv()
        failure: Exception | None = None
        if state == "columns":
            source = _Source(self._channel)
            try:
                with pa.ipc.open_stream(io.BufferedReader(source, 1 << 20)) as reader:
                    take(told, reader)
                source.drain()
            except Exception as error:
                if not source.ended:
                    raise
                failure = error  # perhaps only because the worker broke off: what it says then matters more
            state, told = self._channel.recv()
        self.unsound = False
        if state == "failed":
            raise UsageError(told)
        if failure is not None:
            raise failure

    def exit_code(self) -> int | None:
        """What it ended with; a negative number is a signal."""
        self.process.join(worker.GRACE)
        return self.process.exitcode

    def end(self) -> None:
        """From any thread, any number of times: who waits for an answer ends it as the pool does when it is closed."""
        self.unsound = True
        self.process.kill()
        self.process.join()
        with self._ending:  # two closes at once would close a file number twice
            self._channel.close()  # last: somebody may be reading from it


class _Source(io.RawIOBase):
    """The frames of one answer as a file."""

    def __init__(self, channel: Connection) -> None:
        self._channel = channel
        self._rest = memoryview(b"")
        self.ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, target) -> int:  # type: ignore[no-untyped-def, override]  # any buffer
        if not self._rest and not self.ended:
            self._next()
        taken = min(len(target), len(self._rest))
        target[:taken] = self._rest[:taken]
        self._rest = self._rest[taken:]
        return taken

    def drain(self) -> None:
        """Read to the end of the answer."""
        while not self.ended:
            self._next()

    def _next(self) -> None:
        try:
            self._rest = memoryview(self._channel.recv_bytes())
        except EOFError:  # said again when the pool asks what came of it
            self._rest = memoryview(b"")
        self.ended = not self._rest
