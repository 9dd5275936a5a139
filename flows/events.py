"""What a step's report tells others, who may wait for it in prefect.yaml: a table has a new release, a model has drifted."""

from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

from flows.steps import Report
from lake.config import Settings
from lake.delta import Lake
from ml.monitoring import requests
from ml.score import ScoreReport
from warehouse import compare
from warehouse.publish import PublishReport

RELEASED = "cartlake.table.released"
DRIFTED = "cartlake.model.drifted"


@dataclass(frozen=True)
class Event:
    """As Prefect takes it."""

    name: str
    resource: dict[str, str]
    payload: dict[str, Any] = field(default_factory=dict)


@singledispatch
def events(report: Report, settings: Settings) -> list[Event]:
    """The events of a report; most have none."""
    return []


@events.register
def released(report: PublishReport, settings: Settings) -> list[Event]:
    """One for each table whose content a new release changed; those of `warehouse.streams` are marked."""
    if report.release is None:
        return []
    changed = [step.name for step in report.steps if step.how != "keep"]
    streamed = {compare.find(asked, sorted({*report.tables, *changed})) for asked in settings.warehouse.streams}
    return [
        Event(
            RELEASED,
            {
                "prefect.resource.id": f"cartlake.table.{table}",
                "prefect.resource.name": table,
                "cartlake.streamed": "true" if table in streamed else "false",
            },
            {"table": table, "release": report.release, "previous_release": report.release - 1 or None},
        )
        for table in changed
    ]


@events.register
def drifted(report: ScoreReport, settings: Settings) -> list[Event]:
    """One for each model that monitoring wants trained again."""
    return [
        Event(
            DRIFTED,
            {"prefect.resource.id": f"cartlake.model.{model}", "prefect.resource.name": model},
            {"model": model, "because": because},
        )
        for model, because in report.retrain.items()
    ]


@singledispatch
def told(report: Report, settings: Settings) -> None:
    """What is remembered once the events of a report are out; mostly nothing."""


@told.register
def asked(report: ScoreReport, settings: Settings) -> None:
    """The trainings that were asked for: the next one of a model is asked for a week later, or when this one is done."""
    if report.watched is not None:
        requests.remember(Lake(settings.lake_root), report.retrain, report.watched)
