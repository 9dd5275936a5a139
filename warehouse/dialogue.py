"""`cartlake sql` as a dialogue: a statement ends with `;` at the end of a line, and may take several."""

import readline
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb

from lake.errors import CartlakeError
from warehouse import output, query

_KEEP = 1_000  # statements of history


def talk(
    connection: duckdb.DuckDBPyConnection,
    form: str,
    history: Path,
    say: Callable[[str], None],
    read: Callable[[str], str] = input,
) -> None:
    """Read statements and say their answers until the end of input (Ctrl-D) or `quit`; Ctrl-C drops what was begun.

    A statement that is refused says why, and the dialogue goes on. `history` is a file that later dialogues begin with.
    """
    readline.clear_history()
    if history.exists():
        readline.read_history_file(history)
    try:
        for statement in _statements(read):
            try:
                columns, rows = query.run_sql(connection, statement)
            except CartlakeError as refused:
                say(f"cartlake: {refused}")
            except KeyboardInterrupt:
                say("interrupted")
            else:
                say(output.render(columns, rows, form))
    finally:
        history.parent.mkdir(parents=True, exist_ok=True)
        readline.set_history_length(_KEEP)
        readline.write_history_file(history)


def _statements(read: Callable[[str], str]) -> Iterator[str]:
    lines: list[str] = []
    while True:
        try:
            line = read("      …> " if lines else "cartlake> ")
        except KeyboardInterrupt:
            lines = []
            continue
        except EOFError:
            return
        if not lines and line.strip().rstrip(";").lower() in ("quit", "exit", ".quit", ".exit"):
            return
        if lines or line.strip():
            lines.append(line)
        if line.rstrip().endswith(";") and lines:
            yield "\n".join(lines)
            lines = []
