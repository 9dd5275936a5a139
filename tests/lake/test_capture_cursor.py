"""Capture by a cursor column, from a server whose log is not asked for: nothing is missed, doubled or committed for nothing."""

from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from typing import Any

import pytest

from lake.capture import capture
from lake.config import Settings
from lake.errors import PermanentFailure
from lake.sandbox.mariadb import connect
from lake.status import status

Fold = Callable[[Settings, str], list[dict[str, Any]]]
GOODS = "CREATE TABLE goods (id INT PRIMARY KEY, v INT, updated_at DATETIME(3), KEY (updated_at))"


class Shop:
    """A database, and captures of it by cursor into one lake."""

    def __init__(self, servers: Any, make_settings: Callable[..., Settings]) -> None:
        self._servers, self._make = servers, make_settings
        self.database = servers.new_database("cursor")
        self._home = self.settings().home

    def settings(self, **more: str) -> Settings:
        env = {
            "MYSQL_URL": self._servers.url_of(self.database),
            "MONGO_URL": self._servers.mongo_url_of(self.database),  # never asked, but where a killed process takes every source
            "CARTLAKE_SOURCES__SHOP__MODE": "cursor",
            "CARTLAKE_SOURCES__SHOP__CURSOR": "updated_at,id",
            "CARTLAKE_CAPTURE__CHUNK_ROWS": "7",
            "CARTLAKE_CAPTURE__BATCH_ROWS": "5",
            **more,
        }
        return self._make(getattr(self, "_home", None), env)

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        return self._servers.execute(*statements, database=self.database)  # type: ignore[no-any-return]

    def capture(self, **more: str) -> Any:
        report = capture(self.settings(**more), "shop")
        assert not report.errors
        return report

    def differs(self, fold: Fold, table: str, *columns: str) -> set[tuple[Any, ...]]:
        """Rows that only one of source and bronze has."""
        there = set(self.execute(f"SELECT {', '.join(columns)} FROM {table}"))

        def plain(value: Any) -> Any:
            return value.replace(tzinfo=None) if isinstance(value, datetime) else value

        return there ^ {tuple(plain(row[column]) for column in columns) for row in fold(self.settings(), f".{table}")}


@pytest.fixture
def shop(servers: Any, make_settings: Callable[..., Settings]) -> Shop:
    return Shop(servers, make_settings)


DAILY = {"CARTLAKE_SOURCES__SHOP__COMPARE_KEYS": "1d"}
ALWAYS = {"CARTLAKE_SOURCES__SHOP__COMPARE_KEYS": "0s"}


def test_updates_and_late_commits_within_the_window_are_seen_once(shop: Shop, fold: Fold, commits: Any) -> None:
    shop.execute(GOODS, "INSERT INTO goods SELECT seq, 0, '2026-01-01 12:00:00' FROM seq_1_to_30")
    assert shop.capture(**DAILY).tables[0].mode == "cursor"
    shop.capture(**DAILY)
    with closing(connect(shop._servers.url_of(shop.database, "root"))) as late, late.cursor() as cursor:
        cursor.execute("INSERT INTO goods VALUES (100, 1, '2026-01-01 12:04:00')")
        shop.execute(
            "INSERT INTO goods VALUES (101, 1, '2026-01-01 12:05:00'), (102, 1, '2026-01-01 12:05:00')",
            "UPDATE goods SET v = 2, updated_at = '2026-01-01 12:05:00.001' WHERE id < 12",
        )
        assert shop.capture(**DAILY).total == 13
        late.commit()
    # A value equal to the highest one seen, and an update that keeps its time.
    shop.execute("INSERT INTO goods VALUES (103, 1, '2026-01-01 12:05:00.001')", "UPDATE goods SET v = 3 WHERE id = 1")
    assert shop.capture(**DAILY).total == 3
    assert not shop.differs(fold, "goods", "id", "v", "updated_at")
    before = commits(shop.settings())
    assert shop.capture(**DAILY).total == 0
    assert commits(shop.settings()) == before, "nothing new commits nothing"


