"""A step as a Prefect task: retried only where that can help, its progress in the log, its report an artifact in the UI."""

import logging
from typing import Any

from prefect import Task, get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import exponential_backoff

from flows.steps import STEPS, Progress
from lake.config import load
from lake.errors import TransientFailure


def transient(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Whether the failure may pass by itself. A wrong password never does."""
    return isinstance(getattr(state.data, "result", state.data), TransientFailure)


def _say(logger: "logging.Logger | logging.LoggerAdapter[Any]") -> Progress:
    def say(what: str, done: int, total: int) -> None:
        if total and done >= total:
            logger.info("%s: %s", what, f"{done:,}")

    return say


@task(retries=4, retry_delay_seconds=exponential_backoff(5), retry_condition_fn=transient, task_run_name="{step}")
def run_step(step: str) -> list[dict[str, Any]]:
    """Run one step of the main job; returns its report, a row for each table."""
    report = STEPS[step](load(), _say(get_run_logger()))
    table = report.rows()
    create_table_artifact(table=table, key=step, description=f"{step}: {report.seconds:.1f} s")
    return table
