"""The two servers: ours and only ours, least rights, alive after a kill."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pymongo
import pytest

from lake.errors import PermanentFailure
from lake.sandbox import find, mariadb, mongo, running, start, state, status, stop


def _mysql(url, *statements):
    with closing(mariadb.connect(url, autocommit=True)) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchall()


def test_the_pipeline_may_read_and_follow_the_binlog_and_no_more(servers):
    grants = [row[0].partition(" IDENTIFIED")[0] for row in _mysql(servers.mysql_url, "SHOW GRANTS")]

    assert "GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO `cartlake`@`127.0.0.1`" in grants
    assert "GRANT SELECT ON `softcart`.* TO `cartlake`@`127.0.0.1`" in grants
    assert all(grant.startswith("GRANT SELECT ON") for grant in grants if "REPLICATION" not in grant)


def test_the_binlog_is_as_capture_needs_it(servers):
    options = dict(servers.execute("SHOW GLOBAL VARIABLES WHERE Variable_name LIKE 'binlog_%' OR Variable_name = 'log_bin'"))

    assert options["log_bin"] == "ON"
    assert options["binlog_format"] == "ROW"
    assert options["binlog_row_image"] == "FULL"
    assert options["binlog_row_metadata"] == "FULL"


def test_passwords_and_urls_are_for_the_owner_only(servers):
    folder = servers.settings.sandbox.folder

    assert (folder / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert (folder / "state.json").stat().st_mode & 0o777 == 0o600
    assert state.read(folder / "state.json")["MYSQL_URL"] == servers.mysql_url
    assert not (folder / "accounts.sql").exists()
    described = servers.sandbox.describe_mysql()
    assert not [secret for secret in state.passwords(folder).values() if secret in described]


def test_a_second_user_finds_them_running_and_leaves_them_running(servers):
    with running(servers.settings) as second:
        assert not second.started
        assert second.mysql.pid == servers.sandbox.mysql.pid
    assert find(servers.settings) is not None


def test_killed_servers_come_back_with_what_was_acknowledged(make_settings):
    settings = make_settings(
        Path(make_settings().home / "a folder far too deep for a unix socket" / ("long" * 20))
    )  # a path that no unix socket could have
    with running(settings) as sandbox:
        _mysql(sandbox.shop_mysql_url, "CREATE TABLE t (a INT PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)")
        with pymongo.MongoClient(sandbox.mongo_url) as client:
            client.catalog.t.insert_one({"_id": 1})
        os.kill(sandbox.mysql.pid, signal.SIGKILL)
        os.kill(sandbox.mongo.pid, signal.SIGKILL)
        while any(row["runs"] for row in status(settings)):
            pass
        assert find(settings) is None

        again = start(settings, keep=False)
        assert again.mysql.pid != sandbox.mysql.pid
        assert _mysql(again.mysql_url, "SELECT a FROM t ORDER BY a") == ((1,), (2,))
        with pymongo.MongoClient(again.mongo_url) as client:
            assert client.catalog.t.count_documents({}) == 1
    assert not settings.sandbox_state.exists()
    assert not any(row["runs"] for row in status(settings))


def test_one_that_was_left_behind_is_replaced_not_doubled(make_settings):
    """The starter died between the start of a server and its note of it."""
    settings = make_settings()
    folder = settings.sandbox.folder
    folder.mkdir(parents=True)
    orphan = mongo.start(folder)
    with running(settings) as sandbox:
        assert sandbox.mongo.pid != orphan.pid
    assert not any(row["runs"] for row in status(settings))


def test_stop_leaves_other_processes_alone(make_settings):
    """A note of a running sandbox whose pids now belong to somebody else."""
    settings = make_settings()
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        note = {"mysql_pid": bystander.pid, "mongo_pid": bystander.pid, "mysql_port": 1, "mongo_port": 1}
        state.write(settings.sandbox_state, note)
        assert stop(settings) is False
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_port_in_use_is_not_mistaken_for_ours(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        found = mongo.start(tmp_path, port=taken)
        try:
            assert found.port != taken
            assert mongo.running(tmp_path, taken) is None
        finally:
            mongo.stop(tmp_path)


def test_no_mariadbd_says_what_to_do(monkeypatch):
    monkeypatch.setattr("lake.sandbox.mariadb.shutil.which", lambda *_, **__: None)
    with pytest.raises(PermanentFailure, match=r"no mariadbd on PATH nor in the cache; .*make setup"):
        mariadb.binaries()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("[ERROR] mysqld: Disk full (./x); 'Errcode: 28 \"No space left on device\"'", "no space left on the disk of /d"),
        (
            "[ERROR] InnoDB: preallocating 96 bytes for file ./ib_logfile101 failed with error 28",
            "no space left on the disk of /d",
        ),
        ("[ERROR] InnoDB: Unable to lock ./ibdata1 error: 11", "another MariaDB is using /d"),
        (
            "[Note] fine\n[ERROR] InnoDB: Upgrade is not supported\n[ERROR] Aborting",
            "Upgrade is not supported; remove the folder",
        ),
    ],
)
def test_why_a_server_does_not_start_is_one_line(said, told):
    message = str(mariadb.failure(said, Path("/d")))
    assert told in message
    assert "\n" not in message
