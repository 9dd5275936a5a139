"""Connections to MySQL and MariaDB, and what their errors mean."""

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, unquote, urlsplit

import pymysql
from pymysql.cursors import Cursor

from lake import config
from lake.errors import CartlakeError, PermanentFailure, TransientFailure, UsageError

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_CONNECT_SECONDS = 10
_READ_SECONDS = 600  # a boundary query of a large table may take long; a dead server is noticed by TCP before

# Zones and modes of the server's own choosing must not change what a query gives (PAD_CHAR_TO_FULL_LENGTH, for one).
SESSION = "SET SESSION time_zone = '+00:00', sql_mode = ''"

_ACCESS, _DATABASE_DENIED, _NO_DATABASE, _HOST_DENIED = 1045, 1044, 1049, 1130
_RIGHT_NEEDED, _TABLE_DENIED, _COLUMN_DENIED, _LOG_ERROR = 1227, 1142, 1143, 1236
_INSECURE = 3159
_TRANSIENT = {1040, 1053, 1205, 1213, 2002, 2003, 2005, 2006, 2013, 2014, 2055}


@dataclass(frozen=True)
class Server:
    """Where and as whom: a parsed `mysql://user:password@host:port/database`."""

    source: str
    host: str
    port: int
    user: str
    password: str
    database: str
    account: str = ""  # 'user'@'host' as the server knows it, once connected
    tls: Literal["auto", "off", "required", "verify"] = "auto"
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None

    @property
    def encrypted(self) -> bool:
        """Whether no row may travel in the clear. connectorx cannot do that: its MySQL driver is built without TLS."""
        return self.tls in ("required", "verify")

    @property
    def where(self) -> str:
        return f"source {self.source} ({self.host}:{self.port})"

    @property
    def url(self) -> str:
        """For connectorx: always with a database, since its tables are named in full."""
        account = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        return f"mysql://{account}@{self.host}:{self.port}/{quote(self.database or 'information_schema', safe='')}"


def server_of(source: config.Source, url: str) -> Server:
    """The server of a source, with its TLS settings. UsageError for a file of them that is not there."""
    for setting in ("tls_ca", "tls_cert", "tls_key"):
        file = getattr(source, setting)
        if file is not None and not file.is_file():
            raise UsageError(f"source {source.name}: {setting} = {file}: no such file")
    server = parse(source.name, url)
    return replace(server, tls=source.tls, tls_ca=source.tls_ca, tls_cert=source.tls_cert, tls_key=source.tls_key)


def parse(source: str, url: str) -> Server:
    """UsageError when the URL is not one of a MySQL server. Messages never hold the URL: it has a password."""
    parts = urlsplit(url)
    if parts.scheme not in ("mysql", "mariadb") or not parts.hostname:
        raise UsageError(f"source {source}: expected a URL such as mysql://user:password@host:3306/database")
    try:
        port = parts.port or 3306
    except ValueError:
        raise UsageError(f"source {source}: the port in its URL is not a number") from None
    return Server(
        source,
        parts.hostname,
        port,
        unquote(parts.username or "root"),
        unquote(parts.password or ""),
        unquote(parts.path.strip("/")),
    )


def connect(server: Server) -> "pymysql.Connection[Cursor]":
    """A connection in UTC that sees committed rows. Raises Transient- or PermanentFailure."""
    with translated(server):
        return pymysql.connect(
            host=server.host,
            port=server.port,
            user=server.user,
            password=server.password,
            database=server.database or None,
            charset="utf8mb4",
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            autocommit=True,
            init_command=SESSION,
            **_tls(server),
        )


def _tls(server: Server) -> dict[str, Any]:
    """What the driver is told. With `required` the connection is encrypted but the server may be anyone; `verify` checks it."""
    if server.encrypted:
        context = ssl.create_default_context(cafile=server.tls_ca)
        if server.tls == "required":
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if server.tls_cert:
            context.load_cert_chain(server.tls_cert, server.tls_key)
        return {"ssl": context}
    # The driver loads every certificate of the system for each connection (0.25 s), and checks none of them by default.
    return {"ssl_disabled": server.tls == "off" or server.host in _LOOPBACK}


def rows(connection: "pymysql.Connection[Cursor]", query: str, args: Any = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, args)
        return list(cursor.fetchall())


