"""The door: quack's server on a DuckDB of its own that holds nothing but the answers that clients are about to fetch."""

import errno
import itertools
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa

from lake.config import Settings
from lake.errors import CartlakeError, UsageError
from warehouse import duck
from warehouse.describe import literal, quoted
from warehouse.server.pool import Pool
from warehouse.server.secret import kept_in

log = logging.getLogger(__name__)
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_TICK = 0.5  # seconds between two looks for a new release
_FORGOTTEN = timedelta(seconds=10)
_TOKEN_FILE = "serve_token"


@contextmanager
def serving(settings: Settings) -> Iterator["Front"]:
    """A server that answers until the block ends. UsageError for no release, a port that is taken, a host that is not ours."""
    token = token_of(settings)
    _refuse_taken(settings.serve.host, settings.serve.port)
    with closing(Pool(settings)) as pool:
        front = Front(settings, pool, token)
        try:
            yield front
        finally:
            pool.close()  # first: quack waits for the queries that are running
            front.close()


def token_of(settings: Settings) -> str:
    """The token of the settings; without one, that of data/serve_token, which is made on first use for its owner alone."""
    token = settings.serve.token.get_secret_value() or kept_in(settings.data / _TOKEN_FILE)
    if len(token) < 4:
        raise UsageError("the token of the SQL server has fewer than 4 characters; set CARTLAKE_SERVE__TOKEN to a longer one")
    return token


class Front:
    """quack's server. Give it to `serving` to be closed."""

    def __init__(self, settings: Settings, pool: Pool, token: str) -> None:
        self._pool = pool
        self._trouble = ""
        self._answers = _Answers(settings)
        host, port = settings.serve.host, settings.serve.port
        self.uri = f"quack:[{host}]:{port}" if ":" in host else f"quack:{host}:{port}"
        self._connection = connection = self._answers.connection
        connection.create_function(
            "cartlake_answer",
            self._answer,
            ["VARCHAR", "VARCHAR"],  # type: ignore[list-item]
            "VARCHAR",  # type: ignore[arg-type]
            null_handling="special",  # type: ignore[arg-type]
        )
        connection.execute("SET GLOBAL quack_authorization_function = 'cartlake_answer'")
        outside = "" if host in LOOPBACK else ", allow_other_hostname := true"
        try:
            connection.execute(f"CALL quack_serve({literal(self.uri)}, token := {literal(token)}{outside})")
        except duckdb.Error as error:
            raise UsageError(f"{self.uri} cannot be served: {_line(error)}; choose another with --host and --port") from None
        connection.execute("SET enable_external_access = false; SET lock_configuration = true")

    @property
    def release(self) -> int:
        return self._pool.number

    @property
    def held(self) -> int:
        """Answers that are kept until they are fetched."""
        return len(self._answers)

    def follow(self) -> None:
        """What is done every now and then: look for a new release, replace what ended, drop answers that were fetched."""
        try:
            self._answers.sweep()
            self._pool.follow()
            self._trouble = ""
        except (CartlakeError, duckdb.Error, OSError) as error:
            trouble = _line(error)
            if trouble != self._trouble:  # once, not twice a second
                log.warning("the SQL server goes on with release %d: %s", self._pool.number, trouble)
            self._trouble = trouble

    def run(self, stopped: threading.Event) -> None:
        while not stopped.wait(_TICK):
            self.follow()

    def close(self) -> None:
        with suppress(duckdb.Error):  # it ends with its process, too
            self._connection.execute(f"CALL quack_stop({literal(self.uri)})")
        self._connection.close()

    def _answer(self, session: str, text: str) -> str | None:
        """quack's authorization callback: a client's SQL in, out comes the SQL that quack runs instead; None refuses.

        It must not raise: quack would ask a second time and then tell the client only "Authorization failed". That is also
        all that a client hears who sends rows to insert: quack asks with a text of its own, and takes any text for a yes.
        """
        if text.startswith("INSERT INTO ") and text.endswith(" VALUES (NULL)"):
            return None
        try:
            kept: list[str] = []
            self._pool.ask(text, lambda names, rows: kept.append(self._answers.keep(session, names, rows)))
            return kept[0]
        except CartlakeError as error:
            return _error(str(error))
        except duckdb.OutOfMemoryException:
            return _error("the server holds too many answers that nobody fetched; try again, or ask for less")
        except Exception as error:
            log.exception("a query failed in the SQL server")
            return _error(f"the server failed: {_line(error)}")


