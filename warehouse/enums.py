"""Text columns of few values as ENUM, which groups, joins and compares as a byte.

Ten million sales, eight star queries: 0.86 of the time that VARCHAR takes (docs/decisions/warehouse-files.md). In SQL the columns
are text: compared, joined and united with strings they do not hold, and sorted as strings, because the values stay in order.
Only the default of `lag` and `lead` must be one of the values, or the column cast to VARCHAR.
"""

from collections.abc import Collection, Sequence

import duckdb

from warehouse.describe import literal, quoted

MOST = 255  # values whose number fits in a byte
_SAMPLE_ROWS = 100_000  # tells a name or a comment from a category before the whole column is read
_ENUM = "ENUM("


def plain(kind: str) -> str:
    """The type as the lake has it: which values an ENUM has is no change of its column's type."""
    return "VARCHAR" if kind.startswith(_ENUM) and kind.endswith(")") else kind


def type_of(values: Collection[str]) -> str:
    """The type of a text column that has these values: VARCHAR for too many, and for what SQL text cannot hold."""
    if len(values) > MOST or any("\0" in value for value in values):
        return "VARCHAR"
    return f"{_ENUM}{', '.join(literal(value) for value in sorted(values))})"


def selection(
    connection: duckdb.DuckDBPyConnection, source: str, columns: Sequence[tuple[str, str]], kept: Collection[str]
) -> str:
    """The SELECT list that reads `source` with ENUMs: its text columns, but those `kept` as they are, of few values."""
    texts = [name for name, kind in columns if kind == "VARCHAR" and name not in kept]
    if not texts:
        return "*"
    counted = ", ".join(f"count(DISTINCT {quoted(name)}), count({quoted(name)})" for name in texts)
    sample = connection.execute(
        f"SELECT {counted} FROM (SELECT {', '.join(map(quoted, texts))} FROM {source} LIMIT {_SAMPLE_ROWS})"
    ).fetchall()[0]
    replaced = []
    for name, different, there in zip(texts, sample[::2], sample[1::2], strict=True):
        if not 0 < different <= min(MOST, there // 2):
            continue
        kind = type_of(_values(connection, source, name))
        if kind != "VARCHAR":
            replaced.append(f"{quoted(name)}::{kind} AS {quoted(name)}")
    return f"* REPLACE ({', '.join(replaced)})" if replaced else "*"


def as_text(connection: duckdb.DuckDBPyConnection, source: str) -> str:
    """The SELECT list that reads `source` without ENUMs, for a copy into which any text may be written."""
    columns = [row[0] for row in connection.execute(f"DESCRIBE FROM {source}").fetchall() if plain(row[1]) != row[1]]
    replaced = ", ".join(f"{quoted(column)}::VARCHAR AS {quoted(column)}" for column in columns)
    return f"* REPLACE ({replaced})" if replaced else "*"


def widen(connection: duckdb.DuckDBPyConnection, table: str, source: str) -> None:
    """Make room in the ENUMs of `table` for the values that rows of `source` bring; one of too many becomes text."""
    there = {row[0] for row in connection.execute(f"DESCRIBE FROM {source}").fetchall()}
    for name, kind in [row[:2] for row in connection.execute(f"DESCRIBE FROM {table}").fetchall()]:
        if plain(kind) == kind or name not in there:
            continue
        (held,) = connection.execute(f"SELECT enum_range(NULL::{kind})").fetchall()[0]
        wanted = {*held, *_values(connection, source, name)}
        if len(wanted) > len(held):
            connection.execute(f"ALTER TABLE {table} ALTER {quoted(name)} TYPE {type_of(wanted)}")


def _values(connection: duckdb.DuckDBPyConnection, source: str, name: str) -> list[str]:
    """The column's values, or MOST + 1 of them."""
    column = quoted(name)
    found = connection.execute(f"SELECT DISTINCT {column} FROM {source} WHERE {column} IS NOT NULL LIMIT {MOST + 1}").fetchall()
    return [value for (value,) in found]
