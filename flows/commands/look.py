"""Looking at what is there: sql, describe, releases, diff, config; and going back."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, TextIO

import click

from flows.commands.common import Lazy, format_option, print_rows, settings_of
from lake.errors import UsageError


@click.command()
@click.argument("query", required=False)
@click.option("--file", "-f", type=click.File(), help="Read the query from a file instead.")
@format_option("table", "csv", "json", "markdown", "parquet", "arrow")
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file instead of stdout.")
@click.option("--release", type=int, help="A kept release's number; `cartlake releases` lists them.")
@click.option("--as-of", type=click.DateTime(), help="The release that was current at this UTC time.")
@click.option("--clone", help="A clone of yours, for writing too; `cartlake clone` lists them.")
@settings_of
def sql(
    settings: Lazy,
    query: str | None,
    file: TextIO | None,
    form: str,
    output: Path | None,
    release: int | None,
    as_of: datetime | None,
    clone: str | None,
) -> None:
    """Answer SQL from the warehouse; without a query it comes from standard input, or, at a terminal, from a dialogue.

    Example: cartlake sql "select country, sum(net_amount) from gold.agg_sales_daily group by all"
    """
    from warehouse import export
    from warehouse import output as rows_as
    from warehouse import query as warehouse_query

    if query is not None and file is not None:
        raise UsageError("say one of a query and --file, not both")
    binary = form in export.FORMS
    talking = query is None and file is None and sys.stdin.isatty()
    if binary and output is None and (talking or sys.stdout.isatty()):
        raise UsageError(f"{form} is not for a terminal; add --output FILE")
    if talking and output is not None:
        raise UsageError('--output is for one query: cartlake sql "select …" --output FILE')
    if clone is not None and (release is not None or as_of is not None):
        raise UsageError("a clone stands on a release already: say --clone without --release and --as-of")
    if clone is not None:
        from warehouse.clones import session

        opened = session.connect(settings(), clone)
    else:
        opened = warehouse_query.connect(settings(), release=release, as_of=as_of)
    with opened as connection:
        if talking:
            from warehouse import dialogue

            dialogue.talk(connection, form, settings().data / "sql_history", click.echo)
            return
        text = query if query is not None else (file or sys.stdin).read()
        if binary and output is not None:
            with replaced(output) as sink:
                export.export(connection, text, form, sink)
        elif binary:
            export.export(connection, text, form, sys.stdout.buffer)
        else:
            columns, rows = warehouse_query.run_sql(connection, text)
            rendered = rows_as.render(columns, rows, form)
            if output is None:
                click.echo(rendered)
            else:
                with replaced(output) as sink:
                    sink.write(rendered.encode() + b"\n")


@click.command()
@click.argument("table", required=False)
@click.option("--release", type=int, help="A kept release's number.")
@format_option("table", "csv", "json", "markdown")
@settings_of
def describe(settings: Lazy, table: str | None, release: int | None, form: str) -> None:
    """What the warehouse holds; with TABLE its columns, with types, key and meaning.

    Example: cartlake describe gold.fact_sales
    """
    from warehouse import about

    found = about.tables(settings(), release) if table is None else about.columns(settings(), table, release)
    print_rows(found, form)


@click.command()
@click.argument("old", type=int)
@click.argument("new", type=int)
@click.argument("table", required=False)
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Rows to show of TABLE.")
@format_option("table", "csv", "json", "markdown")
@settings_of
def diff(settings: Lazy, old: int, new: int, table: str | None, limit: int, form: str) -> None:
    """Rows added, removed and changed between two kept releases, table by table; with TABLE the rows themselves.

    Example: cartlake diff 41 42 gold.dim_product
    """
    from warehouse import diff as difference
    from warehouse import output as rows_as

    if table is not None:
        columns, rows = difference.diff_rows(settings(), old, new, table, limit)
        click.echo(rows_as.render(columns, rows, form))
        return
    found = difference.diff(settings(), old, new)
    if not found and form == "table":
        click.echo(f"releases {old} and {new} hold the same rows", err=True)
    print_rows(
        [
            {"table": d.table, "added": d.added, "removed": d.removed, "changed": d.changed, "columns": ", ".join(d.columns)}
            for d in found
        ],
        form,
    )


@click.command()
@click.argument("release", type=int)
@settings_of
def rollback(settings: Lazy, release: int) -> None:
    """Serve a kept release again, as a new one.

    The lake stays as it is: the next publish brings its present state again, so mend it first.

    Example: cartlake rollback 41
    """
    from warehouse.rollback import rollback as back

    click.echo(f"release {back(settings(), release)} is release {release} again", err=True)


@click.command()
@settings_of
def releases(settings: Lazy) -> None:
    """List the releases that are kept."""
    from warehouse.release import releases as kept

    print_rows(
        [
            {"release": r.number, "published": r.at, "tables": r.tables, "rows": r.rows, "bytes": r.file_bytes}
            for r in kept(settings())
        ]
    )


@click.command()
@settings_of
def config(settings: Lazy) -> None:
    """Every setting, masked, with where it came from."""
    from lake.config import describe

    print_rows([{"setting": key, "value": value, "from": origin} for key, value, origin in describe(settings())])


@contextmanager
def replaced(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes its place under `path` when the block ends well; a failure leaves what was there."""
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent} to write {path.name} into; make it first")
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with part.open("wb") as sink:
            yield sink
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
