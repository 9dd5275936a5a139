"""Values for people: money, percent and counts as a table shows them."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

NULL = "NULL"


def shown(value: Any, form: str) -> str:
    """A value in a metric's format."""
    if value is None:
        return NULL
    if form == "percent":
        return f"{100 * value:,.1f} %"
    if form == "money":
        return f"{Decimal(value):,.2f}"
    return f"{value:,}" if form == "count" else f"{value:,.4g}"


def columns_shown(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], formats: dict[str, str]
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Columns and rows with the values of `formats` (column: format) as text, flush right under their names."""
    parts: list[list[Any]] = []
    for place, name in enumerate(columns):
        cells = [row[place] for row in rows]
        if name not in formats:
            parts.append([name, *cells])
            continue
        texts = [name, *(shown(cell, formats[name]) for cell in cells)]
        wide = max(map(len, texts))
        parts.append([text.rjust(wide) for text in texts])
    lines = list(zip(*parts, strict=True))
    return [str(name) for name in lines[0]], lines[1:]
