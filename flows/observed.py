"""A step as a Prefect task: retried only where that can help, its progress in the log, its report an artifact in the UI.

A publish that made a release also sends an event for each table that is new in it, which others may wait for (prefect.yaml).
"""

import logging
from collections.abc import Sequence
from typing import Any

from prefect import Task, get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State, TaskRun
from prefect.events import emit_event
from prefect.tasks import exponential_backoff

from flows.steps import STEPS, Progress, Report, refuse_errors
from lake.config import Settings, load
from lake.errors import TransientFailure
from warehouse import compare
from warehouse.publish import PublishReport

RELEASED = "cartlake.table.released"


def transient(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Whether the failure may pass by itself. A wrong password never does."""
    return isinstance(getattr(state.data, "result", state.data), TransientFailure)


@task(retries=4, retry_delay_seconds=exponential_backoff(5), retry_condition_fn=transient, task_run_name="{step}")
def run_step(step: str) -> Report:
    """Run one step of the main job; its report is a table in the UI."""
    settings = load()
    report = STEPS[step](settings, _logged(get_run_logger()))
    if isinstance(report, PublishReport):
        announce(settings, report)
    create_table_artifact(table=[_plain(row) for row in report.rows()], key=step, description=f"{step}: {report.seconds:.1f} s")
    return report


def announce(settings: Settings, report: PublishReport) -> None:
    """Send an event for each table whose content a new release changed; those of `warehouse.streams` are marked."""
    if report.release is None:
        return
    changed = [step.name for step in report.steps if step.how != "keep"]
    streamed = {compare.find(asked, sorted({*report.tables, *changed})) for asked in settings.warehouse.streams}
    for table in changed:
        emit_event(
            event=RELEASED,
            resource={
                "prefect.resource.id": f"cartlake.table.{table}",
                "prefect.resource.name": table,
                "cartlake.streamed": "true" if table in streamed else "false",
            },
            payload={"table": table, "release": report.release, "previous_release": report.release - 1 or None},
        )


def run_steps(steps: Sequence[str]) -> None:
    """Run steps in order; what failed alone in one of them fails the flow once all are done."""
    refuse_errors([run_step(step) for step in steps])


def _logged(logger: "logging.Logger | logging.LoggerAdapter[logging.Logger]") -> Progress:
    def say(what: str, done: int, total: int) -> None:
        if total and done >= total:
            logger.info("%s: %s done", what, f"{done:,}")

    return say


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value if isinstance(value, int | float | str | None) else str(value) for key, value in row.items()}
