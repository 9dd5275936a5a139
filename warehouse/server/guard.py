"""What a client of the SQL server may ask: one statement that only reads tables, judged by DuckDB's own parser."""

import json
import re
from collections.abc import Collection, Iterator
from typing import Any

import duckdb

from lake.errors import UsageError

NOTHING = "SELECT true AS Success WHERE false"  # what DuckDB itself answers to BEGIN

# A list of what is allowed, not of what is refused: an extension or the next DuckDB may bring more that read files.
# Not in it on purpose: query() and query_table() run text, and histogram() and summary() pass a name on to them.
TABLE_FUNCTIONS = frozenset(
    {
        *(
            "duckdb_columns",
            "duckdb_constraints",
            "duckdb_databases",
            "duckdb_dependencies",
            "duckdb_functions",
            "duckdb_indexes",
        ),
        *("duckdb_keywords", "duckdb_schemas", "duckdb_sequences", "duckdb_tables", "duckdb_types", "duckdb_views"),
        *("generate_series", "icu_calendar_names", "json_each", "json_tree", "pg_timezone_names", "pragma_version"),
        *("range", "repeat", "repeat_row", "unnest"),
    }
)
_SCALARS_REFUSED = frozenset({"currval", "getenv", "nextval", "setseed", "write_log"})
_FILE_LIKE = re.compile(r"[./\\*?:\[]")
_COMMENTS = re.compile(r"\s*(?:--[^\n]*(?:\n|$)\s*|/\*.*?\*/\s*)*", re.DOTALL)
_TRANSACTION = re.compile(
    r"(begin|start|commit|rollback|abort|end)(\s+(transaction|work))?(\s+read\s+(only|write))?\s*;?\s*", re.IGNORECASE
)
_EXPLAIN = re.compile(r"explain\s+(analyze\s+)?", re.IGNORECASE)
_ATTEMPTS = {
    "writes": "alter comment create delete drop insert merge truncate update",
    "changes the server": "analyze call checkpoint pragma reset set use vacuum force",
    "attaches a database": "attach detach",
    "installs or loads": "install load",
    "reads or writes files": "copy export import",
    "prepares a statement": "deallocate execute prepare",
}
_WORDS = {word: attempt for attempt, words in _ATTEMPTS.items() for word in words.split()}


def readable(text: str, parser: duckdb.DuckDBPyConnection, tables: Collection[str], macros: Collection[str] = ()) -> str:
    """The SQL to run for `text`, or NOTHING for the words around a transaction. UsageError says why it is refused.

    What is returned is what was parsed, to the letter: comments may nest, so a text cut differently would be another query.
    `tables` are the names there are, so that one of theirs with a dot is not taken for a file; `macros` are the release's
    own table macros. `parser` is any connection; nothing of `text` is run on it.
    """
    if "\0" in text:
        raise UsageError("refused: a query has no zero bytes")
    query = text[_COMMENTS.match(text).end() :]  # type: ignore[union-attr]  # it matches an empty text too
    if _TRANSACTION.fullmatch(query):
        return NOTHING
    explain = _EXPLAIN.match(query)
    if explain:
        query = query[explain.end() :]
    for node in _nodes(_parsed(query, parser)):
        _check(node, tables, macros)
    return f"{explain[0]}{query}" if explain else query


def _parsed(text: str, parser: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    row = parser.execute("SELECT json_serialize_sql(?, skip_default := true, skip_null := true)", [text]).fetchone()
    assert row is not None  # one row: there is no FROM
    tree: dict[str, Any] = json.loads(row[0])
    if tree["error"]:
        if tree["error_type"] == "parser":
            raise UsageError(" ".join(tree["error_message"].split()))
        word = re.match(r"\W*(\w*)", text)[1].lower()  # type: ignore[index]  # it matches an empty text too
        what = f"{word.upper()} {_WORDS[word]}" if word in _WORDS else f"{word.upper() or 'this'} is not a plain query"
        raise UsageError(
            f"refused: {what}; this server only reads: "
            "SELECT, FROM, WITH, VALUES, DESCRIBE, SHOW, SUMMARIZE, PIVOT … IN (…), EXPLAIN"
        )
    count = len(tree["statements"])
    if count != 1:
        raise UsageError(f"refused: {count} statements; send one at a time")
    return tree


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    pending = [tree]  # no recursion: a client chooses the depth
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            yield node
            pending.extend(node.values())
        elif isinstance(node, list):
            pending.extend(node)


def _check(node: dict[str, Any], tables: Collection[str], macros: Collection[str]) -> None:
    kind = node.get("type")
    if kind == "TABLE_FUNCTION":
        name = str(node.get("function", {}).get("function_name", "")).lower()
        if name not in TABLE_FUNCTIONS and name not in macros:
            raise UsageError(
                f"refused: {name}() may read files, run SQL or show the server's inside; query the tables: SHOW ALL TABLES"
            )
    elif kind == "BASE_TABLE":
        name = str(node.get("table_name", ""))
        if _FILE_LIKE.search(name) and name.lower() not in tables:
            raise UsageError(f"refused: {name!r} names a file; query the tables: SHOW ALL TABLES")
    elif node.get("class") == "FUNCTION":
        name = str(node.get("function_name", "")).lower()
        if name in _SCALARS_REFUSED:
            raise UsageError(f"refused: {name}() changes or shows the server's inside")
