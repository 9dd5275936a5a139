"""The rules from MySQL's types to Arrow's, and the values at their limits by both ways."""

from collections.abc import Callable
from contextlib import closing
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from pymysql.constants import FIELD_TYPE
from pymysql.converters import conversions

from lake.capture import capture
from lake.config import Settings
from lake.delta import Lake
from lake.sandbox.mariadb import connect
from lake.sources.mysql.types import Column, convert, map_column, out_of_range

UTC_MICROS = pa.timestamp("us", tz="UTC")


@pytest.mark.parametrize(
    ("column_type", "arrow"),
    [
        ("tinyint(4)", pa.int8()),
        ("tinyint(3) unsigned", pa.int16()),
        ("smallint(6)", pa.int16()),
        ("smallint(5) unsigned zerofill", pa.int32()),
        ("mediumint(8) unsigned", pa.int32()),
        ("int(11)", pa.int32()),
        ("int unsigned", pa.int64()),
        ("bigint(20)", pa.int64()),
        ("bigint(20) unsigned", pa.decimal128(20, 0)),
        ("decimal(10,2)", pa.decimal128(10, 2)),
        ("decimal(38,38)", pa.decimal128(38, 38)),
        ("decimal(65,30)", pa.string()),
        ("float", pa.float32()),
        ("double unsigned", pa.float64()),
        ("date", pa.date32()),
        ("datetime(6)", UTC_MICROS),
        ("timestamp", UTC_MICROS),
        ("time(3)", pa.string()),
        ("year(4)", pa.int32()),
        ("bit(63)", pa.int64()),
        ("bit(64)", pa.decimal128(20, 0)),
        ("enum('a','b')", pa.string()),
        ("set('a','b')", pa.string()),
        ("varchar(20)", pa.string()),
        ("longtext", pa.string()),
        ("json", pa.string()),
        ("binary(8)", pa.binary()),
        ("longblob", pa.binary()),
        ("geometry", pa.binary()),
        ("uuid", pa.string()),
        ("inet6", pa.string()),
    ],
)
def test_each_type_has_one_arrow_type(column_type: str, arrow: pa.DataType) -> None:
    name, _, rest = column_type.partition("(")
    numbers = [int(n) for n in rest.split(")")[0].split(",") if n.strip().isdigit()] if "enum" not in column_type else []
    precision, scale = (*numbers, 0, 0)[:2]
    charset = "utf8mb4" if name in ("varchar", "longtext", "enum", "set") else None
    mapped = map_column(Column("c", name.split(" ")[0], column_type, charset, 0, precision, scale))
    assert mapped is not None
    assert mapped.arrow == arrow


def test_a_geometry_is_read_as_it_is_stored() -> None:
    """ST_AsWKB of MySQL gives the latitude first in systems that say so; the log holds what is stored."""
    mapped = map_column(Column("p", "point", "point"))
    assert mapped is not None
    assert mapped.select == "SUBSTRING(`p`, 5)"


def test_an_unknown_type_has_no_mapping() -> None:
    assert map_column(Column("v", "vector", "vector(3)")) is None


def test_the_words_of_an_enum_may_hold_quotes_and_commas() -> None:
    assert Column("e", "enum", "enum('a','b''c','d,e','')").values == ("a", "b'c", "d,e", "")


def test_a_datetime_is_read_in_the_zone_of_its_source() -> None:
    mapped = map_column(Column("c", "datetime", "datetime"))
    assert mapped is not None
    summer = int((datetime(2026, 7, 1, 12) - datetime(1970, 1, 1)).total_seconds()) * 1_000_000
    (there,) = convert(pa.array([summer], pa.int64()), mapped, "Europe/Paris").to_pylist()
    assert there == datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("Europe/Paris"))
    autumn = int((datetime(2026, 10, 25, 2, 30) - datetime(1970, 1, 1)).total_seconds()) * 1_000_000
    (twice,) = convert(pa.array([autumn], pa.int64()), mapped, "Europe/Paris").to_pylist()
    assert twice.astimezone(ZoneInfo("UTC")).hour == 0, "of an hour that comes twice it is the earlier one"


def test_a_time_that_utc_has_no_year_for_is_null_and_noted() -> None:
    column = Column("c", "datetime", "datetime(3)")
    mapped = map_column(column)
    assert mapped is not None
    last = int((datetime(9999, 12, 31, 23, 59, 59, 999000) - datetime(1970, 1, 1)) / timedelta(microseconds=1))
    wire = pa.array([None, last], pa.int64())
    assert convert(wire, mapped, "UTC").null_count == 1
    there = convert(wire, mapped, "America/New_York")
    assert there.to_pylist() == [None, None]
    assert out_of_range(wire, there, column) == [(1, "c: '9999-12-31 23:59:59.999' is no date")]