def test_deletes_and_rows_that_came_too_late_are_found_by_their_keys(shop: Shop, fold: Fold, commits: Any) -> None:
    shop.execute(
        "CREATE TABLE goods (a INT, b VARCHAR(9), v INT, updated_at TIMESTAMP NULL, PRIMARY KEY (a, b))",
        "INSERT INTO goods SELECT seq, CONCAT('é', seq % 3), seq, '2026-01-02' FROM seq_1_to_40",
    )
    shop.capture(**ALWAYS)
    shop.execute(
        "DELETE FROM goods WHERE a IN (1, 20, 40)", "INSERT INTO goods VALUES (50, 'x', 5, '2020-01-01'), (7, 'y', 5, NULL)"
    )
    shop.capture(**DAILY)
    assert {row[0] for row in shop.differs(fold, "goods", "a", "b", "v")} == {1, 7, 20, 40, 50}, "not before keys are compared"
    (report,) = shop.capture(**ALWAYS).tables
    assert (report.rows["d"], report.rows["c"]) == (3, 2)
    assert not shop.differs(fold, "goods", "a", "b", "v")
    shop.execute("INSERT INTO goods VALUES (1, 'é1', 11, '2026-01-03')")  # a deleted key that comes again
    shop.capture(**ALWAYS)
    assert not shop.differs(fold, "goods", "a", "b", "v")
    assert shop.capture(**ALWAYS).total == 0


def test_a_number_is_a_cursor_and_equal_values_meet_at_the_boundary(shop: Shop, fold: Fold) -> None:
    shop.execute("CREATE TABLE sales (id BIGINT PRIMARY KEY, v INT)", "CREATE TABLE empty (id INT PRIMARY KEY)")
    shop.capture(**DAILY)
    shop.execute("INSERT INTO sales SELECT seq, seq FROM seq_1_to_23", "INSERT INTO empty VALUES (1)")
    assert shop.capture(**DAILY).total == 24
    shop.execute("UPDATE sales SET v = 0 WHERE id = 23", "INSERT INTO sales VALUES (24, 24)")
    assert shop.capture(**DAILY).total == 2
    assert not shop.differs(fold, "sales", "id", "v")


def test_a_table_without_a_cursor_says_so_and_one_without_a_key_is_read_whole(shop: Shop, fold: Fold) -> None:
    shop.execute(
        "CREATE TABLE odd (k INT PRIMARY KEY)",
        "CREATE TABLE words (id VARCHAR(9) PRIMARY KEY)",
        "CREATE TABLE log (v INT)",
        "INSERT INTO log VALUES (1), (1)",
    )
    report = capture(shop.settings(), "shop")
    errors = {name.rpartition(".")[2]: error for name, error in report.errors.items()}
    assert "odd: it has no cursor column (updated_at, id)" in errors.pop("odd")
    assert "words: its cursor id is of the type varchar; expected a number or a time" in errors.pop("words")
    assert not errors
    assert fold(shop.settings(), ".log") == [{"v": 1}, {"v": 1}]


def test_a_kill_at_any_point_doubles_and_loses_nothing(shop: Shop, fold: Fold, killed: Callable[[Settings, str], int]) -> None:
    shop.execute(GOODS, "INSERT INTO goods SELECT seq, 0, '2026-01-01' FROM seq_1_to_12")
    count = 0
    for turn in range(1, 200, 2):
        shop.execute(
            f"UPDATE goods SET v = {turn}, updated_at = '2026-01-01' + INTERVAL {turn} SECOND WHERE id % 2 = {turn % 2}",
            f"DELETE FROM goods WHERE id = {turn % 12}",
            f"INSERT IGNORE INTO goods VALUES ({(turn * 5 + 1) % 12}, {turn}, '2025-12-31')",
        )
        code = killed(shop.settings(**ALWAYS), f"*:{turn}")
        shop.capture(**ALWAYS)
        assert not shop.differs(fold, "goods", "id", "v", "updated_at"), f"killed at point {turn}"
        if code == 0:
            break
        count += 1
    assert count > 3


def test_status_knows_no_lag_of_a_cursor(shop: Shop) -> None:
    shop.execute(GOODS, "INSERT INTO goods VALUES (1, 1, '2026-01-01')")
    shop.capture(**DAILY)
    (table,) = status(shop.settings(), "shop")
    assert (table.mode, table.error, table.lag_seconds, table.rows) == ("cursor", "", None, 1)


def test_a_server_without_a_log_offers_the_cursor(servers: Any, make_settings: Callable[..., Settings]) -> None:
    database = servers.new_database("nolog")
    servers.execute("CREATE TABLE goods (id INT PRIMARY KEY)", database=database)
    servers.execute("SET GLOBAL binlog_format = 'STATEMENT'")
    try:
        with pytest.raises(PermanentFailure, match="binlog_format is STATEMENT") as caught:
            capture(make_settings(MYSQL_URL=servers.url_of(database)), "shop")
    finally:
        servers.execute("SET GLOBAL binlog_format = 'ROW'")
    assert 'mode = "cursor"' in str(caught.value)
