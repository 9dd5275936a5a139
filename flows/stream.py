"""Hand a table's changes on, as soon as a release has them."""

from typing import Any

from prefect import flow, get_run_logger, task
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.tasks import exponential_backoff

from flows.observed import transient
from lake.config import load
from warehouse.stream import consume


@task(retries=4, retry_delay_seconds=exponential_backoff(5), retry_condition_fn=transient, task_run_name="{table}")
def consume_changes(table: str) -> None:
    """Write what changed in a table since its stream consumed it last."""
    done = consume(load(), table)
    written = f"{done.rows} rows in {done.file}" if done.file else "nothing new"
    get_run_logger().info("%s: release %d to %d, %s", done.table, done.since, done.release, written)


def _run_name() -> str:
    asked = flow_run.parameters
    return f"{asked.get('table') or 'all streams'}, release {asked.get('release') or 'newest'}"


@flow(name="stream", flow_run_name=_run_name)
def stream(table: str | None = None, release: int | None = None) -> list[State[Any]]:
    """Consume the changes of a table up to the newest release; without one, of every table of `warehouse.streams`.

    `release` is the one that asks for it, for the run's name: when a later one is there already, this run takes both.
    """
    tables = [table] if table else list(load().warehouse.streams)
    return [consume_changes(one, return_state=True) for one in tables]  # a table that fails leaves the others theirs
