"""Looking at the tables: tables, graph."""

from pathlib import Path

import click

from flows.commands.common import Lazy, format_option, print_rows, settings_of
from lake.errors import UsageError


@click.command()
@format_option("table", "csv", "json")
@settings_of
def tables(settings: Lazy, form: str) -> None:
    """Every table of silver and gold: grain, how it is kept up to date, rows, last build (UTC), file.

    Example: cartlake tables --format json
    """
    from transforms.describe import tables as listed

    rows = [table.row() for table in listed(settings())]
    if form == "table":
        rows = [{name: "" if value is None else value for name, value in row.items()} for row in rows]
    print_rows(rows, form)


@click.command()
@click.option("--erd", is_flag=True, help="The star instead: gold's tables with their keys and references.")
@click.option("--svg", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Draw it into a file.")
@settings_of
def graph(settings: Lazy, erd: bool, svg: Path | None) -> None:
    """Draw what reads what, as Mermaid text or as SVG.

    Example: cartlake graph --erd --svg star.svg
    """
    from transforms import draw
    from transforms.describe import graph as drawn
    from transforms.graph import mermaid

    found = drawn(settings(), erd=erd)
    if svg is None:
        click.echo(mermaid(found))
        return
    try:
        svg.write_text(draw.svg(found) + "\n")
    except OSError as error:
        raise UsageError(f"cannot write {svg}: {error.strerror}") from error
    click.echo(f"{svg}: {len(found.nodes)} tables", err=True)