# column -> values to insert (SQL), and what bronze must hold
# ruff: noqa: E501  (one line a type reads best)
TORTURE: dict[str, list[tuple[str, Any]]] = {
    "TINYINT": [("-128", -128), ("127", 127)],
    "TINYINT UNSIGNED": [("255", 255)],
    "BOOLEAN": [("TRUE", 1)],
    "SMALLINT": [("-32768", -32768)],
    "SMALLINT UNSIGNED": [("65535", 65535)],
    "MEDIUMINT": [("-8388608", -8388608), ("8388607", 8388607)],
    "MEDIUMINT UNSIGNED": [("16777215", 16777215)],
    "INT": [("-2147483648", -(2**31))],
    "INT UNSIGNED": [("4294967295", 2**32 - 1)],
    "BIGINT": [("-9223372036854775808", -(2**63))],
    "BIGINT UNSIGNED": [("18446744073709551615", Decimal(2**64 - 1)), ("0", Decimal(0))],
    "DECIMAL(10,2)": [("-99999999.99", Decimal("-99999999.99")), ("0.01", Decimal("0.01"))],
    "DECIMAL(28,10)": [("999999999999999999.9999999999", Decimal("999999999999999999.9999999999"))],
    "DECIMAL(38,10)": [("-9999999999999999999999999999.9999999999", Decimal("-9999999999999999999999999999.9999999999"))],
    "DECIMAL(20,20)": [("0.99999999999999999999", Decimal("0.99999999999999999999"))],
    "DECIMAL(9,9)": [("-0.000000001", Decimal("-0.000000001"))],
    "DECIMAL(18,0)": [("-999999999999999999", Decimal("-999999999999999999"))],
    "DECIMAL(65,30)": [
        ("12345678901234567890123456789012345.123456789012345678901234567890", "12345678901234567890123456789012345.123456789012345678901234567890"),
        ("-0.000000000000000000000000000001", "-0.000000000000000000000000000001"),
        ("0", "0.000000000000000000000000000000"),
    ],
    "FLOAT": [("3.4028234e38", 3.4028234663852886e38), ("1.1", 1.100000023841858)],
    "DOUBLE": [("1.7976931348623157e308", 1.7976931348623157e308), ("0.1", 0.1), ("-1e-300", -1e-300)],
    "DATE": [("'9999-12-31'", date(9999, 12, 31)), ("'0001-01-01'", date(1, 1, 1)), ("'0000-00-00'", None), ("'2020-00-10'", None), ("'2021-02-31'", None), ("'0000-01-01'", None), ("'0000-02-29'", None)],
    "DATETIME": [("'1000-01-01'", datetime(1000, 1, 1)), ("'0000-00-00'", None), ("'2020-02-30 01:02:03'", None), ("'2020-02-29'", datetime(2020, 2, 29)), ("'0000-12-31 23:59:59'", None)],
    "DATETIME(6)": [("'9999-12-31 23:59:59.999999'", datetime(9999, 12, 31, 23, 59, 59, 999999)), ("'1969-12-31 23:59:59.999999'", datetime(1969, 12, 31, 23, 59, 59, 999999)), ("'2021-02-31 01:02:03.000004'", None), ("'0000-00-00 00:00:00'", None)],
    "DATETIME(3)": [("'2026-06-01 01:02:03.004'", datetime(2026, 6, 1, 1, 2, 3, 4000)), ("'0000-06-15 23:59:59.9'", None)],
    "TIMESTAMP": [("'2038-01-19 03:14:07'", datetime(2038, 1, 19, 3, 14, 7)), ("'0000-00-00'", None), ("'1970-01-01 00:00:01'", datetime(1970, 1, 1, 0, 0, 1))],
    "TIMESTAMP(6)": [("'2001-09-09 01:46:40.123456'", datetime(2001, 9, 9, 1, 46, 40, 123456)), ("'0000-00-00'", None)],
    "TIME": [("'838:59:59'", "838:59:59"), ("'-838:59:59'", "-838:59:59"), ("'00:00:00'", "00:00:00")],
    "TIME(6)": [("'-838:59:59.999999'", "-838:59:59.999999"), ("'-00:00:00.000001'", "-00:00:00.000001")],
    "TIME(1)": [("'-00:00:00.4'", "-00:00:00.4"), ("'12:34:56.7'", "12:34:56.7")],
    "TIME(3)": [("'-01:00:00.004'", "-01:00:00.004")],
    "YEAR": [("2155", 2155), ("0", 0), ("1901", 1901)],
    "BIT(1)": [("b'1'", 1)],
    "BIT(9)": [("b'101010101'", 341)],
    "BIT(64)": [("0xffffffffffffffff", Decimal(2**64 - 1))],
    "ENUM('a','b''c','é')": [("'b''c'", "b'c"), ("'é'", "é"), ("''", "")],
    "SET('x','y','z z','é')": [("'x,é'", "x,é"), ("''", "")],
    "CHAR(10)": [("'abc  '", "abc"), ("''", ""), ("'日本😀'", "日本😀")],
    "CHAR(255)": [("'é'", "é")],
    "VARCHAR(300)": [("'wörld😀'", "wörld😀"), ("'  x  '", "  x  ")],
    "VARCHAR(20) CHARACTER SET latin1": [("'ñ€Š'", "ñ€Š")],
    "VARCHAR(20) CHARACTER SET ucs2": [("'日本'", "日本")],
    "VARCHAR(20) CHARACTER SET utf32": [("'日本😀'", "日本😀")],
    "VARCHAR(20) CHARACTER SET cp1251": [("'Привет'", "Привет")],
    "VARCHAR(20) CHARACTER SET koi8u": [("'Їжак'", "Їжак")],
    "CHAR(20) CHARACTER SET swe7": [("'Å'", "Å")],
    "VARCHAR(20) CHARACTER SET sjis": [("'日本'", "日本")],
    "VARCHAR(20) CHARACTER SET gbk": [("'你好'", "你好")],
    "CHAR(8) CHARACTER SET binary": [("'ab'", b"ab\0\0\0\0\0\0")],
    "BINARY(8)": [("0x0011220000000000", bytes.fromhex("0011220000000000"))],
    "VARBINARY(300)": [("0x00ff00", b"\x00\xff\x00"), ("''", b"")],
    "TINYTEXT": [("'tt'", "tt")],
    "MEDIUMTEXT": [("'😀'", "😀")],
    "LONGTEXT": [("REPEAT('é', 70000)", "é" * 70000)],
    "TINYBLOB": [("0x00", b"\0")],
    "LONGBLOB": [("REPEAT(0xff, 70000)", b"\xff" * 70000)],
    "JSON": [("'{\"a\": 1.0, \"b\": [1, 2]}'", '{"a": 1.0, "b": [1, 2]}')],
    "POINT": [("ST_GeomFromText('POINT(1 2)', 4326)", bytes.fromhex("0101000000000000000000f03f0000000000000040"))],
    "UUID": [("'123e4567-e89b-12d3-a456-426614174000'", "123e4567-e89b-12d3-a456-426614174000"), ("'00000000-0000-0000-0000-000000000000'", "00000000-0000-0000-0000-000000000000")],
    "INET6": [("'2001:db8::1'", "2001:db8::1"), ("'::'", "::"), ("'::ffff:1.2.3.4'", "::ffff:1.2.3.4")],
    "INET4": [("'10.0.0.0'", "10.0.0.0")],
    "INT GENERATED ALWAYS AS (id * 2) VIRTUAL": [],
    "INT GENERATED ALWAYS AS (id * 3) STORED": [],
    "INT INVISIBLE DEFAULT 7": [("8", 8)],
}  # fmt: skip
NAMES = [f"c{i}" for i in range(len(TORTURE))]
LOOSE = ("SET SESSION sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'", "SET NAMES utf8mb4")


