"""Training: which models are due, and one child process with Spark that trains them (ml/job.py)."""

import hashlib
import importlib.util
import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from lake.config import Settings
from lake.crash import crash_point
from lake.errors import UsageError
from ml import child
from ml.child import Progress
from ml.errors import TooLittleData
from ml.life import facts, store
from ml.model import Model, Prepared, models
from ml.reader import Gold

if TYPE_CHECKING:
    from lake.delta import Lake

log = logging.getLogger(__name__)
# What every model's training goes through; a change in it is a reason to train again, as in the model's own modules.
_FRAME = ("ml.job", "ml.model", "ml.session", "ml.life.promotion", "ml.life.record")


@dataclass(frozen=True)
class Outcome:
    """What came of one model. `version` and what follows are of its last training, which need not be this one.

    `metrics` has the keys of the MLflow run; `naive` those that the plain rule has too. With `trained` False, `why` says why not.
    """

    model: str
    trained: bool
    why: str
    version: int | None = None
    run_id: str = ""
    recipe: str = ""
    metric: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    naive: Mapping[str, float] = field(default_factory=dict)
    promoted: bool = False
    last_day: date | None = None


@dataclass(frozen=True)
class TrainReport:
    """An outcome for each model asked for, and what failed alone."""

    models: dict[str, Outcome]
    errors: dict[str, str]
    seconds: float

    @property
    def trained(self) -> bool:
        return any(outcome.trained for outcome in self.models.values())

    def rows(self) -> list[dict[str, Any]]:
        """A row for each model, for people to read."""
        return [
            {
                "model": one.model,
                "trained": one.trained,
                "version": one.version,
                "recipe": one.recipe or None,
                "metric": one.metric or None,
                "backtest": _rounded(one.metrics.get(one.metric)),
                "plain_rule": _rounded(one.naive.get(one.metric)),
                "champion": one.promoted,
                "why": one.why,
            }
            for one in self.models.values()
        ]


@dataclass(frozen=True)
class _Asked:
    model: Model
    reader: Gold
    prepared: Prepared
    fingerprint: str


def train(
    settings: Settings,
    names: Sequence[str] = (),
    *,
    patience: timedelta = timedelta(0),
    force: bool = False,
    run: str | None = None,
    because: str = "",
    on_progress: Progress | None = None,
    now: datetime | None = None,
) -> TrainReport:
    """Train the named models, or all, on gold as it is now: backtest, fit, log, register, and promote who has earned it.

    A model whose data and code are those of its last training is left alone, and one whose data is not `patience` newer; neither
    with `force`. A model with too little data is told of and nothing else. PermanentFailure when Java is missing.
    """
    from lake.delta import Lake
    from lake.lock import hold

    began, today = time.monotonic(), today_of(settings, now)
    chosen = select(names)
    lake, outcomes, errors = Lake(settings.lake_root), dict[str, Outcome](), dict[str, str]()
    with hold(settings.data, "train", wait=600), child.hand_over(settings.data) as folder:
        known = facts.last(lake) if store.exists(settings.ml.tracking_uri) and settings.ml.artifacts.exists() else {}
        asked: dict[str, _Asked] = {}
        for name, model in chosen.items():
            found = _prepare(lake, settings, model, today, folder)
            if isinstance(found, str):
                outcomes[name] = Outcome(name, False, found)
                continue
            why_not = None if force else _no_reason(known.get(name), found, patience)
            if why_not:
                outcomes[name] = _outcome(name, False, why_not, known[name])
            else:
                asked[name] = found
        if asked:
            made = child.run(folder, _job(settings, today, asked, run, because), on_progress)
            crash_point("ml.registered")
            for name, result in made.items():
                if "error" in result:
                    errors[name] = result["error"]
                    continue
                one = asked[name]
                fact = result | {"last_day": one.prepared.last_day.isoformat()}
                if "version" in result:
                    facts.remember(lake, name, one.fingerprint, one.reader.versions, fact)
                outcomes[name] = _outcome(name, True, result["reason"], fact)
                log.info("%s: version %s, %s", name, result.get("version"), result["reason"])
    return TrainReport({name: outcomes[name] for name in chosen if name in outcomes}, errors, time.monotonic() - began)


