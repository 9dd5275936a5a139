"""Getting the disk back: vacuum."""

import click

from flows.commands.common import Lazy, print_rows, progress, settings_of


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@settings_of
def vacuum(settings: Lazy, dry_run: bool) -> None:
    """Remove files of the lake that no kept release, clone, build or model needs.

    They must have been let go warehouse.retention_days ago. Dropped clones that are older than that go too. No row of a table is
    lost, bronze's history included.

    Example: cartlake vacuum --dry-run
    """
    from flows.steps import refuse_errors
    from ml.life.kept import trained_on
    from warehouse.vacuum import vacuum as run

    with progress("vacuum") as shown:
        report = run(settings(), trained_on=lambda: trained_on(settings()), dry_run=dry_run, on_progress=shown)
    print_rows(report.rows())
    if not report.tables and not report.clones:
        click.echo("there is nothing to remove", err=True)
    refuse_errors([report])
