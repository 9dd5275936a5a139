"""A table in key ranges of any size gives every row once, whatever its key is of and whatever its names are."""

from collections.abc import Callable
from typing import Any

import pytest

from lake import bronze
from lake.capture import capture
from lake.config import Capture, Settings
from lake.delta import Lake
from lake.sources.mysql.reader import MySQL

WORDS = ("", "a", "b ", "ab", "Aé", "ac", "ÅNGSTRÖM", "zz", "ß", "ss t", "日本", "😀", "\\\\", "a''b", "%s", "\t")
ANY = "utf8mb4"
# What the columns of a key are, and rows for it (SQL).
KEYS: dict[str, tuple[str, list[str]]] = {
    "negative": ("k INT, PRIMARY KEY (k)", [str(n) for n in (-(2**31), -7, -1, 0, 1, 2**31 - 1)]),
    "unsigned": ("k BIGINT UNSIGNED, PRIMARY KEY (k)", [str(n) for n in (0, 1, 2**63 - 1, 2**63, 2**64 - 2, 2**64 - 1)]),
    "decimal": ("k DECIMAL(65,30), PRIMARY KEY (k)", [f"{s}{n}.{n:030}" for n in (1, 2, 10**30) for s in ("", "-")]),
    "float": ("k FLOAT, PRIMARY KEY (k)", ["0.1", "-0.1", "3.4e38", "1e-38", "16777216", "1.1"]),
    "double": ("k DOUBLE, PRIMARY KEY (k)", ["0.1", "-0.1", "1.7e308", "5e-324", "1e22", "123456789.12345678"]),
    "date": ("k DATE, PRIMARY KEY (k)", [f"'{d}'" for d in ("0000-00-00", "0001-01-01", "2021-02-31", "2026-01-01", "9999-12-31")]),
    "datetime": ("k DATETIME(6), PRIMARY KEY (k)", [f"'2026-01-01 00:00:00.{n:06}'" for n in (0, 1, 2, 10, 999_999)]),
    "timestamp": ("k TIMESTAMP(3), PRIMARY KEY (k)", [f"'2026-10-25 0{h}:30:00.{n:03}'" for h in (0, 1, 2) for n in (0, 1)]),
    "time": ("k TIME(2), PRIMARY KEY (k)", ["'-838:59:59.99'", "'-00:00:00.01'", "'00:00:00'", "'100:00:00.5'", "'838:59:59'"]),
    "year": ("k YEAR, PRIMARY KEY (k)", ["0", "1901", "2026", "2155"]),
    "enum": ("k ENUM('z','y','a b','ä'), PRIMARY KEY (k)", ["'z'", "'y'", "'a b'", "'ä'"]),
    "set": (f"k SET({','.join(repr(str(n)) for n in range(64))}), PRIMARY KEY (k)", [str(2**63 + n) for n in range(6)] + ["0", "1"]),
    "bit": ("k BIT(64), PRIMARY KEY (k)", [str(n) for n in (0, 1, 2**53, 2**53 + 1, 2**63, 2**64 - 1)]),
    "binary": ("k BINARY(3), PRIMARY KEY (k)", ["0x000000", "0x000001", "0x0a0000", "0x27275c", "0xffffff"]),
    "bytes": ("k VARBINARY(20), PRIMARY KEY (k)", ["''", "0x00", "0x0000", "0x61", "0x6100", "0x6120", "0xff"]),
    "uuid": ("k UUID, PRIMARY KEY (k)", [f"'{n:08x}-0000-1000-8000-{7 - n:012x}'" for n in range(7)]),
    "inet6": ("k INET6, PRIMARY KEY (k)", ["'::'", "'::1'", "'::ffff:1.2.3.4'", "'2001:db8::'", "'ff::'"]),
    "accents": (f"k VARCHAR(99) CHARACTER SET {ANY} COLLATE utf8mb4_general_ci, PRIMARY KEY (k)", [f"'{w}'" for w in WORDS]),
    "unicode": (f"k VARCHAR(99) CHARACTER SET {ANY} COLLATE utf8mb4_unicode_ci, PRIMARY KEY (k)", [f"'{w}'" for w in WORDS]),
    "no padding": (f"k VARCHAR(99) CHARACTER SET {ANY} COLLATE utf8mb4_nopad_bin, PRIMARY KEY (k)", [f"'{w}{s}'" for w in "xy" for s in ("", " ", "  ", "\t")]),
    "bytewise": (f"k CHAR(99) CHARACTER SET {ANY} COLLATE utf8mb4_bin, PRIMARY KEY (k)", [f"'{w}'" for w in ("a", "A", "á", "Á", "ａ")]),
    "swedish": ("k VARCHAR(99) CHARACTER SET latin1 COLLATE latin1_swedish_ci, PRIMARY KEY (k)", ["'å'", "'ä'", "'ö'", "'o'", "'z'", "'€'"]),
    "big5": ("k VARCHAR(99) CHARACTER SET big5, PRIMARY KEY (k)", ["'一'", "'乙'", "'丁'", "'七'", "'功'", "'許'"]),
    "cp932": ("k VARCHAR(99) CHARACTER SET cp932, PRIMARY KEY (k)", ["'日'", "'本'", "'ソ'", "'①'", "_cp932 X'FA54'", "_cp932 X'81CA'"]),
    "utf16": ("k VARCHAR(99) CHARACTER SET utf16, PRIMARY KEY (k)", ["'日'", "'本'", "'😀'", "'a'"]),
    "long": (f"k VARCHAR(700) CHARACTER SET {ANY}, PRIMARY KEY (k)", [f"REPEAT('{w}', 700)" for w in "aé日😀z"] + ["CONCAT(REPEAT('a', 699), 'b')"]),
    # Equal to the collation and different as bytes, on both sides of a boundary.
    "equal texts": (
        f"k VARCHAR(9) CHARACTER SET {ANY} COLLATE utf8mb4_general_ci, n INT, PRIMARY KEY (k, n)",
        [f"'{w}', {n}" for n, w in enumerate(("a", "A", "á", "a ", "Á", "b", "B", "b  "))],
    ),
    "three": (
        "a INT, b VARCHAR(5), c DATETIME(2), PRIMARY KEY (a, b, c)",
        [f"{a}, '{b}', '2026-01-01 00:00:00.{c}'" for a in (-1, 0, 1) for b in ("", "é", "z") for c in ("01", "02")],
    ),
    "unique": ("k INT NOT NULL, n INT NULL, UNIQUE KEY (n), UNIQUE KEY (k)", [f"{k}, NULL" for k in range(5)]),
    "turned": ("a INT, b INT, PRIMARY KEY (b, a)", [f"{a}, {b}" for a in range(3) for b in range(3)]),
    "mixed": (
        "e ENUM('b','a'), u UUID, f DOUBLE, PRIMARY KEY (e, u, f)",
        [f"'{e}', '0000000{u}-0000-1000-8000-000000000000', {f}" for e in "ab" for u in (1, 2) for f in ("0.1", "-1e-9")],
    ),
}  # fmt: skip
# ruff: noqa: E501  (one line a key reads best)
LOOSE = ("SET SESSION sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'", "SET NAMES utf8mb4")


