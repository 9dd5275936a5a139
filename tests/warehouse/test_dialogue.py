"""`cartlake sql` at a terminal: statements over several lines, refusals that do not end it, and a history that stays."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from warehouse.dialogue import talk


def spoken(lines: list[Any], history: Path) -> list[str]:
    """What is said when these lines are typed; an exception among them is a key such as Ctrl-C."""
    typed: Iterator[Any] = iter(lines)
    said: list[str] = []

    def read(_prompt: str) -> str:
        line = next(typed, EOFError())
        if isinstance(line, BaseException):
            raise line
        return str(line)

    with duckdb.connect() as connection:
        talk(connection, "csv", history, said.append, read)
    return said


def test_a_statement_may_take_several_lines(tmp_path: Path) -> None:
    assert spoken(["select 1 as a,", "  2 as b;", "", "select 3 as c;"], tmp_path / "history") == ["a,b\n1,2", "c\n3"]


def test_a_refusal_is_said_and_the_dialogue_goes_on(tmp_path: Path) -> None:
    said = spoken(["select 1 +;", "select 2 as a;"], tmp_path / "history")
    assert said[0].startswith("cartlake: ")
    assert said[1:] == ["a\n2"]


def test_ctrl_c_drops_what_was_begun_and_quit_ends(tmp_path: Path) -> None:
    assert spoken(["select 1,", KeyboardInterrupt(), "select 2 as a;", "quit", "select 3;"], tmp_path / "history") == ["a\n2"]


def test_the_history_is_there_next_time(tmp_path: Path) -> None:
    import readline

    history = tmp_path / "data" / "sql_history"
    history.parent.mkdir()
    readline.clear_history()
    readline.add_history("select 42;")
    readline.write_history_file(history)
    spoken(["quit"], history)
    assert "select 42;" in history.read_text()
