"""The sandbox's servers and its simulated shop."""

from datetime import datetime
from typing import TYPE_CHECKING

import click

from flows.commands.common import Lazy, print_rows, progress, settings_of
from lake.errors import UsageError

if TYPE_CHECKING:
    from lake.sandbox import Sandbox


@click.group()
def sandbox() -> None:
    """A private MariaDB and MongoDB-protocol server below data/sandbox."""


@sandbox.command("start")
@settings_of
def sandbox_start(settings: Lazy) -> None:
    """Start both servers and leave them running."""
    from lake.sandbox import start

    loaded = settings()
    print_rows([urls(start(loaded))])
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

    print_rows(status(settings()))


@click.group("shop")
def shop() -> None:
    """The sandbox's simulated shop."""


@shop.command("create")
@click.option("--scale", type=int, help="Sales lines, 10,000 to 10,000,000.")
@click.option("--seed", type=int)
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Last day of its history.  [default: yesterday]")
@click.option("--yes", is_flag=True, help="Replace the shop that is there.")
@settings_of
def shop_create(settings: Lazy, scale: int | None, seed: int | None, until: datetime | None, yes: bool) -> None:
    """Make the shop and its three years of history."""
    from lake.sandbox import running
    from lake.sandbox import shop as made

    loaded = settings()
    chosen = {"scale": scale, "seed": seed, "until": until.date() if until else None}
    changed = loaded.sandbox.model_copy(update={key: value for key, value in chosen.items() if value is not None})
    with running(loaded), progress("shop") as shown:
        if made.exists(loaded) and not yes:
            raise UsageError("the shop is there already; --yes replaces it with a new one")
        made.create(loaded.model_copy(update={"sandbox": changed}), on_progress=shown)


@shop.command("trade")
@click.option("--days", type=click.IntRange(1), help="Simulated days to trade at once.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Changes a second, until Ctrl-C.")
@settings_of
def shop_trade(settings: Lazy, days: int | None, rate: float | None) -> None:
    """Let the shop trade on: sales, edits, deletes, price changes, new documents.

    Example: cartlake shop trade --days 1
    """
    from lake.sandbox import running
    from lake.sandbox import shop as made

    if (days is None) == (rate is None):
        raise UsageError("say one of --days N and --rate R")
    loaded = settings()
    with running(loaded), progress("trade") as shown:
        print_rows(made.trade(loaded, days=days, rate=rate, on_progress=shown))


def urls(servers: "Sandbox") -> dict[str, str]:
    """Where the sandbox's servers listen, without their passwords."""
    from lake.config import mask

    return {"MySQL": mask(servers.mysql_url), "MongoDB": mask(servers.mongo_url)}
