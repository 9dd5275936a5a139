"""Parsing of CSV, NDJSON and the combined log: what becomes a record, what does not, and on which line it began."""

from datetime import UTC, datetime
from typing import Any

import pytest

from lake.sources.files import csv, json, log
from lake.sources.files.folder import format_of, table_name
from lake.sources.files.record import Bad

GOOD = '83.149.9.216 - frank [17/May/2015:10:05:03 +0200] "GET /a%20b?c=%22 HTTP/1.1" 200 203023 "-" "Mozilla/5.0 (X11)"'


def parsed(text: str | bytes, header: csv.Header = "auto") -> tuple[tuple[str, ...], list[Any]]:
    """Columns of a CSV text, and its records: (line, values), or (line, the rule that it breaks)."""
    lines = (text if isinstance(text, bytes) else text.encode()).splitlines(keepends=True)
    head = csv.head(lines, header, ("_op", "_file"))
    assert head is not None
    found, line = [], 1
    for raw, values in csv.records(lines, head, at_start=True):
        if values is not None:
            found.append((line, values.rule if isinstance(values, Bad) else values))
        line += len(raw)
    return head.columns, found


@pytest.mark.parametrize(
    ("text", "columns", "records"),
    [
        ("a,b\n1,2\n", ("a", "b"), [(2, ["1", "2"])]),
        ("a;b\r\n1;2,5\r\n", ("a", "b"), [(2, ["1", "2,5"])]),
        ("a\tb\n 1 \t\n", ("a", "b"), [(2, [" 1 ", ""])]),
        ('a,b\n"x ""y""","1\n2"\n3,4\n', ("a", "b"), [(2, ['x "y"', "1\n2"]), (4, ["3", "4"])]),
        ('a,b\n5" pipe,1\n', ("a", "b"), [(2, ['5" pipe', "1"])]),
        ("a,b\n\n1,2\n\n", ("a", "b"), [(3, ["1", "2"])]),
        ("1,anna\n2,bob\n", ("c1", "c2"), [(1, ["1", "anna"]), (2, ["2", "bob"])]),
        ("x,x\n1,2\n", ("c1", "c2"), [(1, ["x", "x"]), (2, ["1", "2"])]),
        ("term\nred\n", ("term",), [(2, ["red"])]),
        ("_op,_FILE,c\n1,2,3\n", ("_op_2", "_FILE_2", "c"), [(2, ["1", "2", "3"])]),
    ],
)
def test_csv_gives_the_text_as_it_is_written(text: str, columns: tuple[str, ...], records: list[Any]) -> None:
    assert parsed(text) == (columns, records)


def test_the_header_can_be_told() -> None:
    assert parsed("anna,berlin\n", "no") == (("c1", "c2"), [(1, ["anna", "berlin"])])
    assert parsed("x,x,\n1,2,3\n", "yes") == (("x", "x_2", "c3"), [(2, ["1", "2", "3"])])


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (b"1", "fields"),
        (b"1,2,3", "fields"),
        (b"1,\xff", "encoding"),
        (b'"1,2', "quotes"),
        (b'"1"x,2', "quotes"),
        (b"id,name", "header"),
        (b"INSERT INTO t (id, name) VALUES", "header"),
    ],
)
def test_a_csv_line_that_is_no_record_stops_no_other(line: bytes, rule: str) -> None:
    assert parsed(b"id,name\n1,one\n" + line + b"\n2,two\n")[1] == [(2, ["1", "one"]), (3, rule), (4, ["2", "two"])]


def test_a_value_that_only_begins_like_a_column_is_no_header() -> None:
    assert parsed("a,b\na1,b1\n")[1] == [(2, ["a1", "b1"])]


def test_an_unclosed_quote_at_the_end_may_still_be_closed() -> None:
    lines = [b"a,b\n", b'1,"x\n', b"2,y\n"]
    head = csv.head(lines, "auto")
    assert head is not None
    found = [values for _, values in csv.records(lines, head, at_start=True)]
    assert [isinstance(one, Bad) and one.open for one in found] == [False, True, False]


def test_ndjson_keeps_the_text() -> None:
    lines = [b'{"a": 1.10, "b": "\xc3\xa9"}\r\n', b"\n", b"[1]\n", b'{"a": NaN}\n', b'{"a": 1\n', b'{"a": "\xff"}\n']
    found = [values.rule if isinstance(values, Bad) else values for _, values in json.records(lines)]
    assert found == [('{"a": 1.10, "b": "é"}',), None, "json", "json", "json", "encoding"]


def test_the_combined_log() -> None:
    quoted = '::1 - - [29/Feb/2024:23:59:60 -0330] "\\x16\\x03\\"" 400 - "http://x/?q=\\"a\\"" "-"'
    lines = [GOOD.encode() + b"\n", quoted.encode(), GOOD[:-1].encode(), GOOD.replace("17/May", "31/Feb").encode(), b"\n"]
    first, second, cut, no_day, blank = [values for _, values in log.records(lines)]
    at = int(datetime(2015, 5, 17, 8, 5, 3, tzinfo=UTC).timestamp()) * 1_000_000
    request = ("GET", "/a%20b?c=%22", "HTTP/1.1", 200, 203023)
    assert first == ("83.149.9.216", None, "frank", at, *request, None, "Mozilla/5.0 (X11)")
    later = int(datetime(2024, 3, 1, 3, 30, tzinfo=UTC).timestamp()) * 1_000_000
    assert second == ("::1", None, None, later, None, '\\x16\\x03\\"', None, 400, None, 'http://x/?q=\\"a\\"', None)
    assert isinstance(cut, Bad)
    assert cut.rule == "format"
    assert isinstance(no_day, Bad)
    assert no_day.rule == "time"
    assert blank is None


@pytest.mark.parametrize(
    ("file", "table"),
    [
        ("access-2026-11-01.log.gz", "access"),
        ("access.log.3.gz", "access"),
        ("sales.csv", "sales"),
        ("2026-11-01_sales_north.tsv", "sales_north"),
        ("2026-11-01.json", "files"),
        ("Büro 1.txt", "Büro"),
    ],
)
def test_a_file_belongs_to_the_table_of_its_name(file: str, table: str) -> None:
    assert table_name(file) == table


def test_the_format_is_told_by_name_or_by_the_first_lines() -> None:
    cut = GOOD[: len(GOOD) // 2].encode()
    assert format_of("x.csv.gz", [b"anything"]) == "csv"
    assert format_of("access.log", [cut, GOOD.encode()]) == "combined"
    assert format_of("x.json", [b"\n", b'{"a": 1}\n']) == "ndjson"
    assert format_of("x.txt", [b"a;b\n"]) == "csv"
    assert format_of("README", [b"hello\n"]) is None
