"""The web app over the warehouse, and its monthly report."""

from pathlib import Path

import click

from flows.commands.common import Lazy, settings_of


@click.command()
@click.option("--host", help="Where to listen: dashboard.host, unless given.")
@click.option("--port", type=click.IntRange(1, 65535), help="dashboard.port, unless given.")
@click.option("--add-user", "user", metavar="NAME", help="Ask for a password, note who may look, and end.")
@click.option("--remove-user", "gone", metavar="NAME", help="Let somebody look no more, and end.")
@settings_of
def dashboard(settings: Lazy, host: str | None, port: int | None, user: str | None, gone: str | None) -> None:
    """Sales, exploring, customers, forecast, products and data health in the browser, until Ctrl-C.

    Example: cartlake dashboard --port 8502
    """
    from warehouse.dashboard import access, server
    from warehouse.dashboard.address import url
    from warehouse.server.front import LOOPBACK

    loaded = settings()
    if user:
        access.add_user(loaded.dashboard.users, user, click.prompt("Password", hide_input=True, confirmation_prompt=True))
        click.echo(f"{user} may look: {loaded.dashboard.users}")
        return
    if gone:
        access.remove_user(loaded.dashboard.users, gone)
        click.echo(f"{gone} may look no more: {loaded.dashboard.users}")
        return
    where, at = host or loaded.dashboard.host, port or loaded.dashboard.port
    access.doors(loaded, where)  # here, so that what is wrong is said before anything else
    if where not in LOOPBACK:
        click.secho("cartlake: reached from outside, without encryption: put a proxy with TLS before it", err=True, fg="yellow")
    click.echo(url(where, at), err=True)
    server.run(loaded, where, at)


@click.command()
@click.option("--month", help="Such as 2026-10; the last whole month, unless given.")
@click.option(
    "-o", "--output", "file", type=click.Path(path_type=Path, dir_okay=False), help="A name that ends in .html or .pdf."
)
@click.option("--release", type=int, help="Of a kept release, not the newest.")
@settings_of
def report(settings: Lazy, month: str | None, file: Path | None, release: int | None) -> None:
    """A month of the Sales page as one file that needs nothing else.

    Example: cartlake report --month 2026-10 -o report.html
    """
    from warehouse.dashboard.report import write

    click.echo(write(settings(), month, file, release))
