"""Capture, and looking after it: capture, status, verify."""

import signal
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from flows.commands.common import Lazy, format_option, print_rows, progress, settings_of
from lake.errors import UsageError

if TYPE_CHECKING:
    from lake.capture_report import TableReport
    from lake.config import Settings

_PATTERN = "PATTERN"


@click.command()
@click.option("--source", help="Only this source of cartlake.toml.")
@click.option("--resnapshot", multiple=True, metavar=_PATTERN, help="Read these tables anew in whole, such as softcart.orders.")
@click.option("--allow-shrink", is_flag=True, help="Take whole reads that hold far fewer rows than the one before.")
@click.option("--pause", "paused", multiple=True, metavar=_PATTERN, help="Leave these tables out until they are resumed.")
@click.option("--resume", "resumed", multiple=True, metavar=_PATTERN, help="Go on with these tables from where they stopped.")
@click.option("--live", "is_live", is_flag=True, help="Go on following the sources, until Ctrl-C.")
@settings_of
def capture(
    settings: Lazy,
    source: str | None,
    resnapshot: tuple[str, ...],
    allow_shrink: bool,
    paused: tuple[str, ...],
    resumed: tuple[str, ...],
    is_live: bool,
) -> None:
    """Bring bronze up to the sources' present position.

    --pause and --resume only note it down; the next capture obeys.

    Example: cartlake capture --source shop --resnapshot 'softcart.*'
    """
    from flows.steps import refuse_errors, sources
    from lake import capture as lake_capture
    from lake.light import few_arenas, without_pandas

    without_pandas()
    few_arenas()
    if (paused or resumed) and (resnapshot or allow_shrink or is_live):
        raise UsageError("--pause and --resume capture nothing: run them alone, then capture")
    if is_live and (resnapshot or allow_shrink):
        raise UsageError("--live only follows changes: run the capture with --resnapshot or --allow-shrink before it")
    loaded = settings()
    if paused or resumed:
        rows = [{"table": name, "now": "paused"} for name in (lake_capture.pause(loaded, paused, source) if paused else ())]
        rows += [{"table": name, "now": "followed"} for name in (lake_capture.resume(loaded, resumed, source) if resumed else ())]
        print_rows(rows)
        return
    if is_live:
        with sources(loaded):
            _follow(loaded, source)
        return
    with sources(loaded), progress("capture") as shown:
        report = lake_capture.capture(loaded, source, resnapshot=resnapshot, allow_shrink=allow_shrink, on_progress=shown)
    print_rows(report.rows())
    refuse_errors([report])


def _follow(settings: "Settings", source: str | None) -> None:
    from lake.live import live

    def told(name: str, tables: "Sequence[TableReport]") -> None:
        changed = ", ".join(f"{table.table} {table.rows.total()}" for table in tables if table.rows.total())
        click.echo(f"{datetime.now(UTC):%H:%M:%S} {name}: {changed}")
        for table in tables:
            if table.error:
                click.secho(f"{datetime.now(UTC):%H:%M:%S} {name}: {table.error}", err=True, fg="red")

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        live(settings, source, on_round=told)
    except KeyboardInterrupt:
        click.echo("stopped; nothing is lost: the next capture goes on from here", err=True)


@click.command()
@click.option("--source", help="Only this source of cartlake.toml.")
@format_option("table", "csv", "json")
@settings_of
def status(settings: Lazy, source: str | None, form: str) -> None:
    """How each captured table stands: rows, last change, how far behind its source, and its last error.

    Example: cartlake status --format json
    """
    from flows.steps import sources
    from lake.delta import Lake
    from lake.status import status as look

    loaded = settings()
    # The sandbox's servers sleep between runs; without them nothing could be said about what is behind.
    with sources(loaded) if Lake(loaded.lake_root).names("bronze") else nullcontext():
        found = look(loaded, source)
    rows = [table.row() for table in found]
    if form == "table":
        rows = [{name: "" if value is None else value for name, value in row.items()} for row in rows]
    print_rows(rows, form)
    if not found:
        click.echo("nothing is captured yet; start with: cartlake capture", err=True)


@click.command()
@click.argument("table")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Differing keys to print.")
@format_option("table", "csv", "json")
@settings_of
@click.pass_context
def verify(context: click.Context, settings: Lazy, table: str, limit: int, form: str) -> None:
    """Compare a silver table with its source, and print the keys that differ. Exits 1 if any do.

    TABLE is silver's name, bronze's, or the source's: silver.sales, softcart.sales_data. What changed in the source since silver
    was built is counted, and is no difference.

    Example: cartlake verify silver.sales
    """
    from flows.steps import sources
    from transforms.verify.run import verify as compare

    loaded = settings()
    with sources(loaded), progress("verify") as shown:
        report = compare(loaded, table, on_progress=shown)
    print_rows(report.listed(limit), form)
    click.echo(report.summary, err=True)
    context.exit(0 if report.equal else 1)
