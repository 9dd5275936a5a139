"""A private MariaDB: own data folder, own port on 127.0.0.1, row binlog with full images, accounts with random passwords.

It survives `kill -9` (the next start recovers): every commit reaches the kernel before it is acknowledged. It does not wait
for the disk (`innodb-flush-log-at-trx-commit=2`, `sync-binlog=0`), so a power cut may cost the sandbox its last second.
"""

import os
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lake.config import cache_folder
from lake.errors import PermanentFailure, TransientFailure
from lake.sandbox import process

DATABASE = "softcart"
_OPTIONS = (
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--skip-ssl",  # never leaves the machine; 11.4 would make a new RSA key at each start, 4 s of it
    "--log-bin=binlog",
    "--binlog-format=ROW",
    "--binlog-row-image=FULL",
    "--binlog-row-metadata=FULL",
    "--gtid-strict-mode=ON",
    "--server-id=1",
    "--sync-binlog=0",
    "--expire-logs-days=90",
    "--max-binlog-size=256M",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-buffer-pool-size=256M",
    "--innodb-log-file-size=128M",
    "--innodb-buffer-pool-dump-at-shutdown=OFF",
    "--innodb-buffer-pool-load-at-startup=OFF",
    "--max-allowed-packet=256M",
    "--local-infile=1",
    "--character-set-server=utf8mb4",
    "--collation-server=utf8mb4_general_ci",
    "--default-time-zone=+00:00",
    # Relative to the data folder, which mariadbd enters: an absolute path may pass the limit of 107 bytes.
    "--socket=mariadb.sock",
    "--pid-file=mariadbd.pid",
)


@dataclass(frozen=True)
class MariaDb:
    """A running server. `url(account)` is for that account's eyes only: it holds the password."""

    pid: int
    port: int
    passwords: dict[str, str]

    def url(self, account: str, database: str = DATABASE) -> str:
        return f"mysql://{account}:{self.passwords[account]}@127.0.0.1:{self.port}/{database}"


def binaries() -> tuple[Path, Path]:
    """(mariadbd, mariadb-install-db) of the system, else of the package in the cache. PermanentFailure when there is neither."""
    cached = cache_folder(os.environ) / "mariadb"
    system = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin"])
    for search in (system, os.pathsep.join(str(cached / part) for part in ("bin", "scripts"))):
        server = shutil.which("mariadbd", path=search)
        install = shutil.which("mariadb-install-db", path=search) or shutil.which("mysql_install_db", path=search)
        if server and install:
            return Path(server), Path(install)
    raise PermanentFailure(
        "sandbox: no mariadbd on PATH nor in the cache; get one with `make setup`, or set MYSQL_URL to your server"
    )


def start(folder: Path, passwords: dict[str, str], port: int | None = None) -> MariaDb:
    """Start the server of `folder` (made if missing), on `port` if that is free; wait until it answers as ours."""
    server, install = binaries()
    datadir = folder / "mysql"
    _check_owner(datadir)
    if not datadir.exists():
        _install(install, server, datadir)
    stop(folder)  # one that a killed run left behind
    for _ in range(3):
        chosen = process.free_port(port)
        found = _launch(server, folder, datadir, passwords, chosen)
        if found:
            return found
        port = None  # somebody took it between the choice and the start
    raise TransientFailure("sandbox: MariaDB found three ports in use one after the other; try again")


def running(folder: Path, port: int, passwords: dict[str, str]) -> MariaDb | None:
    """The server of `folder`, if it runs and answers on `port`."""
    pid = process.find(_marker(folder / "mysql"))
    if pid is None or not _is_ours(folder / "mysql", port, passwords):
        return None
    return MariaDb(pid, port, passwords)


def stop(folder: Path) -> bool:
    """Stop the server of `folder` cleanly; False when it did not run."""
    return process.terminate(_marker(folder / "mysql"))


def connect(url: str, **options: Any) -> Any:
    """A pymysql connection to one of the sandbox's URLs, utf8mb4, local infile allowed."""
    import pymysql
    from pymysql.constants import CLIENT

    account, _, place = url.removeprefix("mysql://").rpartition("@")
    user, _, password = account.partition(":")
    address, _, database = place.partition("/")
    host, _, port = address.partition(":")
    return pymysql.connect(
        host=host, port=int(port), user=user, password=password, database=database or None,
        charset="utf8mb4", local_infile=True, client_flag=CLIENT.MULTI_STATEMENTS, **options,
    )  # fmt: skip


def _marker(datadir: Path) -> str:
    return f"--datadir={datadir}"


def _user() -> list[str]:
    return ["--user=root"] if os.geteuid() == 0 else []


def _basedir(server: Path) -> list[str]:
    """An unpacked package must be told where its messages and character sets are; an installed one knows."""
    base = server.resolve().parent.parent
    return [f"--basedir={base}"] if cache_folder(os.environ).resolve() in base.parents else []


