"""A process that answers one query at a time on one release, within its limits of time, memory and size of the answer.

What it sends for a query, over the pipe to the pool:
    ("columns", [(name, its type if that is or has an ENUM, else ""), …]),
    then frames of an Arrow stream, then an empty frame, then ("done", "");
    or, at any point after an empty frame if frames were begun, ("failed", message).
"""

import io
import logging
import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import duckdb
import pyarrow as pa

from lake.config import Settings
from lake.errors import CartlakeError
from warehouse import query
from warehouse.describe import literal
from warehouse.errors import table_names, translate
from warehouse.files import Shelf
from warehouse.server.guard import readable

log = logging.getLogger(__name__)
GRACE = 2.0  # seconds after the limit at which a query that heeds no interrupt takes its process with it
_FRAME = 1 << 20
_BATCH_ROWS = 20_480


def too_slow(settings: Settings) -> str:
    return f"the query took longer than serve.query_seconds ({settings.serve.query_seconds:g} s) and was stopped; ask for less"


def too_much(settings: Settings) -> str:
    return (
        f"the query needs more than serve.query_memory ({settings.serve.query_memory // 2**20} MiB) and was stopped; ask for less"
    )


def too_large(settings: Settings) -> str:
    return (
        f"the answer is larger than serve.query_memory ({settings.serve.query_memory // 2**20} MiB); ask for less, "
        'or write it to a file where the server runs: cartlake sql "…" --format parquet --output FILE'
    )


def epitaph(settings: Settings, exit_code: int | None) -> str:
    """What to tell the client whose query took its worker with it."""
    if exit_code == -signal.SIGALRM:
        return too_slow(settings)
    return f"{too_much(settings)} (its process ended with {exit_code})"


@dataclass
class Session:
    """One release, opened for reading and locked."""

    number: int
    connection: duckdb.DuckDBPyConnection
    names: list[str] = field(default_factory=list)
    tables: frozenset[str] = frozenset()
    macros: frozenset[str] = frozenset()


