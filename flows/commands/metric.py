"""Asking for metrics by name: metric."""

from datetime import datetime

import click

from flows.commands.common import Lazy, format_option, print_rows, settings_of
from lake.errors import UsageError


@click.command()
@click.argument("metrics", required=False)
@click.option("--by", default="", help="Dimensions, one row for each of their values: month,category.")
@click.option("--where", help="A condition on dimensions: \"country = 'France' and month >= '2026-01'\".")
@click.option("--order", default="", help='Names to sort by: "revenue desc,month". Without it, by the dimensions.')
@click.option("--limit", type=click.IntRange(0), help="Rows at most.")
@click.option("--no-rollup", "detail", is_flag=True, help="Ask the facts themselves, not the tables that are summed up already.")
@click.option("--sql", "show_sql", is_flag=True, help="Print the SQL instead of its rows.")
@click.option("--release", type=int, help="A kept release's number; `cartlake releases` lists them.")
@click.option("--as-of", type=click.DateTime(), help="The release that was current at this UTC time.")
@format_option("table", "csv", "json", "markdown")
@settings_of
def metric(
    settings: Lazy,
    metrics: str | None,
    by: str,
    where: str | None,
    order: str,
    limit: int | None,
    detail: bool,
    show_sql: bool,
    release: int | None,
    as_of: datetime | None,
    form: str,
) -> None:
    """Metrics by name, such as revenue or orders,units, cut by dimensions; without METRICS the list of what there is.

    Example: cartlake metric revenue --by month,category --where "country = 'France'"
    """
    from warehouse.semantic.loaded import load

    declared = load()
    if not metrics:
        if by or where or order or limit is not None or show_sql:
            raise UsageError("name a metric; `cartlake metric` alone lists them")
        print_rows(declared.listed(), form)
        return
    from warehouse import output
    from warehouse.semantic.answers import ask
    from warehouse.semantic.shown import columns_shown

    with ask(
        settings(),
        metrics.split(","),
        by=by.split(","),
        where=where,
        order=order.split(",") if order else (),
        limit=limit,
        release=release,
        as_of=as_of,
        rollups=not detail,
    ) as answer:
        if show_sql:
            click.echo(answer.sql)
            return
        columns, rows = answer.rows()
    if form == "table":
        columns, rows = columns_shown(columns, rows, {n: declared.metrics[n].format for n in columns if n in declared.metrics})
    click.echo(output.render(columns, rows, form))