@dataclass(frozen=True)
class _Answer:
    session: str
    table: str
    since: datetime


class _Answers:
    """Tables of answers, each dropped when its session has fetched it, asked for the next, or gone."""

    def __init__(self, settings: Settings) -> None:
        serve = settings.serve
        # quack brings a thread for each client, which runs what that client asks for.
        self.connection = duck.open_database(None, memory=serve.query_memory, threads=1)
        self.connection.execute(f"SET max_temp_directory_size = '{serve.query_memory * 2 * serve.queries // 2**20}MiB'")
        for setting in ("autoinstall_known_extensions", "autoload_known_extensions", "python_enable_replacements"):
            self.connection.execute(f"SET {setting} = false")
        for extension in ("httpfs", "quack"):
            duck.load_extension(self.connection, extension)
        self.connection.execute("ATTACH ':memory:' AS answers")
        self._numbers = itertools.count(1)
        self._held: dict[str, _Answer] = {}
        # DuckDB's first look at Arrow imports pandas and more, for a second or so: not while the first client waits.
        self.keep("", [("warm", "")], pa.RecordBatchReader.from_batches(pa.schema({"c0": pa.int32()}), []))

    def __len__(self) -> int:
        return len(self._held)

    def keep(self, session: str, names: list[tuple[str, str]], rows: pa.RecordBatchReader) -> str:
        """Hold the rows as a table; returns the SQL that reads it, in order, under the names that the client asked for."""
        table = f"answers.main.a{next(self._numbers)}"
        with self.connection.cursor() as cursor:
            cursor.register("rows", rows)
            enums = ", ".join(f"c{position}::{kind} AS c{position}" for position, (_, kind) in enumerate(names) if kind)
            cursor.execute(f"CREATE TABLE {table} AS SELECT * {f'REPLACE ({enums})' if enums else ''} FROM rows")
            cursor.unregister("rows")
        self._held[table] = _Answer(session, table, datetime.now(UTC).replace(tzinfo=None))
        columns = ", ".join(f"c{position} AS {quoted(name)}" for position, (name, _) in enumerate(names))
        return f"SELECT {columns} FROM {table}"

    def sweep(self) -> None:
        with self.connection.cursor() as cursor:
            found = cursor.execute("SELECT connection_id, state, query_started_at FROM quack_active_connections()").fetchall()
            sessions = {session: (state, started) for session, state, started in found}
            old = datetime.now(UTC).replace(tzinfo=None) - _FORGOTTEN
            held = list(self._held.values())
            newest = {answer.session: answer for answer in held}  # later ones win
            for answer in held:
                state, started = sessions.get(answer.session, ("gone", None))
                fetched = state != "active" and started is not None and started >= answer.since
                left = answer.since < old and (state == "gone" or newest[answer.session] is not answer)
                if fetched or left:
                    cursor.execute(f"DROP TABLE {answer.table}")
                    del self._held[answer.table]


def _refuse_taken(host: str, port: int) -> None:
    """quack would share a port that is taken (SO_REUSEPORT), and each client would reach one or the other."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(found[0], found[1]) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of a server that ended do not count
            probe.bind(found[4])
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UsageError(f"port {port} of {host} is taken; choose another: --port {port + 1}") from None
        raise UsageError(f"{host}:{port} cannot be served: {error.strerror}; choose another with --host and --port") from None


def _error(message: str) -> str:
    return f"SELECT error({literal(message)})"


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