@contextmanager
def translated(server: Server, doing: str = "") -> Iterator[None]:
    """Turn errors of the driver, and panics of connectorx, into ours."""
    try:
        yield
    except CartlakeError:
        raise
    except (pymysql.err.MySQLError, OSError) as error:
        raise failure(server, error, doing) from error
    except (RuntimeError, BaseException) as error:
        # A panic in Rust arrives as a PanicException, which is no Exception: the table must fail, not the process.
        if isinstance(error, RuntimeError) or type(error).__name__ == "PanicException":
            raise _from_connectorx(server, error, doing) from error
        raise


def failure(server: Server, error: Exception, doing: str = "") -> CartlakeError:
    """What an error of the server means, and what mends it."""
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    text = _safe(server, str(error.args[1] if len(error.args) > 1 else error))
    where = f"{server.where}{': ' + doing if doing else ''}"
    named = re.search(r"user ('[^']*'@'[^']*')", text)  # the account as the server knows it, which a connection would tell
    account = server.account or (named[1] if named else f"'{server.user}'@'%'")
    if code == _ACCESS:
        # The server says the same of an account that must encrypt, and does not.
        tls = "" if server.encrypted else ', or set tls = "required" if the server takes only encrypted connections'
        return PermanentFailure(f"{where}: wrong user or password for {server.user}; correct the source's URL{tls}")
    if code == _NO_DATABASE:
        return PermanentFailure(f"{where}: no database is named {server.database}; correct the source's URL")
    if code == _DATABASE_DENIED:
        return PermanentFailure(
            f"{where}: {server.user} may not read it; GRANT SELECT ON {server.database or '*'}.* TO {account};"
        )
    if code in (_TABLE_DENIED, _COLUMN_DENIED):
        table = re.search(r"table [`'\"]?([^`'\"\s]+(?:[`'\"]?\.[`'\"]?[^`'\"\s]+)?)", text)
        what = table[1].replace("`", "").replace("'", "") if table else "*.*"
        return PermanentFailure(f"{where}: {server.user} may not read {what}; GRANT SELECT ON {what} TO {account};")
    if code == _RIGHT_NEEDED:
        return PermanentFailure(
            f"{where}: {server.user} may not read the binary log; "
            f"GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {account};"
        )
    if "SSL is required" in text:  # the driver's words where the server offers no TLS
        return PermanentFailure(f'{where}: the server offers no TLS; give it a certificate, or set tls = "off"')
    if "CERTIFICATE_VERIFY_FAILED" in text or "SSL:" in text:
        why = re.sub(r"\s*\(_ssl\.c:\d+\)", "", text.rpartition("SSL:")[2]).rstrip("])' ")
        return PermanentFailure(f"{where}: the server's certificate is not good ([{why}); name the right one in tls_ca")
    if code == _INSECURE:
        return PermanentFailure(f'{where}: the server takes only encrypted connections; set tls = "required" or "verify"')
    if code == _HOST_DENIED:
        return PermanentFailure(f"{where}: the server takes no connections from this machine; create the user for this host")
    if code == _LOG_ERROR:
        return PermanentFailure(
            f"{where}: the binary log no longer has what came after the last capture ({text}); capture again with --resnapshot"
        )
    if code in _TRANSIENT or isinstance(error, OSError):
        return TransientFailure(f"{where}: cannot reach the server ({text}); check that it runs and that the URL is right")
    return PermanentFailure(f"{where}: {text} ({code})")


def _from_connectorx(server: Server, error: BaseException, doing: str) -> CartlakeError:
    text = _safe(server, str(error).splitlines()[0])
    code = re.search(r"ERROR (\d+)", text)
    if code:
        return failure(server, pymysql.err.OperationalError(int(code[1]), text), doing)
    if re.search(r"timed out|Connection refused|IoError|broken pipe|connection reset", text, re.IGNORECASE):
        return TransientFailure(f"{server.where}: {doing}: lost the server ({text})")
    return PermanentFailure(f"{server.where}: {doing}: {text}")


def _safe(server: Server, text: str) -> str:
    """The text without the password, should a driver ever quote the URL; no longer than a line may be."""
    for secret in {server.password, quote(server.password, safe="")} - {""}:
        text = text.replace(secret, "***")
    return text[:300]