def run(settings: Settings, channel: Connection, number: int) -> None:
    """The life of a worker: open release `number`, say so, and answer until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the server ends its workers itself
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        session = open_session(settings, number)
    except (CartlakeError, duckdb.Error) as error:
        channel.send(("failed", " ".join(str(error).split())))
        return
    _bound_memory(settings.serve.query_memory)
    channel.send(("open", session.number))
    while True:
        try:
            text, wanted = channel.recv()
        except EOFError:
            return
        session = _switched(settings, session, wanted)
        if not text:
            channel.send(("open", session.number))
        elif not _answer(settings, session, channel, text):
            return


def open_session(settings: Settings, number: int) -> Session:
    """Release `number` with the live views beside it; from then on no file, extension or setting is within reach of its SQL."""
    connection = query.connect(settings, number)
    tables = table_names(connection)
    macros = connection.execute(
        "SELECT function_name FROM duckdb_functions() WHERE NOT internal AND function_type = 'table_macro'"
    )
    serve = settings.serve
    # Live views read the lake, and meta.changes() an earlier release.
    folders = (Path(settings.lake_root), Shelf.of(settings).folder)
    found = frozenset(name.lower() for (name,) in macros.fetchall())
    for setting, value in {
        "memory_limit": literal(f"{serve.query_memory // 2**20}MiB"),
        "threads": str(max(1, settings.engine.cores // 2)),
        "temp_directory": "''",
        "arrow_lossless_conversion": "true",
        "python_enable_replacements": "false",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "allowed_directories": f"[{', '.join(literal(f'{folder}/') for folder in folders)}]",
        "enable_external_access": "false",
        "lock_configuration": "true",
    }.items():
        connection.execute(f"SET {setting} = {value}")
    return Session(number, connection, tables, frozenset(name.rpartition(".")[2].lower() for name in tables), found)


def _switched(settings: Settings, session: Session, wanted: int) -> Session:
    """A session on the wanted release; the old one when that cannot be opened (dropped meanwhile: the pool names the next)."""
    if wanted == session.number:
        return session
    try:
        fresh = open_session(settings, wanted)
    except (CartlakeError, duckdb.Error) as error:
        log.warning("release %d cannot be opened, %d is served: %s", wanted, session.number, " ".join(str(error).split()))
        return session
    session.connection.close()
    return fresh


def _answer(settings: Settings, session: Session, channel: Connection, text: str) -> bool:
    """Run one query and send what came of it; False when this process must not go on."""
    sink = _Sink(channel, settings.serve.query_memory)
    expired = threading.Event()
    message, sound = "", True
    with _limited(session.connection, settings.serve.query_seconds, expired):
        try:
            _send(session, text, channel, sink)
        except CartlakeError as error:
            message = str(error)
        except (duckdb.OutOfMemoryException, MemoryError, pa.ArrowMemoryError):
            message = too_much(settings)
        except (duckdb.Error, pa.ArrowException, OSError, RuntimeError) as error:
            if sink.overflowed:
                message = too_large(settings)
            elif "bad_alloc" in str(error) or "Out of Memory" in str(error):
                message = too_much(settings)
            else:
                shown = error if isinstance(error, duckdb.Error) else duckdb.Error(str(error))
                message = str(translate(shown, session.names))
            # After these DuckDB refuses every further query on the database.
            sound = not isinstance(error, (duckdb.InternalException, duckdb.FatalException))
        if expired.is_set():
            message = too_slow(settings)
    if sink.begun:
        channel.send_bytes(b"")
    channel.send(("failed", message) if message else ("done", ""))
    return sound


def _send(session: Session, text: str, channel: Connection, sink: "_Sink") -> None:
    cursor = session.connection
    cursor.execute(readable(text, cursor, session.tables, session.macros))
    # Arrow has no ENUM: the front makes them of text again, since an attached client was told so when it asked for the types.
    names = [(column[0], kind if "ENUM(" in (kind := str(column[1])) else "") for column in cursor.description or ()]
    reader = cursor.to_arrow_reader(_BATCH_ROWS)
    # Arrow finds columns by name, and a query may give two the same.
    schema = pa.schema([column.with_name(f"c{position}") for position, column in enumerate(reader.schema)])
    first = next(reader, None)  # most errors come before the first rows
    channel.send(("columns", names))
    sink.begun = True
    buffered = io.BufferedWriter(sink, _FRAME)
    with pa.ipc.new_stream(buffered, schema) as writer:
        for batch in _from(first, reader):
            writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
    buffered.flush()


def _from(first: pa.RecordBatch | None, rest: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    if first is not None:
        yield first
        yield from rest


@contextmanager
def _limited(connection: duckdb.DuckDBPyConnection, seconds: float, expired: threading.Event) -> Iterator[None]:
    """Interrupt the query after `seconds`; SIGALRM ends the process if that does not help within GRACE."""

    def stop() -> None:
        expired.set()
        connection.interrupt()

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    signal.setitimer(signal.ITIMER_REAL, seconds + GRACE)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        signal.setitimer(signal.ITIMER_REAL, 0)


def _bound_memory(query_memory: int) -> None:
    """A bound by the kernel behind DuckDB's own, which does not see every allocation (a single huge string, Delta's reader)."""
    used = int(Path("/proc/self/status").read_text().split("VmData:")[1].split()[0]) * 1024
    limit = used + query_memory + query_memory // 2 + (256 << 20)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.getrlimit(resource.RLIMIT_DATA)[1]))


class _Sink(io.RawIOBase):
    """Frames to the pipe, up to `limit` bytes of one answer."""

    def __init__(self, channel: Connection, limit: int) -> None:
        self._channel, self._left = channel, limit
        self.begun = self.overflowed = False

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:  # type: ignore[no-untyped-def, override]  # any buffer
        size = len(data)
        self._left -= size
        if self._left < 0 and not self.overflowed:
            self.overflowed = True
            raise OSError("the answer is too large")
        if size and not self.overflowed:  # after it, writers still write their last bytes when they close
            self._channel.send_bytes(data)
        return size
