"""Capture from a server that takes only encrypted connections, with a certificate of its own making."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pymysql
import pytest

from lake.capture import capture
from lake.config import Settings
from lake.errors import PermanentFailure, UsageError
from lake.sandbox import mariadb, process

PASSWORDS = {"root": "tls", "cartlake": "tls", "shop": "tls"}
TYPES = (
    "id BIGINT UNSIGNED PRIMARY KEY, price DECIMAL(10,2), wide DECIMAL(38,10), f FLOAT, d DOUBLE, t DATETIME(3), day DATE,"
    " at TIMESTAMP(6) NULL, c TIME(2), b BIT(64), word VARCHAR(20) CHARACTER SET latin1, bytes VARBINARY(9), e ENUM('ä','b'),"
    " j JSON, p POINT, u UUID"
)
ROWS = (
    "(18446744073709551615, -1.05, 1234567890123456789012345678.0123456789, 3.4028234e38, 0.1, '2026-01-01 00:00:00.123',"
    " '2021-02-31', '2026-01-01 00:00:00.000001', '-838:59:59.99', 18446744073709551615, 'é€', X'00ff', 'ä',"
    " '{\"a\": 1}', POINT(1, 2),"
    f" '123e4567-e89b-12d3-a456-426614174000'), (1{', NULL' * 15})"
)


def make_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """(certificate that signs itself, key) for 127.0.0.1."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "9"]
    command += ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    key.chmod(0o644)
    return cert, key


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """(URL, its certificate) of a MariaDB that refuses what is not encrypted."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = make_certificate(folder, "server")
    program, install = mariadb.binaries()
    datadir = folder / "mysql"
    mariadb._install(install, program, datadir)
    accounts = folder / "accounts.sql"
    accounts.write_text(mariadb._accounts(PASSWORDS))
    port = process.free_port()
    options = [option for option in mariadb._OPTIONS if option != "--skip-ssl"]
    options += [f"--ssl-cert={cert}", f"--ssl-key={key}", "--require-secure-transport=ON", f"--init-file={accounts}"]
    command = [
        str(program),
        "--no-defaults",
        *mariadb._basedir(program),
        *mariadb._user(),
        f"--datadir={datadir}",
        f"--port={port}",
    ]
    process.spawn([*command, *options], folder / "mysql.log", folder)
    try:
        for _ in range(600):
            try:
                with closing(connected(port)) as connection, connection.cursor() as cursor:
                    cursor.execute("SET NAMES utf8mb4")
                    cursor.execute("SET sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'")
                    cursor.execute(f"CREATE TABLE softcart.goods ({TYPES})")
                    cursor.execute(f"INSERT INTO softcart.goods VALUES {ROWS}")
                    cursor.execute("CREATE TABLE softcart.log AS SELECT * FROM softcart.goods")
                    connection.commit()
                break
            except pymysql.err.OperationalError:
                time.sleep(0.05)
        yield f"mysql://cartlake:tls@127.0.0.1:{port}/softcart", cert
    finally:
        process.terminate(f"--datadir={datadir}")


def connected(port: int) -> Any:
    return pymysql.connect(
        host="127.0.0.1", port=port, user="root", password="tls", ssl={"check_hostname": False, "verify_mode": "none"}
    )


@pytest.fixture
def read(server: tuple[str, Path], make_settings: Callable[..., Settings], fold: Any) -> Callable[..., Any]:
    """Capture with these settings of the source; gives the folded rows of both tables, in a plain form."""

    def run(**more: str) -> Any:
        env = {f"CARTLAKE_SOURCES__SHOP__{name.upper()}": value for name, value in more.items()}
        settings = make_settings(MYSQL_URL=server[0], **env)
        assert not capture(settings, "shop").errors
        without = {"_warnings"}
        return [[{k: v for k, v in row.items() if k not in without} for row in fold(settings, f".{t}")] for t in ("goods", "log")]

    return run


def test_required_encrypts_and_every_value_is_the_same(read: Callable[..., Any], server: tuple[str, Path]) -> None:
    goods, log = read(tls="required")
    assert sorted(goods, key=lambda row: row["id"]) == sorted(log, key=lambda row: row["id"])
    row = max(goods, key=lambda row: row["id"])
    assert str(row["price"]) == "-1.05"
    assert str(row["wide"]) == "1234567890123456789012345678.0123456789"
    assert row["f"] == 3.4028234663852886e38
    assert row["day"] is None
    assert (row["c"], row["b"], row["word"], row["bytes"], row["e"]) == ("-838:59:59.99", 2**64 - 1, "é€", b"\x00\xff", "ä")
    assert row["p"] == bytes.fromhex("0101000000000000000000f03f0000000000000040")
    assert read(tls="verify", tls_ca=str(server[1])) == [goods, log]


def test_a_wrong_certificate_is_refused_in_one_line(read: Callable[..., Any], tmp_path: Path) -> None:
    other, _ = make_certificate(tmp_path, "other")
    for settings in ({"tls_ca": str(other)}, {}):
        with pytest.raises(PermanentFailure, match=r"the server's certificate is not good .*tls_ca") as caught:
            read(tls="verify", **settings)
        assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match=r"tls_ca = .*missing.pem: no such file"):
        read(tls="verify", tls_ca=str(tmp_path / "missing.pem"))


def test_an_open_connection_is_refused_by_the_server_with_the_way_out(read: Callable[..., Any]) -> None:
    with pytest.raises(PermanentFailure, match='set tls = "required" if the server takes only encrypted'):
        read(tls="off")


def test_a_server_without_tls_is_refused_where_it_is_required(servers: Any, make_settings: Callable[..., Settings]) -> None:
    url = servers.url_of(servers.new_database("plain"))
    with pytest.raises(PermanentFailure, match='offers no TLS; give it a certificate, or set tls = "off"'):
        capture(make_settings(MYSQL_URL=url, CARTLAKE_SOURCES__SHOP__TLS="required"), "shop")
