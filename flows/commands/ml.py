"""The models: train, compare, promote, roll back."""

from typing import TYPE_CHECKING

import click

from flows.commands.common import Lazy, format_option, print_rows, progress, settings_of
from lake.errors import CartlakeError

if TYPE_CHECKING:
    from ml.life.choose import Moved


@click.group()
def ml() -> None:
    """The models: train them, compare them, choose who answers."""


@ml.command("models")
@settings_of
def list_models(settings: Lazy) -> None:
    """Each model: what it is for, who answers now, since which training."""
    from ml.life.choose import listed

    print_rows(listed(settings()))


@ml.command()
@click.argument("models", nargs=-1)
@click.option("--force", is_flag=True, help="Train although neither data nor code has changed.")
@settings_of
def train(settings: Lazy, models: tuple[str, ...], force: bool) -> None:
    """Train all models, or those named, on gold as it is now; who has earned it becomes the champion.

    Example: cartlake ml train sales_forecast
    """
    from flows.steps import refuse_errors
    from ml.train import train as run

    with progress("train") as shown:
        report = run(settings(), models, force=force, on_progress=shown)
    print_rows(report.rows())
    refuse_errors([report])


@ml.command()
@click.argument("models", nargs=-1)
@format_option("table", "json", "csv")
@settings_of
def compare(settings: Lazy, models: tuple[str, ...], form: str) -> None:
    """Every recipe of the newest backtest beside the champion's: what it gains, and how much of that is noise."""
    from ml.life.choose import compare as run

    print_rows(run(settings(), models), form)


@ml.command()
@click.argument("model")
@click.option("--version", "number", type=click.IntRange(1), help="Instead of the challenger.")
@click.option("--force", is_flag=True, help="Although it does not beat the champion by more than the noise.")
@settings_of
def promote(settings: Lazy, model: str, number: int | None, force: bool) -> None:
    """Make the challenger the champion, if it beats it.

    Example: cartlake ml promote sales_forecast --version 3
    """
    from ml.life.choose import promote as run

    _say(run(settings(), model, number, force=force))


@ml.command()
@click.argument("model")
@settings_of
def rollback(settings: Lazy, model: str) -> None:
    """Give the champion's place back to the version that held it before."""
    from ml.life.choose import rollback as run

    _say(run(settings(), model))


@ml.command()
@click.argument("run")
@settings_of
def again(settings: Lazy, run: str) -> None:
    """Train a past run of MLflow again, from the Delta versions it recorded, and compare its metrics.

    Example: cartlake ml again 0a1b2c3d4e5f60718293a4b5c6d7e8f9
    """
    from ml.life.again import again as train_again

    with progress("again") as shown:
        found = train_again(settings(), run, shown)
    print_rows(found.rows)
    all_of, code = len(found.rows), f"; {found.code}" if found.code else ""
    if found.different:
        told = ", ".join(found.different[:5])
        raise CartlakeError(f"{len(found.different)} of {all_of} metrics are other than they were: {told}{code}")
    click.echo(f"all {all_of} metrics are as they were{code}", err=True)


@ml.command("import-purchases")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--name", help="What to call it; the file's name, unless given.")
@settings_of
def import_purchases(settings: Lazy, file: str, name: str | None) -> None:
    """Read a purchase log (customer, yyyymmdd, units, value, in columns) into a small lake of its own, and train on it.

    How many purchases each customer will make in the 39 weeks after it comes into gold.customer_expected_purchases.

    Example: cartlake ml import-purchases CDNOW_master.txt
    """
    from pathlib import Path

    from ml.purchases import EXPECTED, WEEKS
    from ml.purchases import import_purchases as run
    from ml.score import score
    from ml.train import train as train_on

    made = run(settings(), Path(file), name)
    span = f"{made.purchases:,} purchases of {made.customers:,} customers, {made.first} to {made.last}"
    click.echo(f"{span}, in {made.settings.data}", err=True)
    click.echo(f"expected in the {WEEKS:.0f} weeks after: {made.expected:,.0f} purchases, by customer in {EXPECTED}", err=True)
    with progress("train") as shown:
        print_rows(train_on(made.settings, ("customer_segments", "repeat_purchase"), on_progress=shown).rows())
    with progress("score") as shown:
        print_rows(score(made.settings, shown).rows())


def _say(moved: "Moved") -> None:
    before = f"version {moved.before}" if moved.before else "nobody"
    click.echo(f"{moved.model}: champion is version {moved.now}, before it {before} ({moved.why})")
    click.echo("its answers come into gold with: cartlake run score", err=True)