def by_the_driver(servers: Any, database: str) -> list[dict[str, Any]]:
    """The rows as pymysql reads them, in the types of bronze."""
    url = servers.url_of(database)
    session = "SET time_zone = '+00:00', sql_mode = ''"
    with closing(connect(url, init_command=session, conv=TEXTS)) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(NAMES)} FROM snapshot ORDER BY id")
        return [{name: _mapped(kind, value) for name, kind, value in zip(NAMES, TORTURE, row, strict=True)} for row in cursor]


# Times as text, because the driver makes intervals of them that lose what a zero date or 838:59:59.999999 is.
TEXTS = {**conversions, FIELD_TYPE.TIME: None, FIELD_TYPE.DATE: None, FIELD_TYPE.DATETIME: None, FIELD_TYPE.TIMESTAMP: None}


def _mapped(kind: str, value: Any) -> Any:
    """A value of the driver as bronze has it."""
    name = kind.partition("(")[0].partition(" ")[0]
    if value is None or name in ("DATE", "DATETIME", "TIMESTAMP"):
        try:
            return None if value is None else _moment(name, value)
        except ValueError:
            return None
    if kind.startswith("DECIMAL(65"):
        return f"{value:f}"
    if name == "BIT":
        number = int.from_bytes(value, "big")
        return Decimal(number) if "64" in kind else number
    if kind == "BIGINT UNSIGNED":
        return Decimal(value)
    if name == "FLOAT":
        return pytest.approx(value, rel=1e-5)  # the server gives the driver six digits of it
    return value[4:] if name == "POINT" else value