def _install(install: Path, server: Path, datadir: Path) -> None:
    """Make the system tables in a folder beside, then rename: a half-made data folder is never taken for done."""
    fresh = datadir.with_name("mysql.new")
    shutil.rmtree(fresh, ignore_errors=True)
    datadir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="cartlake-") as short:
        link = Path(short) / "sandbox"  # the script takes no folder with a space in its name
        link.symlink_to(fresh.parent)
        command = [str(install), "--no-defaults", *_basedir(server), *_user(), f"--datadir={link / fresh.name}"]
        command += ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve", "--skip-log-bin"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise failure(done.stdout + done.stderr, datadir)
    fresh.rename(datadir)


def _launch(server: Path, folder: Path, datadir: Path, passwords: dict[str, str], port: int) -> MariaDb | None:
    """One try on one port; None when the port was taken."""
    accounts = folder / "accounts.sql"
    descriptor = os.open(accounts, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(_accounts(passwords))
    log = folder / "mysql.log"
    before = log.stat().st_size if log.exists() else 0
    command = [str(server), "--no-defaults", *_basedir(server), *_user(), _marker(datadir), f"--port={port}"]
    child = process.spawn([*command, *_OPTIONS, f"--init-file={accounts}"], log, folder)
    deadline = time.monotonic() + 120  # recovery after a kill in the middle of a bulk load takes its time
    try:
        while time.monotonic() < deadline:
            if _is_ours(datadir, port, passwords):
                return MariaDb(child.pid, port, passwords)
            if child.poll() is not None:
                said = process.tail(log, before)
                if "Address already in use" in said:
                    return None
                raise failure(said, datadir)
            time.sleep(0.02)
    finally:
        accounts.unlink()
    process.terminate(_marker(datadir))
    raise TransientFailure(f"sandbox: MariaDB did not answer on port {port} within 120 s; its log is {log}")


def _accounts(passwords: dict[str, str]) -> str:
    """Run by the server before it takes connections, at each start: lost or changed passwords heal. Never in the binlog."""
    lines = ["SET SESSION sql_log_bin = 0", f"CREATE DATABASE IF NOT EXISTS `{DATABASE}`"]
    lines += ["DELETE FROM mysql.global_priv WHERE User = '' OR (User = 'root' AND Host <> '127.0.0.1')", "FLUSH PRIVILEGES"]
    for name, password in passwords.items():
        lines.append(f"CREATE USER IF NOT EXISTS {name}@'127.0.0.1'")
        lines.append(f"ALTER USER {name}@'127.0.0.1' IDENTIFIED BY '{password}'")
    lines.append("GRANT ALL PRIVILEGES ON *.* TO root@'127.0.0.1' WITH GRANT OPTION")
    lines.append("GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO cartlake@'127.0.0.1'")
    lines.append(f"GRANT SELECT ON `{DATABASE}`.* TO cartlake@'127.0.0.1'")
    lines.append(f"GRANT ALL PRIVILEGES ON `{DATABASE}`.* TO shop@'127.0.0.1'")
    return "".join(f"{line};\n" for line in lines)


def _is_ours(datadir: Path, port: int, passwords: dict[str, str]) -> bool:
    """Whether what answers on the port takes our password and names our port and data folder."""
    import pymysql

    address = f"mysql://root:{passwords['root']}@127.0.0.1:{port}/"
    try:
        with connect(address, connect_timeout=2) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT @@port, @@datadir")
            found, folder = cursor.fetchone()
    except (pymysql.err.Error, OSError):  # nobody there yet, or somebody else
        return False
    return bool(found == port and Path(folder).resolve() == datadir.resolve())


def _check_owner(datadir: Path) -> None:
    if datadir.exists() and datadir.stat().st_uid != os.geteuid():
        raise PermanentFailure(f"sandbox: {datadir} belongs to another user; remove it, or choose another [sandbox] folder")


def failure(said: str, datadir: Path) -> Exception:
    """What the server said at its end, as one line with the way out."""
    lines = [line.strip() for line in said.splitlines() if line.strip()] or ["it said nothing"]
    first = next((line for line in lines if "ERROR" in line or "FATAL" in line), lines[-1])
    if re.search(r"No space left on device|err(or|code):? 28\b", said, re.IGNORECASE):
        return PermanentFailure(f"sandbox: no space left on the disk of {datadir}; free some, then start again")
    if "Unable to lock ./ibdata1" in said:
        return TransientFailure(f"sandbox: another MariaDB is using {datadir}; stop it, or choose another [sandbox] folder")
    return PermanentFailure(f"sandbox: MariaDB does not start in {datadir}: {first}; remove the folder to begin afresh")
