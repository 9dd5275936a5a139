"""The binary log of a real MariaDB: huge and compressed transactions, XA, values that are none, from the log to bronze."""

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow.compute as pc
import pytest

from lake.capture import capture
from lake.config import Settings
from lake.delta import Lake
from lake.sources.base import Batch, Mark
from lake.sources.mysql.reader import MySQL

Execute = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def shop(servers: Any, make_settings: Callable[..., Settings]) -> tuple[Settings, Execute]:
    """Settings with small batches, of a database with the captured table `goods`, and a function that runs statements in it."""
    database = servers.new_database("log")
    settings = make_settings(
        MYSQL_URL=servers.url_of(database), CARTLAKE_CAPTURE__BATCH_BYTES="60000", CARTLAKE_CAPTURE__SHRINK="0"
    )

    def execute(*statements: str) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = servers.execute(*statements, database=database)
        return rows

    execute("CREATE TABLE goods (id INT PRIMARY KEY, name VARCHAR(40), price DECIMAL(10,2), sold DATETIME)")
    assert not capture(settings, "shop").errors
    return settings, execute


def rows_of(settings: Settings, fold: Any, table: str = ".goods") -> list[tuple[Any, ...]]:
    own = ("_warnings",)
    return [tuple(v for k, v in row.items() if k not in own) for row in fold(settings, table)]


def equal(settings: Settings, execute: Execute, fold: Any) -> bool:
    def plain(value: Any) -> Any:
        return value.replace(tzinfo=None) if hasattr(value, "tzinfo") else value

    found = sorted(tuple(map(plain, row)) for row in rows_of(settings, fold))
    return found == sorted(execute("SELECT id, name, price, sold FROM goods"))


def changes(settings: Settings, since: Any) -> list[Any]:
    reader = MySQL(settings.sources["shop"], settings.environment["MYSQL_URL"], settings.capture)
    try:
        (table,) = (table for table in reader.tables() if table.id[1] == "goods")
        # What a batch has more is read while it is the newest change, as bronze does it.
        return [
            (change, [change.rows, *change.more]) if isinstance(change, Batch) else (change, [])
            for change in reader.changes({table.id: since})
        ]
    finally:
        reader.close()


def now(settings: Settings) -> Any:
    reader = MySQL(settings.sources["shop"], settings.environment["MYSQL_URL"], settings.capture)
    try:
        return reader.position()
    finally:
        reader.close()


FILL = "INSERT INTO goods SELECT seq, CONCAT('name ', seq), seq / 100, '2026-01-01' + INTERVAL seq SECOND FROM seq_{}_to_{}"


def test_a_transaction_beyond_memory_is_one_commit(shop: Any, fold: Any, commits: Any) -> None:
    settings, execute = shop
    start = now(settings)
    execute(
        "INSERT INTO goods VALUES (-1, 'before', 0, NULL)",
        FILL.format(1, 12_000),
        "INSERT INTO goods VALUES (-2, 'after', 0, NULL)",
    )
    given = changes(settings, start)
    batches = [(change, parts) for change, parts in given if isinstance(change, Batch)]
    assert [sum(part.num_rows for part in parts) for _, parts in batches] == [1, 12_000, 1]
    assert [type(change) for change, _ in given] == [Batch, Mark] * 3, "what is there is given before what is large"
    name = next(iter(commits(settings)))
    before = commits(settings)[name]
    assert not capture(settings, "shop").errors
    assert commits(settings)[name] <= before + 3
    assert equal(settings, execute, fold)
    execute("UPDATE goods SET price = price + 1, id = id + 100000 WHERE id > 6000")
    assert not capture(settings, "shop").errors
    assert equal(settings, execute, fold)


def test_a_large_transaction_that_is_taken_back_leaves_nothing(shop: Any, fold: Any) -> None:
    settings, execute = shop
    execute("BEGIN", FILL.format(1, 8_000), "ROLLBACK", "INSERT INTO goods VALUES (-1, 'kept', 0, NULL)")
    execute(
        "BEGIN",
        "INSERT INTO goods VALUES (-2, 'kept', 0, NULL)",
        "SAVEPOINT here",
        FILL.format(1, 8_000),
        "ROLLBACK TO here",
        "COMMIT",
    )
    assert capture(settings, "shop").total == 2
    assert equal(settings, execute, fold)


@pytest.fixture
def compressed(servers: Any) -> Iterator[None]:
    servers.execute("SET GLOBAL log_bin_compress_min_len = 10", "SET GLOBAL log_bin_compress = ON")
    yield
    servers.execute("SET GLOBAL log_bin_compress = OFF", "SET GLOBAL log_bin_compress_min_len = 256")


