"""Rows that broke a rule: quarantine, quarantine replay."""

import click

from flows.commands.common import Lazy, format_option, print_rows, progress, settings_of


class _Shows(click.Group):
    """A group whose command `show` need not be typed: `cartlake quarantine sales`."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        asked = args and (args[0] in self.commands or args[0] in self.get_help_option_names(context))
        return super().parse_args(context, args if asked else ["show", *args])


@click.group(cls=_Shows)
def quarantine() -> None:
    """Rows that their tables keep out, and the way back."""


@quarantine.command("show")
@click.argument("table", required=False)
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Rows to show, the newest first.")
@format_option("table", "csv", "json")
@settings_of
def show(settings: Lazy, table: str | None, limit: int, form: str) -> None:
    """Count the rows of each table and rule; with TABLE show its rows. The word `show` may be left out.

    Example: cartlake quarantine sales
    """
    from lake.delta import Lake
    from transforms import quarantine as kept

    lake = Lake(settings().lake_root)
    if table:
        rows = [
            {**row, "quarantined_at": f"{row['quarantined_at']:%Y-%m-%d %H:%M:%S}"} for row in kept.listed(lake, table, limit)
        ]
    else:
        found = kept.counts(lake)
        rows = [{"quarantine": place, "rule": rule, "rows": n} for place, rules in found.items() for rule, n in rules.items()]
    print_rows(rows, form)
    if not rows:
        click.echo("nothing is in quarantine", err=True)


@quarantine.command("replay")
@click.argument("selected", nargs=-1, metavar="[TABLE]...")
@settings_of
def replay(settings: Lazy, selected: tuple[str, ...]) -> None:
    """Judge the rows in quarantine again by today's rules and inputs, of all tables or of those named: what holds goes back.

    Lines of files that are no records stay where they are.

    Example: cartlake quarantine replay sales
    """
    from transforms.build import replay as run

    with progress("replay") as shown:
        report = run(settings(), selected or None, on_step=lambda _step, done, total: shown("tables", done, total))
    print_rows(report.rows())
    if not report.steps:
        click.echo("nothing is in quarantine that could come back", err=True)
    elif report.changed:
        click.echo("the tables that read these follow with the next: cartlake build", err=True)
