"""Rows that follow a foreign key are in no log of MariaDB's: they are read anew whenever they may have followed."""

from collections.abc import Callable
from typing import Any

import pytest

from lake.capture import capture
from lake.config import Settings, load
from lake.sources.mysql.cascades import Foreign, foreign_keys

Fold = Callable[[Settings, str], list[dict[str, Any]]]
SHOP = (
    "CREATE TABLE customers (id INT PRIMARY KEY, email VARCHAR(20) UNIQUE, name VARCHAR(20))",
    "CREATE TABLE orders (id INT PRIMARY KEY, customer INT,"
    " FOREIGN KEY (customer) REFERENCES customers (id) ON DELETE CASCADE ON UPDATE CASCADE)",
    "CREATE TABLE `order lines` (id INT PRIMARY KEY, n INT, `of order` INT,"
    " FOREIGN KEY (`of order`) REFERENCES orders (id) ON DELETE CASCADE)",
    "CREATE TABLE letters (id INT PRIMARY KEY, email VARCHAR(20),"
    " FOREIGN KEY (email) REFERENCES customers (email) ON DELETE SET NULL ON UPDATE CASCADE)",
    "CREATE TABLE visits (id INT PRIMARY KEY, customer INT, FOREIGN KEY (customer) REFERENCES customers (id))",
    "INSERT INTO customers VALUES (1, 'a@x', 'Ada'), (2, 'b@x', 'Bo'), (3, 'c@x', 'Cy')",
    "INSERT INTO orders VALUES (10, 1), (20, 2), (30, 3)",
    "INSERT INTO `order lines` VALUES (100, 1, 10), (200, 1, 20), (300, 1, 30)",
    "INSERT INTO letters VALUES (1, 'a@x'), (2, 'b@x'), (3, NULL)",
)
TABLES = ("customers", "orders", "order lines", "letters", "visits")
FOLLOWING = {"orders", "order lines", "letters"}


@pytest.fixture
def shop(servers: Any, make_settings: Callable[..., Settings]) -> tuple[Callable[..., Any], Settings]:
    database = servers.new_database("cascade")
    servers.execute(*SHOP, database=database)
    return lambda *statements: servers.execute(*statements, database=database), make_settings(
        MYSQL_URL=servers.url_of(database), CARTLAKE_CAPTURE__SHRINK="0"
    )


def read_anew(settings: Settings) -> set[str]:
    """Tables of which this capture took a snapshot."""
    report = capture(settings, "shop")
    assert not report.errors
    return {table.table.rpartition(".")[2].strip("`") for table in report.tables if table.rows["r"]}


def same(run: Callable[..., Any], settings: Settings, fold: Fold, tables: tuple[str, ...] = TABLES) -> None:
    for table in tables:
        source = sorted(run(f"SELECT * FROM `{table}`"), key=str)
        assert sorted((tuple(row.values()) for row in fold(settings, table)), key=str) == source, table


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (["DELETE FROM customers WHERE id = 1"], FOLLOWING),
        (["UPDATE customers SET id = 9 WHERE id = 2"], {"orders", "order lines"}),
        (["UPDATE customers SET email = 'z@x' WHERE id = 2"], {"letters"}),
        (["UPDATE customers SET name = 'Di'"], set()),
        (["DELETE FROM orders WHERE id = 10", "INSERT INTO `order lines` VALUES (301, 1, 30)"], {"order lines"}),
        (["BEGIN", "DELETE FROM customers WHERE id = 1", "ROLLBACK"], set()),
        (["BEGIN", "UPDATE orders SET id = id", "DELETE FROM customers WHERE id < 3", "COMMIT"], FOLLOWING),
        (["INSERT INTO customers VALUES (4, 'd@x', 'Eve')", "DELETE FROM letters", "DELETE FROM visits"], set()),
    ],
)
def test_rows_that_followed_are_read_anew_and_no_others(shop: Any, fold: Fold, changes: list[str], expected: set[str]) -> None:
    run, settings = shop
    assert read_anew(settings) == {"customers", *FOLLOWING}
    run(*changes)
    assert read_anew(settings) == expected
    same(run, settings, fold)
    assert read_anew(settings) == set()


def test_a_parent_that_is_not_captured_is_watched_too(shop: Any, servers: Any, fold: Fold) -> None:
    run, settings = shop
    file = settings.home / "cartlake.toml"
    file.write_text('[sources.shop]\nkind = "mysql"\nurl = "${MYSQL_URL}"\ntables = ["*.orders", "*.visits"]\n')

    settings = load(file, settings.environment)
    assert read_anew(settings) == {"orders"}
    run("DELETE FROM customers WHERE id = 3")
    assert read_anew(settings) == {"orders"}
    same(run, settings, fold, ("orders", "visits"))


def test_foreign_keys_as_the_server_prints_them() -> None:
    definition = """CREATE TABLE `c` (
  CONSTRAINT `one` FOREIGN KEY (`a`,`b`) REFERENCES `p` (`x`, `y ``z`) ON DELETE CASCADE,
  CONSTRAINT `two` FOREIGN KEY (`q`) REFERENCES `other db`.`p` (`id`) ON DELETE NO ACTION ON UPDATE SET NULL,
  CONSTRAINT `three` FOREIGN KEY (`r`) REFERENCES `p` (`id`) ON UPDATE RESTRICT
)"""
    assert foreign_keys(("db", "c"), definition) == [
        Foreign(("db", "c"), ("db", "p"), ("x", "y `z"), True, False),
        Foreign(("db", "c"), ("other db", "p"), ("id",), False, True),
    ]