def _moment(name: str, value: str) -> Any:
    return date.fromisoformat(value) if name == "DATE" else datetime.fromisoformat(value).replace(tzinfo=ZoneInfo("UTC"))


def by_the_server(servers: Any, database: str) -> list[str | None]:
    """The notes of each row, with the texts that the server prints."""
    times = [name for name, kind in zip(NAMES, TORTURE, strict=True) if kind.startswith(("DATE", "TIMESTAMP"))]
    texts = ", ".join(f"CAST({name} AS CHAR)" for name in times)
    notes = []
    for row in servers.execute(f"SELECT {texts} FROM snapshot ORDER BY id", database=database):
        found = [f"{name}: '{text}' is no date" for name, text in zip(times, row, strict=True) if _no_date(text)]
        notes.append("; ".join(found) or None)
    return notes


def _no_date(text: str | None) -> bool:
    try:
        datetime.fromisoformat(text or "2000-01-01")
    except ValueError:
        return True
    return False


@pytest.mark.parametrize("metadata", ["FULL", "NO_LOG"])
def test_snapshot_and_log_give_the_same_exact_values(servers: Any, make_settings: Callable[..., Settings], metadata: str) -> None:
    database = servers.new_database("torture")
    columns = ", ".join(
        f"{name} {kind}{'' if 'GENERATED' in kind else ' NULL'}" for name, kind in zip(NAMES, TORTURE, strict=True)
    )
    inserts = []
    height = max(len(values) for values in TORTURE.values())
    for row in range(height + 1):  # the last row is all NULL
        given = {name: values[row][0] for name, values in zip(NAMES, TORTURE.values(), strict=True) if row < len(values)}
        inserts.append(f"INSERT INTO @ (id, {', '.join(given) or 'c0'}) VALUES ({row}, {', '.join(given.values()) or 'NULL'})")
    create = f"CREATE TABLE @ (id INT PRIMARY KEY, {columns}) CHARACTER SET utf8mb4"
    servers.execute(
        *LOOSE,
        create.replace("@", "snapshot", 1),
        *[i.replace("@", "snapshot", 1) for i in inserts],
        create.replace("@", "log", 1),
        database=database,
    )
    settings = make_settings(MYSQL_URL=servers.url_of(database))
    assert not capture(settings, "shop").errors
    servers.execute(f"SET GLOBAL binlog_row_metadata = {metadata}")
    try:
        servers.execute(*LOOSE, *[i.replace("@", "log", 1) for i in inserts], "UPDATE log SET id = id", database=database)
        report = capture(settings, "shop")
        assert not report.errors
    finally:
        servers.execute("SET GLOBAL binlog_row_metadata = FULL")
    lake = Lake(settings.lake_root)
    names = {name.rpartition(".")[2]: name for name in lake.names("bronze")}
    snapshot, log = (lake.read(names[which]).sort_by("_sequence").sort_by("id").to_pylist() for which in ("snapshot", "log"))
    assert len(snapshot) == len(log) == height + 1
    driven, warnings = by_the_driver(servers, database), by_the_server(servers, database)
    for row, (one, other) in enumerate(zip(snapshot, log, strict=True)):
        for name, (kind, values) in zip(NAMES, TORTURE.items(), strict=True):
            expected = values[row][1] if row < len(values) else None
            if "GENERATED" in kind:
                expected = row * (3 if "STORED" in kind else 2)
            elif "INVISIBLE" in kind and row >= len(values):
                expected = 7
            if isinstance(expected, datetime):
                expected = expected.replace(tzinfo=ZoneInfo("UTC"))
            assert one[name] == expected, f"{kind}, by snapshot"
            assert other[name] == expected, f"{kind}, by log"
            assert one[name] == driven[row][name], f"{kind}, by the driver"
        assert one["_warnings"] == other["_warnings"] == warnings[row]
    assert sum(row is not None for row in warnings) > 3
