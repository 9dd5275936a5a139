"""A source's place is taken by another server: its log goes on by global ids, nothing lost, nothing doubled."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lake.capture import capture
from lake.config import Settings
from lake.delta import Lake
from lake.errors import PermanentFailure
from lake.sandbox import mariadb
from lake.sources.mysql.follow import gone, mysql_set, start
from lake.sources.mysql.gtid import Gtids, common

PASSWORDS = {"root": "root", "cartlake": "cartlake", "shop": "shop"}


def run(server: mariadb.MariaDb, *statements: str, database: str = "") -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    with closing(mariadb.connect(server.url("root", database), autocommit=True)) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
            rows = list(cursor.fetchall())
    return rows


@pytest.fixture
def pair(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[mariadb.MariaDb]]:
    """A server with an empty table `shop.goods`, and its replica."""
    folders: list[Path] = []
    servers: list[mariadb.MariaDb] = []
    options = mariadb._OPTIONS
    try:
        for number in (1, 2):
            folders.append(tmp_path_factory.mktemp(f"server{number}"))
            monkeypatch.setattr(mariadb, "_OPTIONS", (*options, f"--server-id={number}", "--log-slave-updates"))
            servers.append(mariadb.start(folders[-1], PASSWORDS))
        first, second = servers
        run(first, "CREATE DATABASE shop", "GRANT SELECT ON shop.* TO cartlake@'127.0.0.1'")
        run(first, "CREATE TABLE goods (id INT PRIMARY KEY, v INT)", database="shop")
        run(second, f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={first.port}, MASTER_USER='root', "
            "MASTER_PASSWORD='root', "
            "MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1", "START SLAVE")  # fmt: skip
        yield servers
    finally:
        for folder in folders:
            mariadb.stop(folder)


def replicated(first: mariadb.MariaDb, second: mariadb.MariaDb) -> None:
    ((position,),) = run(first, "SELECT @@gtid_binlog_pos")
    assert run(second, f"SELECT MASTER_GTID_WAIT('{position}', 20)") == [(0,)]


def bronze_rows(settings: Settings) -> list[dict[str, Any]]:
    (name,) = Lake(settings.lake_root).names("bronze")
    rows: list[dict[str, Any]] = Lake(settings.lake_root).read(name).sort_by("_sequence").to_pylist()
    return rows


def test_capture_goes_on_at_the_replica(pair: list[mariadb.MariaDb], make_settings: Callable[..., Settings], fold: Any) -> None:
    first, second = pair
    before = make_settings(MYSQL_URL=first.url("cartlake", "shop"))
    after = make_settings(home=before.home, MYSQL_URL=second.url("cartlake", "shop"))
    run(second, "FLUSH BINARY LOGS", "FLUSH BINARY LOGS")  # places mean something else there
    assert not capture(before, "shop").errors
    run(first, "INSERT INTO goods VALUES (1, 1), (2, 1)", "UPDATE goods SET v = 2 WHERE id = 1", database="shop")
    assert capture(before, "shop").total == 3
    run(first, "INSERT INTO goods VALUES (3, 1)", "DELETE FROM goods WHERE id = 2", database="shop")
    replicated(first, second)
    run(second, "STOP SLAVE", "INSERT INTO shop.goods VALUES (4, 1)")
    report = capture(after, "shop")
    assert not report.errors
    assert report.total == 3
    run(second, "UPDATE shop.goods SET v = 9")
    assert capture(after, "shop").total == 3
    assert capture(after, "shop").total == 0
    assert [(row["id"], row["v"]) for row in fold(after, ".goods")] == run(second, "SELECT id, v FROM shop.goods ORDER BY id")
    rows = [row for row in bronze_rows(after) if row["_op"] != "r"]
    assert [(row["_op"], row["id"]) for row in rows] == [
        ("c", 1), ("c", 2), ("u", 1), ("c", 3), ("d", 2), ("c", 4), ("u", 1), ("u", 3), ("u", 4),
    ]  # fmt: skip
    assert "lacks changes that were captured" in "".join(capture(before, "shop").errors.values())


def test_a_replica_whose_log_begins_too_late_stops_capture(
    pair: list[mariadb.MariaDb], make_settings: Callable[..., Settings]
) -> None:
    first, second = pair
    before = make_settings(MYSQL_URL=first.url("cartlake", "shop"))
    after = make_settings(home=before.home, MYSQL_URL=second.url("cartlake", "shop"))
    assert not capture(before, "shop").errors
    run(first, "INSERT INTO goods VALUES (1, 1)", database="shop")
    replicated(first, second)
    run(second, "FLUSH BINARY LOGS")
    ((newest, *_),) = run(second, "SHOW MASTER STATUS")
    for _ in range(100):  # the server keeps a file until InnoDB no longer needs it for its own recovery
        run(second, f"PURGE BINARY LOGS TO '{newest}'")
        if run(second, "SHOW BINARY LOGS")[0][0] == newest:
            break
        time.sleep(0.1)
    with pytest.raises(Exception, match="--resnapshot"):
        capture(after, "shop")
    assert not capture(after, "shop", resnapshot=["*"]).errors


def test_a_log_that_was_reset_and_has_grown_since_is_no_silent_gap(
    pair: list[mariadb.MariaDb], make_settings: Callable[..., Settings], fold: Any
) -> None:
    """By place and by global ids it looks as if it only went on; what tells is when its file was begun."""
    server, _ = pair
    settings = make_settings(MYSQL_URL=server.url("cartlake", "shop"))
    assert not capture(settings, "shop").errors
    run(server, "INSERT INTO goods VALUES (1, 1)", database="shop")
    assert capture(settings, "shop").total == 1
    time.sleep(1.1)  # the log's clock ticks in seconds
    run(server, "INSERT INTO goods VALUES (2, 1)", "RESET MASTER", database="shop")
    run(server, *(f"UPDATE goods SET v = v + {n}" for n in range(40)), database="shop")
    with pytest.raises(PermanentFailure, match=r"the server's log was reset.*--resnapshot"):
        capture(settings, "shop")
    assert not capture(settings, "shop", resnapshot=["*"]).errors
    assert [(row["id"], row["v"]) for row in fold(settings, ".goods")] == run(server, "SELECT id, v FROM shop.goods ORDER BY id")


def test_sets_of_global_ids() -> None:
    uuid, other = "3e11fa47-71ca-11e1-9e33-c80aa9429562", "4e11fa47-71ca-11e1-9e33-c80aa9429562"
    known = Gtids(f"{uuid}:1-5:7,\n{other}:1")
    assert [number for number in range(10) if known.has(uuid, number)] == [1, 2, 3, 4, 5, 7]
    known.add(uuid, 0, 6)
    known.add(uuid, 0, 8)
    assert known.text() == f"{uuid}:1-8,{other}:1"
    assert known.without(uuid, 4, None).text() == f"{uuid}:1-3:5-8,{other}:1"
    assert common([known, Gtids(f"{uuid}:3-20")]).text() == f"{uuid}:3-8"
    assert known.covers(Gtids(f"{uuid}:2-7"))
    assert not known.covers(Gtids(f"{uuid}:2-9"))
    assert (
        Gtids(f"{uuid}:1-5").sent().hex()
        == f"0100000000000000{uuid.replace('-', '')}0100000000000000" + "01" + "00" * 7 + "06" + "00" * 7
    )
    domains = Gtids("0-1-24,1-3-7")
    previous = domains.add(0, 2, 25)
    assert domains.text() == "0-2-25,1-3-7"
    assert domains.without(0, 25, previous).text() == "0-1-24,1-3-7"
    assert common([domains, Gtids("0-1-20")]).text() == "0-1-20"
    assert (domains.has(0, 25), domains.has(0, 26), domains.has(5, 1)) == (True, False, False)


def test_where_following_begins() -> None:
    target = {"server": "2", "file": "binlog.000009", "pos": 500, "gtid": "0-2-90"}
    here = {"server": "2", "file": "binlog.000007", "pos": 4, "gtid": "0-2-60"}
    there = {"server": "1", "file": "binlog.000003", "pos": 4, "gtid": "0-1-50"}
    renamed = {**here, "file": "mysql-bin.000012"}
    open_ = {**here, "pos": 900, "xa": {"file": "binlog.000006", "pos": 7, "gtid": "0-2-40"}}
    assert start([here, target], target) == here
    assert start([open_, here], target)["pos"] == 7
    assert start([open_, there], target) == {"server": "2", "file": "", "pos": 0, "gtid": "0-2-40"}
    assert [gone(position, target, 6) for position in (here, there, renamed, open_)] == [""] * 4
    assert "is gone from the server" in gone(open_, target, 7)
    assert "lacks changes" in gone({**there, "gtid": "0-1-91"}, target, 1)
    assert "no global ids in common" in gone({**there, "gtid": "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5"}, target, 1)
    assert "was reset" in gone({**here, "gtid": "0-2-91"}, target, 1)
    assert mysql_set(("f", 4, "", "", "uuid:1-5,\nother:3")) == "uuid:1-5,other:3"
    assert mysql_set(("f", 4, "", "", "uuid:1-5:tag:1")) is None
