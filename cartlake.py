"""Cartlake's command line, and `cartlake.table()` for Python: a thin face over the five packages.

Heavy imports stay inside the commands, so that `cartlake --help` is instant. Rows go to stdout, everything else to stderr.
"""

import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lake.config import Settings, describe, load, mask
from lake.errors import CartlakeError, UsageError, full_disk

if TYPE_CHECKING:
    import polars as pl

    from flows.steps import Progress, Report
    from lake.sandbox import Sandbox


def table(name: str, version: int | None = None) -> "pl.LazyFrame":
    """A table of the lake as a Polars LazyFrame, at a Delta version or the newest: `cartlake.table("gold.fact_sales")`."""
    import polars as pl

    from lake.delta import Lake

    return pl.scan_delta(Lake(load().lake_root).open(name, version))


class _Group(click.Group):
    """Expected failures become one line on stderr and their own exit code."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except Exception as error:
            expected = error if isinstance(error, CartlakeError) else full_disk(error)
            if expected is None:
                raise
            click.secho(f"cartlake: {expected}", err=True, fg="red")
            sys.exit(expected.exit_code)


# A command gets the settings as a function: `--help` reads none.
Lazy = Callable[[], Settings]
settings_of = click.pass_obj


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--config", type=click.Path(path_type=Path), help="cartlake.toml to use instead of the nearest one.")
@click.version_option(package_name="cartlake")
@click.pass_context
def main(context: click.Context, config: Path | None) -> None:
    """A shop's MySQL and MongoDB as Delta tables, a star schema, a DuckDB warehouse and a forecast."""
    import logging

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    context.obj = partial(load, config)


# --- the main job -----------------------------------------------------------------------------------------------------


@main.command()
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

            with _progress("shop", seconds) as progress:
                shop.ensure(loaded, on_progress=progress)
        for step in DAILY:
            with _progress(step, seconds) as progress:
                reports[step] = STEPS[step](loaded, progress)
    click.echo(summary.text(loaded, reports, seconds))
    refuse_errors(reports.values())


@main.command()
@click.argument("name", type=click.Choice(["daily", "capture", "build", "train", "publish"]))
@settings_of
def run(settings: Lazy, name: str) -> None:
    """Run a flow's steps here and now, without a Prefect server.

    Example: cartlake run daily
    """
    from flows.steps import DAILY

    _run_steps(settings(), DAILY if name == "daily" else (name,))


@main.command()
@click.option("--source", help="Only this source of cartlake.toml.")
@click.option("--resnapshot", multiple=True, metavar="PATTERN", help="Read these tables anew in whole, such as softcart.orders.")
@settings_of
def capture(settings: Lazy, source: str | None, resnapshot: tuple[str, ...]) -> None:
    """Bring bronze up to the sources' present position.

    Example: cartlake capture --source shop --resnapshot 'softcart.*'
    """
    from flows.steps import refuse_errors, sources
    from lake.capture import capture as run_capture

    loaded = settings()
    with sources(loaded), _progress("capture") as progress:
        report = run_capture(loaded, source, resnapshot=resnapshot, on_progress=progress)
    _print_rows(report.rows())
    refuse_errors([report])


@main.command()
@settings_of
def up(settings: Lazy) -> None:
    """Prefect server with UI, a worker, and the sandbox, until Ctrl-C."""
    from flows.server import serving
    from flows.steps import sources

    loaded = settings()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with sources(loaded) as sandbox, serving(loaded) as url:
            click.echo(f"Prefect UI   {url}")
            if sandbox is not None:
                click.echo("\n".join(f"{name:12} {url}" for name, url in _urls(sandbox).items()))
            click.echo(f"Warehouse    duckdb {loaded.warehouse.path}")
            click.echo("Start the chain with: prefect deployment run 'daily/default'")
            if loaded.ui.port != 4200:
                click.echo(f"  after: export PREFECT_API_URL={url}/api")
            click.echo("Ctrl-C stops all of it.")
            while True:
                time.sleep(1)
    except KeyboardInterrupt:
        click.echo("stopped", err=True)


@main.command()
@click.argument("selected", nargs=-1)
@click.option("--plan", "only_plan", is_flag=True, help="Print each step with its reason, and do nothing.")
@click.option("--full", is_flag=True, help="Rebuild, whatever could be done by change.")
@settings_of
def build(settings: Lazy, selected: tuple[str, ...], only_plan: bool, full: bool) -> None:
    """Bring silver and gold up to bronze: all tables, or those named.

    Example: cartlake build --plan
    """
    from transforms.build import build as run_build
    from transforms.build import steps

    if only_plan:
        _print_rows(
            [{"table": step.table, "how": step.how, "why": step.why} for step in steps(settings(), selected or None, full)]
        )
        return
    with _progress("build") as progress:
        report = run_build(settings(), selected or None, full, on_step=lambda _step, done, total: progress("tables", done, total))
    _print_rows(report.rows())


