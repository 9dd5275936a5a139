"""Capture from MariaDB: whatever happens there, bronze folds to what the server holds."""

import random
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from lake import bronze
from lake.capture import capture
from lake.config import Capture, Settings
from lake.delta import Lake
from lake.errors import PermanentFailure, TransientFailure, UsageError
from lake.sources.base import Batch
from lake.sources.mysql.reader import MySQL

Fold = Callable[[Settings, str], list[dict[str, Any]]]


@pytest.fixture
def shop(servers: Any, make_settings: Callable[..., Settings]) -> tuple[Settings, Callable[..., list[tuple[Any, ...]]]]:
    """Settings of one empty database, and a function that runs statements in it as the administrator."""
    database = servers.new_database("shop")
    settings = make_settings(MYSQL_URL=servers.url_of(database), CARTLAKE_CAPTURE__CHUNK_ROWS="7", CARTLAKE_CAPTURE__SHRINK="0")

    def execute(*statements: str) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = servers.execute(*statements, database=database)
        return rows

    return settings, execute


def source_rows(execute: Callable[..., list[tuple[Any, ...]]], table: str, *columns: str) -> list[tuple[Any, ...]]:
    return sorted(execute(f"SELECT {', '.join(columns)} FROM {table}"), key=repr)


def bronze_rows(fold: Fold, settings: Settings, table: str, *columns: str) -> list[tuple[Any, ...]]:
    def plain(value: Any) -> Any:
        return value.replace(tzinfo=None) if isinstance(value, datetime) else value

    return sorted((tuple(plain(row[column]) for column in columns) for row in fold(settings, f".{table}")), key=repr)


def only(settings: Settings) -> Any:
    return capture(settings, "shop")


def test_random_changes_fold_to_the_source(shop: Any, fold: Fold, commits: Any) -> None:
    settings, execute = shop
    columns = ("id", "name", "price", "sold")
    execute("CREATE TABLE goods (id INT PRIMARY KEY, name VARCHAR(20), price DECIMAL(8,2), sold DATETIME)")
    seed = random.randrange(10**6)
    print("seed", seed)  # replays everything
    rng = random.Random(seed)
    for _ in range(6):
        statements = []
        for _ in range(rng.randrange(1, 40)):
            key, price = rng.randrange(30), Decimal(rng.randrange(10**6)) / 100
            sold = datetime(2026, 1, 1) + timedelta(seconds=rng.randrange(10**7))
            values = f"({key}, 'n{rng.randrange(5)}', {price}, '{sold}')"
            statements += [
                rng.choice(
                    [
                        f"REPLACE INTO goods VALUES {values}",
                        f"INSERT IGNORE INTO goods VALUES {values}",
                        f"UPDATE goods SET price = {price} WHERE id % 3 = {key % 3}",
                        f"DELETE FROM goods WHERE id = {key}",
                        f"UPDATE IGNORE goods SET id = id + 1 WHERE id = {key}",
                    ]
                )
            ]
        execute(*statements)
        only(settings)
        assert bronze_rows(fold, settings, "goods", *columns) == source_rows(execute, "goods", *columns)
    before = commits(settings)
    assert only(settings).total == 0
    assert commits(settings) == before


def test_what_changes_during_the_snapshot_is_seen(shop: Any, fold: Fold) -> None:
    settings, execute = shop
    execute("CREATE TABLE goods (id INT PRIMARY KEY, v INT)", "INSERT INTO goods SELECT seq, 0 FROM seq_1_to_30")
    trading = iter(
        [
            "UPDATE goods SET v = 1 WHERE id IN (1, 25)",
            "DELETE FROM goods WHERE id IN (2, 29)",
            "INSERT INTO goods VALUES (0, 5), (99, 5)",
        ]
    )

    def meanwhile(_table: str, _done: int, _expected: int) -> None:
        execute(*[statement for statement in [next(trading, "")] if statement])

    capture(settings, "shop", on_progress=meanwhile)
    only(settings)
    assert bronze_rows(fold, settings, "goods", "id", "v") == source_rows(execute, "goods", "id", "v")


