"""Rows as text: table, csv, json, markdown. Pure functions of columns and rows."""

import json
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from unicodedata import east_asian_width
from uuid import UUID

Row = Sequence[Any]
NULL = "NULL"


def render(columns: Sequence[str], rows: Sequence[Row], form: str = "table") -> str:
    """The rows in one of FORMS. An empty result still shows its columns (json: an empty list)."""
    return FORMS[form](columns, rows)


def table(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """Aligned columns: numbers to the right, the rest to the left; a null shows as NULL."""
    if not columns:
        return ""
    right = [_numeric(row[index] for row in rows) for index in range(len(columns))]
    cells = [[_one_line(name) for name in columns], *([_one_line(text(value)) for value in row] for row in rows)]
    widths = [max(width(line[index]) for line in cells) for index in range(len(columns))]
    lines = [_aligned(line, widths, right) for line in cells]
    rule = "  ".join("─" * wide for wide in widths)
    return "\n".join([lines[0], rule, *lines[1:]])


def to_csv(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """RFC 4180 with a header. A null is empty and an empty string is quoted, so the two stay apart"""
    return "\n".join(",".join(_csv(value) for value in row) for row in [columns, *rows])


def to_json(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """A list of objects, one on each line. Decimals keep every digit; a repeated column name gets a number."""
    names = _distinct(columns)
    objects = [
        "{"
        + ", ".join(f"{json.dumps(name, ensure_ascii=False)}: {_json(value)}" for name, value in zip(names, row, strict=True))
        + "}"
        for row in rows
    ]
    return "[" + ",\n ".join(objects) + "]"


def markdown(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """A GitHub table; `|` is escaped, line ends become <br>."""
    if not columns:
        return ""
    right = [_numeric(row[index] for row in rows) for index in range(len(columns))]
    lines = [
        list(columns),
        ["---:" if is_right else "---" for is_right in right],
        *([text(value) for value in row] for row in rows),
    ]
    escaped = [[cell.replace("|", "\\|").replace("\r\n", "\n").replace("\n", "<br>") for cell in line] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in escaped)


FORMS: dict[str, Callable[[Sequence[str], Sequence[Row]], str]] = {
    "table": table,
    "csv": to_csv,
    "json": to_json,
    "markdown": markdown,
}


def text(value: Any) -> str:
    """A value as people and other programs write it: ISO dates, `true`, plain decimals, JSON for what has parts."""
    if value is None:
        return NULL
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, bytes | bytearray | memoryview):
        return "\\x" + bytes(value).hex()
    if isinstance(value, dict | list | tuple):
        return _json(value)
    return str(value)


def width(cell: str) -> int:
    """Places that a text takes on a terminal: East Asian wide characters take two."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in cell)


def _aligned(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = []
    for cell, wide, is_right in zip(cells, widths, right, strict=True):
        space = " " * (wide - width(cell))
        padded.append(space + cell if is_right else cell + space)
    return "  ".join(padded).rstrip()


def _one_line(cell: str) -> str:
    return "".join(character if character.isprintable() else character.encode("unicode_escape").decode() for character in cell)


def _numeric(values: Any) -> bool:
    present = [value for value in values if value is not None]
    return bool(present) and all(isinstance(value, int | float | Decimal) and not isinstance(value, bool) for value in present)


def _csv(value: Any) -> str:
    cell = "" if value is None else text(value)
    if (cell == "" and value is not None) or any(character in cell for character in ',"\r\n'):
        return '"' + cell.replace('"', '""') + '"'
    return cell


def _distinct(columns: Sequence[str]) -> list[str]:
    names: list[str] = []
    for column in columns:
        name, number = column, 1
        while name in names:
            name, number = f"{column}_{number}", number + 1
        names.append(name)
    return names


def _json(value: Any) -> str:
    if isinstance(value, Decimal):
        # As a number with all its digits; what JSON has no number for is a string.
        return f"{value:f}" if value.is_finite() else json.dumps(str(value))
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return json.dumps(str(value))
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(text(key), ensure_ascii=False)}: {_json(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_json(part) for part in value) + "]"
    if isinstance(value, datetime | date | time | timedelta | UUID | bytes | bytearray | memoryview):
        return json.dumps(value.isoformat() if isinstance(value, datetime) else text(value))
    return json.dumps(value, ensure_ascii=False)
