"""The main job: demo, run, up, build."""

import signal
import time
from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

import click

from flows.commands.common import Lazy, print_rows, progress, settings_of
from flows.commands.sandbox import urls
from lake.errors import UsageError

if TYPE_CHECKING:
    from flows.steps import Report
    from lake.config import Settings


@click.command()
@settings_of
def demo(settings: Lazy) -> None:
    """Make the sandbox's shop if it is not there, run the whole chain, and say what came out."""
    from flows import summary
    from flows.steps import DAILY, STEPS, refuse_errors, sources

    loaded = settings()
    seconds: dict[str, float] = {}
    reports: dict[str, Report] = {}
    started = time.monotonic()
    with sources(loaded):
        seconds["servers"] = time.monotonic() - started
        if loaded.uses_sandbox:
            from lake.sandbox import shop

            with progress("shop", seconds) as shown:
                shop.ensure(loaded, on_progress=shown)
        for step in DAILY:
            with progress(step, seconds) as shown:
                reports[step] = STEPS[step](loaded, shown)
    click.echo(summary.text(loaded, reports, seconds))
    refuse_errors(reports.values())


@click.command()
@click.argument("name", type=click.Choice(["daily", "capture", "build", "train", "score", "publish"]))
@settings_of
def run(settings: Lazy, name: str) -> None:
    """Run a flow's steps here and now, without a Prefect server.

    Example: cartlake run daily
    """
    from flows.steps import DAILY

    _run_steps(settings(), DAILY if name == "daily" else (name,))


@click.command()
@settings_of
def up(settings: Lazy) -> None:
    """Prefect server with UI, a worker, the dashboard, and the sandbox, until Ctrl-C."""
    from flows.server import dashboard, serving
    from flows.steps import sources

    loaded = settings()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with sources(loaded) as sandbox, serving(loaded) as url, dashboard(loaded) as pages:
            click.echo(f"Dashboard    {pages}")
            click.echo(f"Prefect UI   {url}")
            if sandbox is not None:
                click.echo("\n".join(f"{name:12} {url}" for name, url in urls(sandbox).items()))
            click.echo(f"Warehouse    duckdb {loaded.warehouse.path}")
            click.echo("Start the chain with: prefect deployment run 'daily/default'")
            if loaded.ui.port != 4200:
                click.echo(f"  after: export PREFECT_API_URL={url}/api")
            click.echo("Ctrl-C stops all of it.")
            while True:
                time.sleep(1)
    except KeyboardInterrupt:
        click.echo("stopped", err=True)


@click.command()
@click.argument("selected", nargs=-1)
@click.option("--plan", "only_plan", is_flag=True, help="Print each step with its reason, and do nothing.")
@click.option("--full", is_flag=True, help="Rebuild, whatever could be done by change.")
@click.option("--from", "first", metavar="DATE", help="Compute the rows of days again: from this one …")
@click.option("--to", "last", metavar="DATE", help="… to this one, such as 2026-11-30.")
@settings_of
def build(settings: Lazy, selected: tuple[str, ...], only_plan: bool, full: bool, first: str | None, last: str | None) -> None:
    """Bring silver and gold up to bronze: all tables, or those named; +T is T with what it reads, T+ with what reads it.

    --from and --to are a backfill: the tables that have days, such as fact_sales, compute the rows of these days again.

    Example: cartlake build --plan fact_sales+
    """
    from transforms.build import build as run_build
    from transforms.build import steps

    between = _days(first, last)
    chosen = selected or None
    if only_plan:
        planned = steps(settings(), chosen, full, between=between)
        print_rows([{"table": step.table, "how": step.how, "why": step.why} for step in planned])
        return
    with progress("build") as shown:
        report = run_build(settings(), chosen, full, lambda _step, done, total: shown("tables", done, total), between=between)
    print_rows(report.rows())


def _days(first: str | None, last: str | None) -> "tuple[date, date] | None":
    if first is None and last is None:
        return None
    if first is None or last is None:
        raise UsageError("a backfill needs its first day and its last: --from 2026-11-01 --to 2026-11-30")
    days = []
    for option, text in (("--from", first), ("--to", last)):
        try:
            days.append(date.fromisoformat(text))
        except ValueError:
            raise UsageError(f"{option} {text}: no day of the calendar; write it like 2026-11-30") from None
    return days[0], days[1]


def _run_steps(settings: "Settings", steps: Iterable[str]) -> None:
    from flows.steps import STEPS, refuse_errors

    reports = []
    for step in steps:
        with progress(step) as shown:
            reports.append(STEPS[step](settings, shown))
        click.echo(f"{step}: {reports[-1].seconds:.1f} s", err=True)
        print_rows(reports[-1].rows())
    refuse_errors(reports)