def test_a_key_that_changes_is_a_delete_and_a_new_row(shop: Any, fold: Fold) -> None:
    settings, execute = shop
    execute("CREATE TABLE goods (id INT PRIMARY KEY, v INT)", "INSERT INTO goods VALUES (1, 1)")
    only(settings)
    execute("UPDATE goods SET id = 2")
    only(settings)
    rows = Lake(settings.lake_root).read(bronze.captured(Lake(settings.lake_root))[0].name).sort_by("_sequence").to_pylist()
    assert [(row["_op"], row["id"]) for row in rows] == [("r", 1), ("d", 1), ("c", 2)]


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("a INT, b INT, PRIMARY KEY (a, b)", [f"({i // 5}, {i % 5})" for i in range(40)]),
        (
            "a VARCHAR(20), b DATE, PRIMARY KEY (a, b)",
            [f"('{w}{i}''', '2026-01-{i + 1:02}')" for i in range(9) for w in ("é", "Z", "a", "日")],
        ),
        ("a VARBINARY(9) PRIMARY KEY, b INT", [f"(X'{i:04x}00', {i})" for i in range(30)]),
        ("a DECIMAL(20,3) PRIMARY KEY, b INT", [f"({i - 15}.125, {i})" for i in range(30)]),
        ("a DOUBLE PRIMARY KEY, b INT", [f"({i} / 7e0, {i})" for i in range(-15, 15)]),
        ("a DATETIME(3), b INT, UNIQUE KEY (b), PRIMARY KEY (a)", [f"('2026-01-01 00:00:00.{i:03}', {i})" for i in range(30)]),
        (
            "a ENUM('z','y','x','w','v','u','t','s','r','q','p'), b INT, PRIMARY KEY (a, b)",
            [f"('{'zyxwvutsrqp'[i % 11]}', {i})" for i in range(33)],
        ),
        ("a INT NOT NULL, b CHAR(5) CHARACTER SET latin1, UNIQUE KEY (a)", [f"({i}, 'é')" for i in range(20)]),
    ],
)
def test_any_key_is_read_in_ranges(shop: Any, fold: Fold, key: str, values: list[str]) -> None:
    settings, execute = shop
    execute(f"CREATE TABLE `order` ({key}) CHARACTER SET utf8mb4", f"INSERT INTO `order` VALUES {', '.join(values)}")
    report = only(settings)
    assert not report.errors
    assert report.total == len(values)
    assert len(fold(settings, ".order")) == len(values)
    execute("DELETE FROM `order` LIMIT 3")
    only(settings)
    assert len(fold(settings, ".order")) == len(values) - 3


def test_a_table_without_a_key_is_captured_whole_when_it_differs(shop: Any, fold: Fold, commits: Any) -> None:
    settings, execute = shop
    execute("CREATE TABLE log (a INT, b VARCHAR(9))", "INSERT INTO log VALUES (1, 'x'), (1, 'x'), (NULL, 'NULL'), (2, NULL)")
    assert only(settings).tables[0].mode == "snapshot"
    before = commits(settings)
    only(settings)
    assert commits(settings) == before
    assert bronze_rows(fold, settings, "log", "a", "b") == source_rows(execute, "log", "a", "b")
    for change in ("UPDATE log SET b = 'NULL' WHERE a = 2", "DELETE FROM log LIMIT 1", "DELETE FROM log"):
        execute(change)
        only(settings)
        assert bronze_rows(fold, settings, "log", "a", "b") == source_rows(execute, "log", "a", "b")


def test_tables_come_empty_grow_and_are_emptied(shop: Any, fold: Fold, commits: Any) -> None:
    settings, execute = shop
    execute("CREATE TABLE goods (id INT PRIMARY KEY)")
    only(settings)
    before = commits(settings)
    only(settings)
    assert commits(settings) == before
    assert fold(settings, ".goods") == []
    execute("INSERT INTO goods VALUES (1), (2)")
    only(settings)
    assert [row["id"] for row in fold(settings, ".goods")] == [1, 2]
    execute(
        "TRUNCATE TABLE goods",
        "INSERT INTO goods VALUES (7)",
        "CREATE TABLE other (id INT PRIMARY KEY)",
        "INSERT INTO other VALUES (5)",
    )
    only(settings)
    only(settings)
    assert [row["id"] for row in fold(settings, ".goods")] == [7]
    assert [row["id"] for row in fold(settings, ".other")] == [5]
    execute("DROP TABLE goods", "INSERT INTO other VALUES (6)")
    assert not only(settings).errors
    assert [row["id"] for row in fold(settings, ".goods")] == [7], "a dropped table keeps its last rows"
    assert [row["id"] for row in fold(settings, ".other")] == [5, 6]
    execute("CREATE TABLE goods (id INT PRIMARY KEY)", "INSERT INTO goods VALUES (8)")
    only(settings)
    assert [row["id"] for row in fold(settings, ".goods")] == [8]