def select(names: Sequence[str]) -> dict[str, Model]:
    """The models of these names, or all. UsageError that names those there are."""
    known = models()
    for name in names:
        if name not in known:
            raise UsageError(f"there is no model {name!r}: there are {', '.join(known)}")
    return {name: model for name, model in known.items() if not names or name in names}


def today_of(settings: Settings, now: datetime | None = None) -> date:
    """The date in the shop's time zone."""
    zone = ZoneInfo(settings.shop.time_zone)
    return (now.astimezone(zone) if now else datetime.now(zone)).date()


def recorded(settings: Settings) -> dict[str, Any]:
    """The settings that a training depends on, as it is recorded with them."""
    return {"horizon": settings.ml.horizon, "time_zone": settings.shop.time_zone}


def job(settings: Settings, asked: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What the child process is told. `asked` has `options` and `tags` for each model."""
    return {
        "cores": settings.engine.cores,
        "tracking_uri": settings.ml.tracking_uri,
        "artifacts": str(settings.ml.artifacts),
        "models": dict(asked),
    }


def _prepare(lake: "Lake", settings: Settings, model: Model, today: date, folder: Path) -> _Asked | str:
    own = folder / model.name
    own.mkdir()
    reader = Gold(lake, model.reads)
    try:
        prepared = model.prepare(reader, settings, today, own)
    except TooLittleData as reason:
        return str(reason)
    return _Asked(model, reader, prepared, _fingerprint(settings, model, prepared))


def _no_reason(last: dict[str, Any] | None, asked: _Asked, patience: timedelta) -> str | None:
    if last is None:
        return None
    code, data = asked.fingerprint.split(":")
    if last["fingerprint"].split(":")[0] != code:
        return None
    if last["fingerprint"] == f"{code}:{data}":
        return f"nothing has changed since version {last['version']}: {last['reason']}"
    again = date.fromisoformat(last["last_day"]) + patience
    if asked.prepared.last_day < again:
        return f"version {last['version']} knows the days up to {last['last_day']}; it is trained again from {again} on"
    return None


def _job(settings: Settings, today: date, asked: Mapping[str, _Asked], run: str | None, because: str) -> dict[str, Any]:
    common = {
        "today": today.isoformat(),
        "settings": json.dumps(recorded(settings)),
        "cartlake.run": run or "",
        "because": because,
        "warehouse.release": facts.release(settings) or "",
        "git.commit": facts.commit(),
        "git.dirty": facts.dirty(),
    }

    def told(one: _Asked) -> dict[str, Any]:
        versions = {f"delta.{name}": version for name, version in one.reader.versions.items()}
        own = {"last_day": one.prepared.last_day.isoformat(), "data_digest": one.prepared.digest[:16]}
        tags = {key: value for key, value in {**common, **own, **versions}.items() if value != ""}
        return {"options": one.prepared.options, "tags": tags}

    return job(settings, {name: told(one) for name, one in asked.items()})


def _fingerprint(settings: Settings, model: Model, prepared: Prepared) -> str:
    """`code:data`, each equal when it would give the same model. Delta versions are not in it: the content is."""
    code = [_digest_of(module) for module in (*_FRAME, *model.code)]
    packages = [f"{name}=={installed(name)}" for name in ("mlflow", "numpy", "pyspark", *model.packages)]
    parts = [recorded(settings), settings.ml.tracking_uri, str(settings.ml.artifacts), code, packages]
    made = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return f"{made[:32]}:{prepared.digest[:32]}"


def _digest_of(module: str) -> str:
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(module)
    return hashlib.sha256(Path(found.origin).read_bytes()).hexdigest()


def _outcome(name: str, trained: bool, why: str, fact: Mapping[str, Any]) -> Outcome:
    last = date.fromisoformat(fact["last_day"]) if fact.get("last_day") else None
    shown = ("version", "run_id", "recipe", "metric", "metrics", "naive", "promoted")
    return Outcome(name, trained, why, last_day=last, **{key: fact[key] for key in shown if key in fact})


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