def test_a_compressed_log_reads_as_a_plain_one(shop: Any, fold: Any, compressed: None) -> None:
    settings, execute = shop
    place = now(settings)
    same = "INSERT INTO goods SELECT seq, 'the same', 1, NULL FROM seq_{}_to_{}"  # compresses to fewer bytes than it has rows
    execute(
        same.format(1, 9_000),
        "UPDATE goods SET name = 'another'",
        "DELETE FROM goods WHERE id % 3 = 0",
        same.format(10_000, 10_100),
    )
    assert not capture(settings, "shop").errors
    assert equal(settings, execute, fold)
    logged = {row[2] for row in execute(f"SHOW BINLOG EVENTS IN '{place['file']}' FROM {place['pos']}")}
    assert {"Write_rows_compressed_v1", "Update_rows_compressed_v1", "Delete_rows_compressed_v1"} <= logged
    execute(same.format(20_000, 20_010), "UPDATE goods SET price = 2", "TRUNCATE TABLE goods", same.format(1, 5))
    assert not capture(settings, "shop").errors
    assert equal(settings, execute, fold)


def test_rows_of_a_prepared_transaction_come_with_its_commit(shop: Any, fold: Any) -> None:
    settings, execute = shop

    def ids() -> list[int]:
        assert not capture(settings, "shop").errors
        return [row[0] for row in rows_of(settings, fold)]

    def prepared(xid: str, *rows: int) -> None:
        inserts = [f"INSERT INTO goods VALUES ({row}, 'xa', 0, NULL)" for row in rows]
        execute(f"XA START '{xid}'", *inserts, f"XA END '{xid}'", f"XA PREPARE '{xid}'")

    prepared("one", 1, 2)
    execute("INSERT INTO goods VALUES (10, 'plain', 0, NULL)")
    prepared("two", 3)
    assert ids() == [10]
    execute("INSERT INTO goods VALUES (11, 'plain', 0, NULL)")
    assert ids() == [10, 11], "what came after the prepared ones is not given twice, though it is read again"
    execute("XA COMMIT 'two'")
    assert ids() == [10, 11, 3]
    execute("INSERT INTO goods VALUES (12, 'plain', 0, NULL)", "XA ROLLBACK 'one'")
    assert ids() == [10, 11, 12, 3]
    prepared("three", 4)
    execute("XA COMMIT 'three'")
    assert ids() == [10, 11, 12, 3, 4]
    (name,) = [name for name in Lake(settings.lake_root).names("bronze") if name.endswith(".goods")]
    sequences = Lake(settings.lake_root).read(name).column("_sequence").to_pylist()
    assert len(sequences) == len(set(sequences)) == 5


def test_a_large_prepared_transaction_is_reached_from_every_position_before_its_commit(shop: Any, fold: Any) -> None:
    settings, execute = shop
    start = now(settings)
    execute("XA START 'large'", FILL.format(1, 6_000), "XA END 'large'", "XA PREPARE 'large'")
    execute("INSERT INTO goods VALUES (-1, '', 0, NULL)", "XA COMMIT 'large'")
    batches = [(change, parts) for change, parts in changes(settings, start) if isinstance(change, Batch)]
    assert [sum(part.num_rows for part in parts) for _, parts in batches] == [1, 6_000]
    assert ["xa" in change.end for change, _ in batches] == [True, False]
    rest = [parts for change, parts in changes(settings, batches[0][0].end) if isinstance(change, Batch)]
    assert [sum(part.num_rows for part in parts) for parts in rest] == [6_000]
    orders = [order for _, parts in batches for part in parts for order in part.column("_order").to_pylist()]
    assert orders == sorted(set(orders))
    assert not capture(settings, "shop").errors
    assert equal(settings, execute, fold)
    execute("DELETE FROM goods WHERE id > 3")
    assert not capture(settings, "shop").errors
    assert equal(settings, execute, fold)


def test_what_was_prepared_before_the_first_capture_stops_its_tables(
    servers: Any, make_settings: Callable[..., Settings], fold: Any
) -> None:
    database = servers.new_database("xa")
    settings = make_settings(MYSQL_URL=servers.url_of(database))
    start = ["CREATE TABLE goods (id INT PRIMARY KEY)", "XA START 'early'", "INSERT INTO goods VALUES (1)"]
    servers.execute(*start, "XA END 'early'", "XA PREPARE 'early'", database=database)
    try:
        assert not capture(settings, "shop").errors
    finally:
        servers.execute("XA COMMIT 'early'", database=database)
    assert "prepared before the first capture" in "".join(capture(settings, "shop").errors.values())
    assert not capture(settings, "shop", resnapshot=["*"]).errors
    assert [row["id"] for row in fold(settings, ".goods")] == [1]