def test_a_new_column_is_null_before_and_a_dropped_one_after(shop: Any, fold: Fold) -> None:
    settings, execute = shop
    execute("CREATE TABLE goods (id INT PRIMARY KEY, old INT)", "INSERT INTO goods VALUES (1, 10)")
    only(settings)
    execute(
        "INSERT INTO goods VALUES (2, 20)",
        "ALTER TABLE goods ADD COLUMN new VARCHAR(5) FIRST",
        "INSERT INTO goods VALUES ('x', 3, 30)",
    )
    only(settings)
    execute("ALTER TABLE goods DROP COLUMN old", "INSERT INTO goods VALUES ('y', 4)")
    only(settings)
    assert bronze_rows(fold, settings, "goods", "id", "old", "new") == [
        (1, 10, None),
        (2, 20, None),
        (3, 30, "x"),
        (4, None, "y"),
    ]


def test_an_incompatible_column_stops_its_table_alone(shop: Any, fold: Fold) -> None:
    settings, execute = shop
    execute("CREATE TABLE a (id INT PRIMARY KEY, v INT)", "CREATE TABLE b (id INT PRIMARY KEY)", "INSERT INTO a VALUES (1, 1)")
    only(settings)
    execute("ALTER TABLE a MODIFY v VARCHAR(9)", "INSERT INTO a VALUES (2, 'x')", "INSERT INTO b VALUES (1)")
    report = only(settings)
    (error,) = report.errors.values()
    assert "column v is int32 in bronze and string in the source" in error
    assert [row["id"] for row in fold(settings, ".b")] == [1]
    execute("DELETE FROM a WHERE id = 2", "ALTER TABLE a MODIFY v INT", "INSERT INTO b VALUES (2)", "INSERT INTO a VALUES (3, 3)")
    assert "--resnapshot" in "".join(only(settings).errors.values()), "the log still holds 'x'"
    assert not capture(settings, "shop", resnapshot=["*.a"]).errors
    assert bronze_rows(fold, settings, "a", "id", "v") == [(1, 1), (3, 3)]
    assert [row["id"] for row in fold(settings, ".b")] == [1, 2]


def test_patterns_choose_the_tables(shop: Any, servers: Any, make_settings: Callable[..., Settings]) -> None:
    settings, execute = shop
    execute("CREATE TABLE a (id INT PRIMARY KEY)", "CREATE TABLE b (id INT PRIMARY KEY)")
    url = settings.environment["MYSQL_URL"]
    report = capture(make_settings(MYSQL_URL=url, CARTLAKE_SOURCES__SHOP__TABLES="*.a"), "shop")
    assert [table.table.split(".")[1] for table in report.tables] == ["a"]
    with pytest.raises(UsageError, match="no table matches"):
        capture(make_settings(MYSQL_URL=url, CARTLAKE_SOURCES__SHOP__TABLES="*.nope"), "shop")


def test_a_new_snapshot_on_request_replaces_the_generation(shop: Any, fold: Fold) -> None:
    settings, execute = shop
    execute("CREATE TABLE goods (id INT PRIMARY KEY)", "INSERT INTO goods SELECT seq FROM seq_1_to_10")
    only(settings)
    execute("SET SESSION sql_log_bin = 0", "DELETE FROM goods WHERE id > 3")  # a change that the log never saw
    only(settings)
    assert len(fold(settings, ".goods")) == 10
    capture(settings, "shop", resnapshot=["*.goods"])
    assert [row["id"] for row in fold(settings, ".goods")] == [1, 2, 3]
    lake = Lake(settings.lake_root)
    state = bronze.state(lake, bronze.captured(lake)[0].name)
    assert (state.generation, state.last_complete, state.complete) == (2, 2, True)


