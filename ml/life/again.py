"""Train a past run again from what it recorded, and compare the metrics."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from lake.config import Settings
from lake.errors import PermanentFailure, UsageError
from ml import child
from ml.child import Progress
from ml.life import facts, kept, store
from ml.reader import Gold
from ml.train import job, select

_TOLERANCE = 1e-6  # relative: sums of floats may differ in their last digits between machines


@dataclass(frozen=True)
class Repeated:
    """A row per metric, then and now; and how this code is other than the run's, empty where it is the same."""

    rows: list[dict[str, Any]]
    code: str

    @property
    def different(self) -> list[str]:
        return [row["metric"] for row in self.rows if not row["equal"]]


def again(settings: Settings, run_id: str, on_progress: Progress | None = None) -> Repeated:
    """The run's recipe on the run's Delta versions, day and settings, by the code as it is now. MLflow is left as it is.

    UsageError when there is no such run; PermanentFailure when a version it read is gone, or this code no longer has its recipe.
    """
    from mlflow.exceptions import MlflowException

    from lake.delta import Lake
    from lake.lock import hold

    if not store.exists(settings.ml.tracking_uri):
        raise UsageError("nothing is trained yet: cartlake ml train")
    client = store.connect(settings.ml.tracking_uri, settings.ml.artifacts)
    try:
        run = client.get_run(run_id)
        name = str(client.get_experiment(run.info.experiment_id).name)
    except MlflowException:
        raise UsageError(f"MLflow has no run {run_id}: `cartlake ml models` names those of the champions") from None
    (model,) = select((name,)).values()
    tags: dict[str, str] = dict(run.data.tags)
    versions = kept.read_by(tags)
    then = _with(settings, json.loads(tags["settings"]))
    lake = Lake(settings.lake_root)
    with hold(settings.data, "train", wait=600), child.hand_over(settings.data) as folder:
        own = folder / name
        own.mkdir()
        try:
            prepared = model.prepare(Gold(lake, (), versions), then, date.fromisoformat(tags["today"]), own)
        except PermanentFailure:
            raise
        except Exception as gone:  # delta-rs has no one type for a version that a vacuum took
            told = ", ".join(f"{table} at {version}" for table, version in versions.items())
            raise PermanentFailure(
                f"what the run read cannot be read any more ({told}): {' '.join(str(gone).split())[:200]}"
            ) from gone
        asked = {
            "options": prepared.options,
            "tags": {},
            "again": {"recipe": tags["recipe"], "champion": tags.get("champion.version")},
        }
        result = child.run(folder, job(then, {name: asked}), on_progress)[name]
    if "error" in result:
        raise PermanentFailure(f"{name}: {result['error']}")
    return Repeated(compared(dict(run.data.metrics), result["metrics"]), other_code(tags, facts.commit(), facts.dirty()))


def other_code(tags: Mapping[str, str], commit: str, dirty: str) -> str:
    """In words, why the code of a run with these tags is not surely that of `commit`; empty where it is."""
    then = tags.get("git.commit", "")
    if not then or not commit:
        return "no commit tells whether the code is the same" if not then else f"the run's commit is {then}, this is no checkout"
    if then != commit:
        return f"the run's code is commit {then}, this is {commit}"
    changed = [side for side, told in (("the run's", tags.get("git.dirty")), ("this", dirty)) if told == "true"]
    return f"{' and '.join(changed)} code had changes that are not in commit {commit}" if changed else ""


def compared(then: dict[str, float], now: dict[str, float]) -> list[dict[str, Any]]:
    """A row per metric of either side, in order of name."""
    return [
        {"metric": name, "then": then.get(name), "now": now.get(name), "equal": _equal(then.get(name), now.get(name))}
        for name in sorted({*then, *now})
    ]


def _equal(one: float | None, other: float | None) -> bool:
    return one is not None and other is not None and math.isclose(one, other, rel_tol=_TOLERANCE, abs_tol=1e-9)


def _with(settings: Settings, recorded: dict[str, Any]) -> Settings:
    ml = settings.ml.model_copy(update={"horizon": recorded["horizon"]})
    shop = settings.shop.model_copy(update={"time_zone": recorded["time_zone"]})
    return settings.model_copy(update={"ml": ml, "shop": shop})
