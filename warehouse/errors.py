"""DuckDB's errors as one line with a way out."""

import difflib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import duckdb

from lake.errors import CartlakeError, PermanentFailure, UsageError

_MISSING_TABLE = re.compile(r'Table with name "?([^"\s]+?)"? does not exist')
_FROM = re.compile(r'\b(?:from|join|describe|summarize|table)\s+((?:"[^"]+"|\w+)(?:\.(?:"[^"]+"|\w+))*)', re.IGNORECASE)


@contextmanager
def translated(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Raise what DuckDB refuses as UsageError, and what it cannot do here as PermanentFailure."""
    try:
        yield
    except duckdb.Error as error:
        raise translate(error, table_names(connection)) from error


def translate(error: duckdb.Error, names: list[str]) -> CartlakeError:
    """The error as ours; `names` are the tables there are, for the hint."""
    if isinstance(error, duckdb.OutOfMemoryException):
        return PermanentFailure(f"the query needs more memory than engine.memory allows; raise it ({_first(error)})")
    if isinstance(error, (duckdb.IOException, duckdb.InternalException, duckdb.FatalException)):
        return PermanentFailure(_first(error))
    text = str(error)
    missing = _MISSING_TABLE.search(text)
    if missing:
        asked = _as_written(text, missing[1])
        return UsageError(f"there is no table {asked}; {nearest(asked, names)}")
    if "read-only mode" in text:
        return UsageError("a release is read-only; make a table of your session instead: create temp table NAME as select …")
    return UsageError(f"{_first(error)}{_where(text)}")


def table_names(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Every table and view that the connection can name, as schema.table."""
    rows = connection.execute(
        "SELECT schema_name || '.' || table_name FROM duckdb_tables() UNION "
        "SELECT schema_name || '.' || view_name FROM duckdb_views() WHERE NOT internal ORDER BY 1"
    ).fetchall()
    return [row[0].removeprefix("main.") for row in rows]


def nearest(asked: str, names: list[str]) -> str:
    """The way out for a name that is not there: the names like it, or how to list them all."""
    bare = {name.rpartition(".")[2]: name for name in names}
    close = difflib.get_close_matches(asked, names, 3, 0.6) or [
        bare[near] for near in difflib.get_close_matches(asked.rpartition(".")[2], list(bare), 3, 0.6)
    ]
    return f"did you mean {' or '.join(close)}?" if close else "list what there is with: show all tables"


def like(asked: str, names: Iterable[str]) -> str:
    """The end of a message about one of a few names: those like it, or all that there are."""
    there = sorted(set(names))
    close = difflib.get_close_matches(asked.lower(), there, 3, 0.5) or [name for name in there if asked.lower() in name]
    if close:
        return f"; did you mean {' or '.join(close[:3])}?"
    return f"; there are {', '.join(there)}" if there else "; there is none at all"


def _as_written(text: str, table: str) -> str:
    """DuckDB names the table without its schema; the line that it quotes has it."""
    quoted = [name for name in _FROM.findall(text.partition("LINE ")[2]) if name.replace('"', "").rpartition(".")[2] == table]
    return quoted[0] if quoted else table


def _first(error: duckdb.Error) -> str:
    """The message without the quoted query, in one line."""
    message = str(error).partition("\n\nLINE ")[0].partition("\nCandidate functions")[0].partition("\tCandidate functions")[0]
    message = re.sub(r"^(Binder|Catalog|Parser|Conversion|Invalid Input|Out of Range) Error: ", "", message)
    return "; ".join(" ".join(line.split()) for line in message.splitlines() if line.strip())


def _where(text: str) -> str:
    """The quoted line of the query and the place in it that DuckDB points at."""
    found = re.search(r"LINE (\d+): (.*)\n( *)\^", text)
    if not found:
        return ""
    prefix = len(f"LINE {found[1]}: ")
    place = found[2][max(len(found[3]) - prefix, 0) :].strip()
    return f" (line {found[1]}, at: {place[:40]})" if place else ""