def test_errors_name_the_thing_and_the_way_out(shop: Any, servers: Any, make_settings: Callable[..., Settings]) -> None:
    settings, execute = shop
    execute("CREATE TABLE goods (id INT PRIMARY KEY)")
    url = settings.environment["MYSQL_URL"]
    account, place = url.removeprefix("mysql://").rsplit("@", 1)
    server, database = place.split("/")

    def fails(url: str) -> str:
        with pytest.raises((PermanentFailure, TransientFailure)) as caught:
            capture(make_settings(MYSQL_URL=url), "shop")
        message = str(caught.value)
        assert "\n" not in message
        assert account.split(":")[1] not in message
        return f"{type(caught.value).__name__}: {message}"

    assert "PermanentFailure: " in (wrong := fails(f"mysql://cartlake:nonsense@{place}"))
    assert "wrong user or password" in wrong
    assert "TransientFailure: " in (gone := fails(f"mysql://{account}@127.0.0.1:9/{database}"))
    assert "cannot reach the server" in gone
    assert "GRANT SELECT ON mysql.* TO 'cartlake'@'127.0.0.1';" in fails(f"mysql://{account}@{server}/mysql")
    servers.execute(
        "CREATE OR REPLACE USER poor@'127.0.0.1' IDENTIFIED BY 'poor'", f"GRANT SELECT ON `{database}`.* TO poor@'127.0.0.1'"
    )
    assert "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'poor'@'127.0.0.1'" in fails(f"mysql://poor:poor@{place}")
    servers.execute("GRANT BINLOG MONITOR ON *.* TO poor@'127.0.0.1'")
    assert "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO" in fails(f"mysql://poor:poor@{place}")


def test_a_purged_log_is_said_and_never_skipped(shop: Any, fold: Fold) -> None:
    settings, execute = shop
    execute("CREATE TABLE goods (id INT PRIMARY KEY)")
    only(settings)
    execute("INSERT INTO goods VALUES (1)", "FLUSH BINARY LOGS", "FLUSH BINARY LOGS")
    ((newest, *_),) = execute("SHOW MASTER STATUS")
    for _ in range(100):  # the server keeps a file until InnoDB no longer needs it for its own recovery
        execute(f"PURGE BINARY LOGS TO '{newest}'")
        if execute("SHOW BINARY LOGS")[0][0] == newest:
            break
        time.sleep(0.1)
    assert "--resnapshot" in "".join(only(settings).errors.values())
    capture(settings, "shop", resnapshot=["*"])
    assert [row["id"] for row in fold(settings, ".goods")] == [1]


def test_rotation_of_the_log_loses_nothing(shop: Any, fold: Fold) -> None:
    settings, execute = shop
    execute("CREATE TABLE goods (id INT PRIMARY KEY)")
    only(settings)
    for number in range(4):
        execute(f"INSERT INTO goods VALUES ({number})", "FLUSH BINARY LOGS")
        if number % 2:
            only(settings)
    only(settings)
    assert [row["id"] for row in fold(settings, ".goods")] == [0, 1, 2, 3]


def test_the_log_reads_the_same_by_gtid_and_by_file_and_position(shop: Any) -> None:
    settings, execute = shop
    execute("CREATE TABLE goods (id INT PRIMARY KEY)")
    limits = Capture(chunk_rows=10, batch_rows=2, batch_bytes=10**6)
    reader = MySQL(settings.sources["shop"], settings.environment["MYSQL_URL"], limits)
    try:
        (table,), start = reader.tables(), reader.position()
        execute("INSERT INTO goods VALUES (1), (2), (3)", "FLUSH BINARY LOGS", "UPDATE goods SET id = id + 10 ORDER BY id DESC")
        plain = {key: value for key, value in start.items() if key != "gtid"}
        by_gtid, by_place = (
            [change.rows.to_pylist() for change in reader.changes({table.id: position}) if isinstance(change, Batch)]
            for position in (start, plain)
        )
        assert by_gtid == by_place
        assert [len(rows) for rows in by_gtid] == [3, 6], "a transaction stays whole, however small the batches"
    finally:
        reader.close()
