"""Sandboxes of the warehouse: clone, undrop."""

from datetime import datetime

import click

from flows.commands.common import Lazy, print_rows, settings_of
from lake.errors import UsageError


@click.command()
@click.argument("name", required=False)
@click.option("--release", type=int, help="A kept release's number.  [default: the newest]")
@click.option("--as-of", type=click.DateTime(), help="The release that was current at this UTC time.")
@click.option("--drop", is_flag=True, help="Drop the clone NAME; `cartlake undrop NAME` brings it back for a while.")
@settings_of
def clone(settings: Lazy, name: str | None, release: int | None, as_of: datetime | None, drop: bool) -> None:
    """Make a writable copy of the warehouse that takes no time and no disk; without NAME list the clones.

    What is written to it, with `cartlake sql --clone NAME`, stays in it.

    Example: cartlake clone try --release 41
    """
    from lake.light import without_pandas
    from warehouse.clones import make, session, shelf

    without_pandas()
    loaded = settings()
    if name is None:
        if drop or release is not None or as_of is not None:
            raise UsageError("say which clone: cartlake clone NAME")
        print_rows([session.listed(one) for one in shelf.clones(loaded)])
        return
    if drop:
        if release is not None or as_of is not None:
            raise UsageError("--drop takes the clone as it is: leave --release and --as-of away")
        gone = shelf.drop(loaded, name)
        click.echo(f"clone {gone.name} is dropped; for {loaded.warehouse.retention_days} days: cartlake undrop {name}", err=True)
        return
    made = make.clone(loaded, name, release, as_of)
    files = f"{made.linked:,} files linked" + (f", {made.copied:,} copied (no links here)" if made.copied else "")
    click.echo(
        f"clone {name} stands on release {made.clone.release}: {made.tables} tables, {files}, {made.seconds:.2f} s; "
        f'use it with: cartlake sql --clone {name} "…"',
        err=True,
    )


@click.command()
@click.argument("name", required=False)
@click.argument("table", required=False)
@settings_of
def undrop(settings: Lazy, name: str | None, table: str | None) -> None:
    """Bring a dropped clone back, or TABLE of clone NAME as its release has it; without NAME list what can be brought back.

    Example: cartlake undrop try gold.fact_sales
    """
    from warehouse.clones import session, shelf

    loaded = settings()
    if name is None:
        there = shelf.dropped(loaded)
        until = shelf.retention(loaded)
        print_rows(
            [
                {"clone": one.name, "release": one.release, "dropped": one.dropped_at, "until": one.dropped_at + until}
                for one in there
                if one.dropped_at
            ]
        )
        if not there:
            click.echo("nothing was dropped lately", err=True)
    elif table is not None:
        click.echo(f"{session.restore(loaded, name, table)} of clone {name} is as its release has it again", err=True)
    else:
        back = shelf.undrop(loaded, name)
        click.echo(f"clone {name} is back, on release {back.release}", err=True)
