"""Cartlake's command line, and `table()`, `changes()` and `metric()` for Python: a thin face over the five packages.

The commands themselves are in flows/commands. Heavy imports stay inside them, so that `cartlake --help` is instant.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.commands import capture, chain, clone, dashboard, look, ml, quarantine, sandbox, serve, stream, tables, vacuum
from flows.commands.metric import metric as metric_command
from lake.errors import CartlakeError, full_disk

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import polars as pl

    from lake.config import Settings


def table(name: str, version: int | None = None) -> "pl.LazyFrame":
    """A table of the lake as a Polars LazyFrame, at a Delta version or the newest: `cartlake.table("gold.fact_sales")`."""
    import polars as pl

    from lake.config import load
    from lake.delta import Lake

    return pl.scan_delta(Lake(load().lake_root).open(name, version))


def changes(name: str, since: int, release: int | None = None) -> "pl.DataFrame":
    """What changed in a table of the warehouse since a kept release: `cartlake.changes("gold.fact_sales", since=41)`.

    Up to `release`, or the newest. Column `_change` says insert, delete, update_preimage or update_postimage.
    """
    from lake.config import load
    from warehouse.query import changed

    return changed(load(), name, since, release)


def metric(
    *names: str,
    by: "Sequence[str]" = (),
    where: str | None = None,
    order: "Sequence[str]" = (),
    limit: int | None = None,
    release: int | None = None,
    as_of: "datetime | None" = None,
    rollups: bool = True,
) -> "pl.DataFrame":
    """Metrics as a Polars frame: `cartlake.metric("revenue", "orders", by=["month"], where="country = 'France'")`.

    `order` is names of the answer, each with ` desc` after it or without. What has no answer is a UsageError that says why.
    """
    from lake.config import load
    from warehouse.semantic.answers import ask

    which: Any = {"by": by, "where": where, "order": order, "limit": limit, "release": release, "as_of": as_of}
    with ask(load(), names, **which, rollups=rollups) as answer:
        return answer.frame()


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


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--config", type=click.Path(path_type=Path), help="cartlake.toml to use instead of the nearest one.")
@click.version_option(package_name="cartlake")
@click.pass_context
def main(context: click.Context, config: Path | None) -> None:
    """A shop's MySQL and MongoDB as Delta tables, a star schema, a DuckDB warehouse and models in MLflow."""
    import logging

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")

    def settings() -> "Settings":
        from lake.config import load

        return load(config)

    context.obj = settings


for _command in (
    *(chain.demo, chain.run, chain.up, chain.build),
    *(capture.capture, capture.status, capture.verify),
    *(tables.tables, tables.graph, quarantine.quarantine),
    *(look.sql, look.describe, look.releases, look.diff, look.rollback, look.config),
    metric_command,
    *(sandbox.sandbox, sandbox.shop, serve.serve),
    *(stream.stream, vacuum.vacuum, clone.clone, clone.undrop),
    *(dashboard.dashboard, dashboard.report),
    ml.ml,
):
    main.add_command(_command)


if __name__ == "__main__":
    main()
