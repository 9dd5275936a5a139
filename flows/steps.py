"""The steps of the main job as plain functions: Prefect's flows wrap them, `cartlake run` calls them without a server.

Each takes the settings and a callback for progress and returns a small report, never rows. Order matters: the release that `publish`
makes holds the forecast that `train` made on the same gold tables.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from lake.config import Settings

Progress = Callable[[str, int, int], None]  # what, done, total (0: unknown)


class Report(Protocol):
    """What a step says about itself when it is done."""

    seconds: float

    def rows(self) -> list[dict[str, Any]]:
        """A row for each table (or model) that the step touched, for people to read."""
        ...


def silent(_what: str, _done: int, _total: int) -> None:
    """The callback of somebody who does not watch."""


def sources(settings: Settings) -> AbstractContextManager[Any]:
    """The sandbox's servers while the block runs, where the configuration names no servers of its own."""
    if not settings.uses_sandbox:
        return nullcontext()
    from lake.sandbox import running

    return running(settings)


def capture(settings: Settings, progress: Progress = silent) -> Report:
    """Bring bronze up to the sources' present position."""
    from lake.capture import capture as run

    with sources(settings):
        return run(settings, on_progress=progress)


def build(settings: Settings, progress: Progress = silent) -> Report:
    """Bring silver and gold up to bronze."""
    from transforms.build import build as run

    return run(settings, on_step=progress)


def train(settings: Settings, progress: Progress = silent) -> Report:
    """Train the sales forecast on gold, and write its forecast."""
    from ml.forecast import train as run

    return run(settings, on_progress=progress)


def publish(settings: Settings, progress: Progress = silent) -> Report:
    """Make gold the new release of the warehouse."""
    from warehouse.publish import publish as run

    return run(settings, on_progress=progress)


STEPS: dict[str, Callable[[Settings, Progress], Report]] = {
    "capture": capture,
    "build": build,
    "train": train,
    "publish": publish,
}
DAILY = tuple(STEPS)
