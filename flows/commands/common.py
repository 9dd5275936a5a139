"""What commands share: the settings, progress on stderr, rows on stdout."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from flows.steps import Progress
    from lake.config import Settings

# A command gets the settings as a function: `--help` reads none.
Lazy = Callable[[], "Settings"]
settings_of = click.pass_obj


def format_option(*forms: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--format`, whose value arrives as the argument `form`."""
    return click.option("--format", "form", type=click.Choice(forms), default="table", show_default=True)


def print_rows(rows: "list[dict[str, Any]]", form: str = "table") -> None:
    """The rows on stdout; none print nothing in a table, and an empty list in JSON."""
    from warehouse import output

    if rows or form == "json":
        columns = list(rows[0]) if rows else []
        click.echo(output.render(columns, [tuple(row.values()) for row in rows], form))


@contextmanager
def progress(step: str, seconds: "dict[str, float] | None" = None) -> "Iterator[Progress]":
    """A callback that shows a bar for each thing under way, or one line a step where nobody watches a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    started = time.monotonic()
    columns = TextColumn(f"{step:8}"), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total or None)
            bars.update(tasks[what], completed=done, total=total or None)

        yield show
    took = time.monotonic() - started
    if seconds is not None:
        seconds[step] = took
        console.print(f"{step:8} {took:5.1f} s", highlight=False)
