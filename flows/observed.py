"""A step as a Prefect task: retried only where that can help, its progress in the log, its report an artifact in the UI.

A report that others wait for is also told in events, which start deployments (flows/events.py, prefect.yaml).
"""

import logging
from collections.abc import Sequence
from typing import Any

from prefect import Task, get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.events import emit_event
from prefect.tasks import exponential_backoff

from flows.events import events, told
from flows.steps import STEPS, Progress, Report, Step, refuse_errors
from lake.config import load
from lake.errors import TransientFailure


def transient(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Whether the failure may pass by itself. A wrong password never does."""
    return isinstance(getattr(state.data, "result", state.data), TransientFailure)


@task(
    retries=4,
    retry_delay_seconds=exponential_backoff(5),
    retry_condition_fn=transient,
    task_run_name="{name}",
    cache_policy=NO_CACHE,
)
def observe(name: str, step: Step) -> Report:
    """Run a step; its report is a table in the UI, and what it changed that others wait for is told in events."""
    settings = load()
    report = step(settings, _logged(get_run_logger()))
    for event in events(report, settings):
        emit_event(event=event.name, resource=event.resource, payload=event.payload)
    told(report, settings)
    create_table_artifact(table=[_plain(row) for row in report.rows()], key=name, description=f"{name}: {report.seconds:.1f} s")
    return report


def run_steps(steps: Sequence[str]) -> None:
    """Run steps in order; what failed alone in one of them fails the flow once all are done."""
    refuse_errors([observe(step, STEPS[step]) for step in steps])


def _logged(logger: "logging.Logger | logging.LoggerAdapter[logging.Logger]") -> Progress:
    def say(what: str, done: int, total: int) -> None:
        if total and done >= total:
            logger.info("%s: %s done", what, f"{done:,}")

    return say


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value if isinstance(value, int | float | str | None) else str(value) for key, value in row.items()}
