"""Rows as text, exact and readable."""

import csv
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal

import duckdb
import pytest

from warehouse.output import FORMS, render

COLUMNS = ["country", "revenue", "at"]
ROWS = [
    ("Perú", Decimal("1234.50"), datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    (None, Decimal("-7"), None),
    ("日本", None, None),
]


def test_table_aligns_numbers_right_and_wide_characters_by_their_width() -> None:
    assert render(COLUMNS, ROWS).splitlines() == [
        "country  revenue  at",
        "───────  ───────  ─────────────────────────",
        "Perú     1234.50  2026-01-02 03:04:05+00:00",
        "NULL          -7  NULL",
        "日本        NULL  NULL",
    ]


def test_table_keeps_a_row_on_one_line() -> None:
    assert render(["text"], [("a\nb\tc\x1b[31m",)]).splitlines()[2:] == ["a\\nb\\tc\\x1b[31m"]


def test_csv_tells_null_from_an_empty_string_and_reads_back() -> None:
    rows = [("a,b", 'say "x"'), ("", None), ("two\nlines", "é")]
    written = render(["one", "two"], rows, "csv")
    assert written.splitlines()[2] == '"",'
    assert list(csv.reader(io.StringIO(written)))[1:] == [["a,b", 'say "x"'], ["", ""], ["two\nlines", "é"]]


def test_json_keeps_every_digit_and_every_column() -> None:
    written = render(["n", "n", "d"], [(Decimal("12345678901234567890.1234567890"), None, date(2026, 1, 2))], "json")
    assert json.loads(written, parse_float=Decimal) == [
        {"n": Decimal("12345678901234567890.1234567890"), "n_1": None, "d": "2026-01-02"}
    ]
    assert json.loads(render(["x"], [(float("nan"),), ({"a b": [1, None, True]},), (b"\x00\xff",)], "json")) == [
        {"x": "nan"},
        {"x": {"a b": [1, None, True]}},
        {"x": "\\x00ff"},
    ]
    assert json.loads(render(["x"], [], "json")) == []


def test_markdown_escapes_what_would_end_a_cell() -> None:
    assert render(["a", "n"], [("x|y\nz", 1)], "markdown").splitlines() == ["| a | n |", "| --- | ---: |", "| x\\|y<br>z | 1 |"]


VALUES = """
    SELECT 1::HUGEINT, uuid(), INTERVAL 3 DAY, TIME '01:02:03', {'a': [1.5]}, MAP {'k': DATE '2026-01-01'}, 'x'::BLOB, true,
        TIMESTAMP_NS '2026-01-01 00:00:00.123456789', TIMESTAMPTZ '2026-01-01 00:00:00+00', 'NaN'::DOUBLE, '101'::BIT
"""


@pytest.mark.parametrize("form", FORMS)
def test_every_kind_of_value_can_be_written(form: str) -> None:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        cursor = connection.execute(VALUES)
        written = render([column[0] for column in cursor.description], cursor.fetchall(), form)
    assert "2026-01-01 00:00:00" in written.replace("T", " ")


@pytest.mark.parametrize("form", FORMS)
def test_no_rows_and_no_columns_are_no_error(form: str) -> None:
    assert isinstance(render([], [], form), str)
    assert ("a" in render(["a"], [], form)) == (form != "json")
