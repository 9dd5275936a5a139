"""The stream of a table's changes."""

import click

from flows.commands.common import Lazy, print_rows, settings_of


@click.command()
@click.argument("table")
@click.option("--name", help="A stream of its own, beside the table's; each consumes every change once.")
@click.option("--from-start", is_flag=True, help="Begin anew: all rows of the table, as inserts.")
@settings_of
def stream(settings: Lazy, table: str, name: str | None, from_start: bool) -> None:
    """Write what changed in TABLE since the last time to one Parquet file in data/streams, for another system to pick up.

    The first time that is all of its rows.

    Example: cartlake stream gold.fact_sales
    """
    from warehouse.stream import consume

    done = consume(settings(), table, name, from_start=from_start)
    if done.file is None:
        click.echo(f"{done.table}: nothing new since release {done.since}", err=True)
        return
    print_rows([{"stream": done.stream, "from": done.since, "to": done.release, "rows": done.rows, "file": done.file}])
