"""Looking at what is there: sql, releases, config."""

import sys
from datetime import datetime

import click

from flows.commands.common import Lazy, format_option, print_rows, settings_of
from lake.errors import UsageError


@click.command()
@click.argument("query", required=False)
@format_option("table", "csv", "json", "markdown")
@click.option("--release", type=int, help="A kept release's number; `cartlake releases` lists them.")
@click.option("--as-of", type=click.DateTime(), help="The release that was current at this UTC time.")
@settings_of
def sql(settings: Lazy, query: str | None, form: str, release: int | None, as_of: datetime | None) -> None:
    """Answer SQL from the warehouse; without an argument the query comes from standard input.

    Example: cartlake sql "select country, sum(net_amount) from gold.agg_sales_daily group by all"
    """
    from warehouse import output
    from warehouse import query as warehouse_query

    if query is None and sys.stdin.isatty():
        raise UsageError('no query: cartlake sql "select …", or pipe one in')
    text = query if query is not None else sys.stdin.read()
    with warehouse_query.connect(settings(), release=release, as_of=as_of) as connection:
        columns, rows = warehouse_query.run_sql(connection, text)
    click.echo(output.render(columns, rows, form))


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