# --- looking at it ----------------------------------------------------------------------------------------------------


@main.command()
@click.argument("query", required=False)
@click.option("--format", "form", type=click.Choice(["table", "csv", "json", "markdown"]), default="table", show_default=True)
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


@main.command()
@settings_of
def releases(settings: Lazy) -> None:
    """List the releases that are kept."""
    from warehouse.release import releases as kept

    _print_rows(
        [
            {"release": r.number, "published": r.at, "tables": r.tables, "rows": r.rows, "bytes": r.file_bytes}
            for r in kept(settings())
        ]
    )


@main.command()
@settings_of
def config(settings: Lazy) -> None:
    """Every setting, masked, with where it came from."""
    _print_rows([{"setting": key, "value": value, "from": origin} for key, value, origin in describe(settings())])


# --- the sandbox ------------------------------------------------------------------------------------------------------


@main.group()
def sandbox() -> None:
    """A private MariaDB and MongoDB-protocol server below data/sandbox."""


@sandbox.command("start")
@settings_of
def sandbox_start(settings: Lazy) -> None:
    """Start both servers and leave them running."""
    from lake.sandbox import start

    loaded = settings()
    _print_rows([_urls(start(loaded))])
    click.echo(f"passwords: {loaded.sandbox_state}", err=True)


@sandbox.command("stop")
@settings_of
def sandbox_stop(settings: Lazy) -> None:
    """Stop what `sandbox start` started, and only that."""
    from lake.sandbox import stop

    click.echo("stopped" if stop(settings()) else "it was not running", err=True)


@sandbox.command("status")
@settings_of
def sandbox_status(settings: Lazy) -> None:
    """Whether the servers run, and where."""
    from lake.sandbox import status

    _print_rows(status(settings()))


@main.group("shop")
def shop_group() -> None:
    """The sandbox's simulated shop."""


@shop_group.command("create")
@click.option("--scale", type=int, help="Sales lines, 10,000 to 10,000,000.")
@click.option("--seed", type=int)
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Last day of its history.  [default: yesterday]")
@click.option("--yes", is_flag=True, help="Replace the shop that is there.")
@settings_of
def shop_create(settings: Lazy, scale: int | None, seed: int | None, until: datetime | None, yes: bool) -> None:
    """Make the shop and its three years of history."""
    from lake.sandbox import running, shop

    loaded = settings()
    chosen = {"scale": scale, "seed": seed, "until": until.date() if until else None}
    changed = loaded.sandbox.model_copy(update={key: value for key, value in chosen.items() if value is not None})
    with running(loaded), _progress("shop") as progress:
        if shop.exists(loaded) and not yes:
            raise UsageError("the shop is there already; --yes replaces it with a new one")
        shop.create(loaded.model_copy(update={"sandbox": changed}), on_progress=progress)


@shop_group.command("trade")
@click.option("--days", type=click.IntRange(1), help="Simulated days to trade at once.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Changes a second, until Ctrl-C.")
@settings_of
def shop_trade(settings: Lazy, days: int | None, rate: float | None) -> None:
    """Let the shop trade on: sales, edits, deletes, price changes, new documents.

    Example: cartlake shop trade --days 1
    """
    from lake.sandbox import running, shop

    if (days is None) == (rate is None):
        raise UsageError("say one of --days N and --rate R")
    loaded = settings()
    with running(loaded), _progress("trade") as progress:
        _print_rows(shop.trade(loaded, days=days, rate=rate, on_progress=progress))


# --- helpers ----------------------------------------------------------------------------------------------------------


def _run_steps(settings: Settings, steps: "Iterable[str]") -> None:
    from flows.steps import STEPS, refuse_errors

    reports = []
    for step in steps:
        with _progress(step) as progress:
            reports.append(STEPS[step](settings, progress))
        click.echo(f"{step}: {reports[-1].seconds:.1f} s", err=True)
        _print_rows(reports[-1].rows())
    refuse_errors(reports)


@contextmanager
def _progress(step: str, seconds: "dict[str, float] | None" = None) -> "Iterator[Progress]":
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


def _urls(sandbox: "Sandbox") -> dict[str, str]:
    """Where the sandbox's servers listen, without their passwords."""
    return {"MySQL": mask(sandbox.mysql_url), "MongoDB": mask(sandbox.mongo_url)}


def _print_rows(rows: "list[dict[str, Any]]") -> None:
    from warehouse import output

    if rows:
        click.echo(output.render(list(rows[0]), [tuple(row.values()) for row in rows], "table"))


if __name__ == "__main__":
    main()
