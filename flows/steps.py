"""The steps of the main job as plain functions: Prefect's flows wrap them, `cartlake run` calls them without a server.

Each takes the settings and a callback for progress, and returns a small report, never rows. `train` and `score` come before
`publish`, so that a release holds the answers made from its own gold tables.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from lake.config import Settings
from lake.errors import PermanentFailure
from lake.sandbox import Sandbox, running

Progress = Callable[[str, int, int], None]  # what, done, total (0: unknown)


class Report(Protocol):
    """What a step says about itself when it is done."""

    @property
    def seconds(self) -> float: ...

    @property
    def errors(self) -> dict[str, str]:
        """What failed alone while the rest went on: name -> one line."""
        ...

    def rows(self) -> list[dict[str, Any]]:
        """A row for each table or model that the step touched, for people to read."""
        ...


Step = Callable[[Settings, Progress], Report]


def silent(_what: str, _done: int, _total: int) -> None:
    """The callback of somebody who does not watch."""


def sources(settings: Settings) -> AbstractContextManager[Sandbox | None]:
    """The sandbox's servers while the block runs; nothing where the configuration names servers of its own."""
    return running(settings) if settings.uses_sandbox else nullcontext()


def capture(settings: Settings, progress: Progress = silent) -> Report:
    """Bring bronze up to the sources' present position."""
    from lake.capture import capture as run

    with sources(settings):
        return run(settings, on_progress=progress)


def build(settings: Settings, progress: Progress = silent) -> Report:
    """Bring silver and gold up to bronze."""
    from transforms.build import build as run

    return run(settings, on_step=lambda _step, done, total: progress("tables", done, total))


def train(settings: Settings, progress: Progress = silent) -> Report:
    """Train each model that is due: never trained, other code, or `ml.train_every_days` more of data."""
    from datetime import timedelta

    from ml.train import train as run

    return run(settings, patience=timedelta(days=settings.ml.train_every_days), on_progress=progress)


def score(settings: Settings, progress: Progress = silent) -> Report:
    """Write what the champions answer into gold, and see whether they still may be trusted."""
    from ml.score import score as run

    return run(settings, progress)


def publish(settings: Settings, progress: Progress = silent) -> Report:
    """Make gold the new release of the warehouse."""
    from ml.tables import tables
    from warehouse.publish import publish as run

    return run(settings, on_progress=progress, scored=tables())


def vacuum(settings: Settings, progress: Progress = silent) -> Report:
    """Remove what no release, clone, build or model needs any more."""
    from ml.life.kept import trained_on
    from warehouse.vacuum import vacuum as run

    return run(settings, trained_on=lambda: trained_on(settings), on_progress=progress)


STEPS: dict[str, Step] = {
    "capture": capture,
    "build": build,
    "train": train,
    "score": score,
    "publish": publish,
    "vacuum": vacuum,
}
DAILY = ("capture", "build", "train", "score", "publish")


def refuse_errors(reports: Iterable[Report]) -> None:
    """PermanentFailure that names what failed alone, raised once everything else is done."""
    errors = [f"{name}: {error}" for report in reports for name, error in report.errors.items()]
    if errors:
        raise PermanentFailure("; ".join(errors))