def test_what_is_no_date_has_the_same_warning_by_both_ways(
    servers: Any, make_settings: Callable[..., Settings], fold: Any
) -> None:
    database = servers.new_database("dates")
    settings = make_settings(MYSQL_URL=servers.url_of(database))
    create = "CREATE TABLE {} (id INT PRIMARY KEY, a DATE, b DATETIME(3), c TIMESTAMP(2) NULL, d DATETIME)"
    values = (
        "(1, '0000-00-00', '2021-02-31 01:02:03.004', '0000-00-00', NULL)",
        "(2, '2021-00-10', '0000-00-00', NULL, '2020-02-30')",
        "(3, '2024-02-29', '2024-02-29', '2024-02-29', '2024-02-29')",
        "(4, '0000-01-01', '0000-01-01 01:00:00', NULL, '0000-12-31')",
    )
    loose = "SET SESSION sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'"
    inserts = f"INSERT INTO {{}} VALUES {', '.join(values)}"
    servers.execute(loose, create.format("first"), create.format("second"), inserts.format("first"), database=database)
    assert not capture(settings, "shop").errors
    servers.execute(loose, inserts.format("second"), database=database)
    assert not capture(settings, "shop").errors
    lake = Lake(settings.lake_root)
    first, second = (
        lake.read(name).sort_by("id").select(["id", "a", "b", "c", "d", "_warnings"]).to_pylist()
        for name in sorted(lake.names("bronze"))
        if database in name
    )
    assert first == second
    assert second[0]["_warnings"] == (
        "a: '0000-00-00' is no date; b: '2021-02-31 01:02:03.004' is no date; c: '0000-00-00 00:00:00.00' is no date"
    )
    assert second[2]["_warnings"] is None


WIDER = [
    ("INT", "-7", "BIGINT"),
    ("TINYINT UNSIGNED", "200", "INT UNSIGNED"),
    ("MEDIUMINT", "-8388608", "DECIMAL(12,2)"),
    ("DECIMAL(8,2)", "-1.25", "DECIMAL(20,4)"),
    ("FLOAT", "1.1", "DOUBLE"),
    ("DATETIME", "'2026-01-02 03:04:05'", "DATETIME(3)"),
    ("VARCHAR(10)", "'wörld'", "TEXT"),
    ("ENUM('a','ü')", "'ü'", "VARCHAR(5)"),
    ("BINARY(4)", "0x01000000", "VARBINARY(9)"),
    ("YEAR", "2026", "YEAR"),
]


def test_what_was_logged_before_a_column_grew_is_read_as_it_is_now(
    servers: Any, make_settings: Callable[..., Settings], fold: Any
) -> None:
    database = servers.new_database("wider")
    settings = make_settings(MYSQL_URL=servers.url_of(database))
    names = [f"c{i}" for i in range(len(WIDER))]
    columns = ", ".join(f"{name} {old}" for name, (old, _, _) in zip(names, WIDER, strict=True))
    changes = ", ".join(f"MODIFY {name} {new}" for name, (_, _, new) in zip(names, WIDER, strict=True))
    values = ", ".join(value for _, value, _ in WIDER)
    servers.execute(f"CREATE TABLE goods (id INT PRIMARY KEY, {columns})", database=database)
    assert not capture(settings, "shop").errors
    servers.execute(
        f"INSERT INTO goods VALUES (1, {values})",
        f"ALTER TABLE goods {changes}",
        f"INSERT INTO goods VALUES (2, {values})",
        database=database,
    )
    assert not capture(settings, "shop").errors
    first, second = fold(settings, ".goods")
    different = {name for name in names if first[name] != second[name]}
    assert different == {"c4"}, "1.1 as a FLOAT is another number than as a DOUBLE"
    assert first["c4"] == 1.100000023841858


@pytest.mark.soak
def test_a_transaction_of_a_million_rows_arrives_whole(servers: Any, make_settings: Callable[..., Settings]) -> None:
    """Its peak memory is measured by tests/bench/binlog.py."""
    database = servers.new_database("million")
    settings = make_settings(MYSQL_URL=servers.url_of(database), CARTLAKE_CAPTURE__BATCH_BYTES="8MB")
    servers.execute(
        "CREATE TABLE goods (id INT PRIMARY KEY, name VARCHAR(40), price DECIMAL(10,2), sold DATETIME)", database=database
    )
    assert not capture(settings, "shop").errors
    servers.execute(FILL.format(1, 1_000_000), database=database)
    assert capture(settings, "shop").total == 1_000_000
    (name,) = Lake(settings.lake_root).names("bronze")
    rows = Lake(settings.lake_root).read(name, columns=["id", "name", "price", "sold", "_sequence", "_batch"])
    assert pc.count_distinct(rows["_batch"]).as_py() == 1
    assert pc.count_distinct(rows["_sequence"]).as_py() == 1_000_000
    theirs = servers.execute("SELECT id, name, price, sold FROM goods ORDER BY id", database=database)
    ours = rows.sort_by("id").select(["id", "name", "price"]).to_pydict()
    assert list(zip(*ours.values(), strict=True)) == [row[:3] for row in theirs]
    sold = [value.replace(tzinfo=None) for value in rows.sort_by("id")["sold"].to_pylist()]
    assert sold == [row[3] for row in theirs]