def test_ranges_of_any_size_give_every_row_once(servers: Any, make_settings: Callable[..., Settings]) -> None:
    database = servers.new_database("keys")
    for name, (columns, rows) in KEYS.items():
        servers.execute(
            *LOOSE,
            f"CREATE TABLE `{name}` ({columns}, _n_ INT) CHARACTER SET utf8mb4",
            *[f"INSERT INTO `{name}` VALUES ({row}, {number})" for number, row in enumerate(rows)],
            database=database,
        )
    for size in (1, 2, 3):
        limits = Capture(chunk_rows=size)
        reader = MySQL(make_settings().sources["shop"], servers.url_of(database), limits)
        try:
            tables = reader.tables()
            assert {table.id[1] for table in tables} == set(KEYS)
            for table in tables:
                chunks = list(reader.snapshot(table, None))
                read = [number for chunk in chunks for number in chunk.rows.column("_n_").to_pylist()]
                count = len(KEYS[table.id[1]][1])
                assert sorted(read) == list(range(count)), f"{table.id[1]}, {size} at a time"
                assert all(chunk.rows.num_rows <= size for chunk in chunks)
                assert [chunk.last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
                if size == 2:  # as a later run goes on after any chunk of this one
                    for done, chunk in enumerate(chunks[:-1], 1):
                        rest = [n for later in reader.snapshot(table, chunk.end) for n in later.rows.column("_n_").to_pylist()]
                        assert rest == read[2 * done :], f"{table.id[1]}, after {chunk.end}"
        finally:
            reader.close()


NAMES = ("order", "two words", "prénom", "back`quote", "a.dot", "single'", 'double"', "50%", "%s", "{x}", "日本")


@pytest.mark.parametrize("key", [True, False])
def test_any_name_will_do(servers: Any, make_settings: Callable[..., Settings], fold: Any, key: bool) -> None:
    database = servers.new_name("odd na`me.é")
    quoted = database.replace("`", "``")
    servers.execute(f"CREATE DATABASE `{quoted}`", f"GRANT SELECT ON `{quoted}`.* TO cartlake@'127.0.0.1'")
    names = [name.replace("`", "``") for name in NAMES]
    columns = ", ".join(f"`{name}` INT" for name in names)
    for name in names:
        servers.execute(
            f"CREATE TABLE `{name}` ({columns}{f', PRIMARY KEY (`{name}`)' if key else ''})",
            *[f"INSERT INTO `{name}` VALUES ({', '.join([str(n)] * len(names))})" for n in range(3)],
            database=database,
        )
    settings = make_settings(
        MYSQL_URL=servers.url_of(""), CARTLAKE_SOURCES__SHOP__TABLES=f"{database}.*", CARTLAKE_CAPTURE__CHUNK_ROWS="2"
    )
    assert not capture(settings, "shop").errors
    for name in names:
        servers.execute(
            f"UPDATE `{name}` SET `order` = `order` + 10, `{name}` = `{name}` + 10 WHERE `a.dot` = 1", database=database
        )
    assert not capture(settings, "shop").errors
    lake = Lake(settings.lake_root)
    captured = {table.table: table for table in bronze.captured(lake)}
    assert set(captured) == set(NAMES)
    for name, table in captured.items():
        rows = sorted(fold(settings, table.name), key=lambda row: sorted(row.values()))
        # An assignment reads what the one to its left wrote: `order` twice.
        moved = {"order", name}
        want = [
            {n: i + (20 if n == name == "order" else 10 if n in moved else 0) if i == 1 else i for n in NAMES} for i in range(3)
        ]
        assert rows == want, name


def test_a_table_whose_columns_may_not_be_read_says_so(servers: Any, make_settings: Callable[..., Settings]) -> None:
    database = servers.new_database("rights")
    servers.execute(
        "CREATE TABLE open (id INT PRIMARY KEY)", "CREATE TABLE shut (id INT PRIMARY KEY, _Op INT)", database=database
    )
    report = capture(make_settings(MYSQL_URL=servers.url_of(database)), "shop")
    (error,) = report.errors.values()
    assert "shut: column _Op has a name that bronze needs for itself" in error
