"""Train a past run again from what it recorded, and compare the metrics."""

import json
import math
from datetime import date
from typing import Any

from lake.config import Settings
from lake.errors import PermanentFailure, UsageError
from ml import child
from ml.child import Progress
from ml.life import store
from ml.reader import Gold
from ml.train import job, select

_DELTA = "delta."
_TOLERANCE = 1e-6  # relative: sums of floats may differ in their last digits between machines


def again(settings: Settings, run_id: str, on_progress: Progress | None = None) -> list[dict[str, Any]]:
    """The run's recipe on the run's Delta versions, day and settings: a row per metric, then and now. MLflow is left as it is.

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
    versions = {tag.removeprefix(_DELTA): int(value) for tag, value in tags.items() if tag.startswith(_DELTA)}
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
    return compared(dict(run.data.metrics), result["metrics"])


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
