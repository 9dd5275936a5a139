"""Compare, promote and roll back by hand, by the rule that a training obeys."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lake.config import Settings
from lake.errors import UsageError
from lake.lock import hold
from ml.life import promotion, record, registry, store
from ml.train import select

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class Moved:
    """The alias `champion` went from one version (None: nobody held it) to another."""

    model: str
    before: int | None
    now: int
    why: str


def compare(settings: Settings, names: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """A row per recipe of each model's newest backtest: its loss, what it gains on the champion's, and the noise of that."""
    rows = []
    with _store(settings) as client:
        for name in select(names):
            newest = _newest(client, name)
            if newest is None:
                continue
            said = record.read(newest.run_id, record.BACKTEST)
            champion = registry.holder(client, name)
            ours = record.losses(said, champion.recipe) if champion else None
            held = _aliases(client, name)
            for recipe, told in sorted(said["recipes"].items(), key=lambda item: sum(item[1]["losses"])):
                losses = record.losses(said, recipe)
                assert losses is not None
                gain, noise = promotion.gap(losses, ours) if ours is not None else (None, None)
                rows.append(
                    {
                        "model": name,
                        "recipe": told["name"],
                        "held_by": held.get(recipe),
                        "metric": said["metric"],
                        "loss": round(float(losses.mean()), 4),
                        "plain_rule": round(sum(said["naive"]["losses"]) / len(said["naive"]["losses"]), 4),
                        "gain_on_champion": None if gain is None else round(gain, 4),
                        "noise": None if noise is None else round(noise, 4),
                        "folds": len(losses),
                    }
                )
    return rows


def promote(settings: Settings, name: str, number: int | None = None, *, force: bool = False) -> Moved:
    """Make the challenger, or the version named, the champion. UsageError with the reason where it does not beat the champion by
    more than the noise of the backtest that both were in; `force` does it all the same.
    """
    (name,) = select((name,))
    with _store(settings, alone=True) as client:
        asked = registry.version(client, name, number) if number else registry.holder(client, name, registry.CHALLENGER)
        champion = registry.holder(client, name)
        if asked is None:
            raise UsageError(f"{name} has no challenger: name a version (--version), or train one (cartlake ml train {name})")
        if champion and champion.number == asked.number:
            raise UsageError(f"{name}: version {asked.number} is the champion already")
        why_not = _why_not(client, champion, asked)
        if why_not and not force:
            raise UsageError(f"{name}: version {asked.number} is not promoted: {why_not}; --force does it all the same")
        registry.crown(client, name, asked.number)
    return Moved(name, champion.number if champion else None, asked.number, why_not or "it beats the champion")


def rollback(settings: Settings, name: str) -> Moved:
    """Give the champion's place back to the version that held it before."""
    (name,) = select((name,))
    with _store(settings, alone=True) as client:
        before, now = registry.step_back(client, name)
    return Moved(name, before, now, "rolled back")


def _why_not(client: "MlflowClient", champion: registry.Version | None, asked: registry.Version) -> str | None:
    if champion is None:
        return None
    # The younger of the two backtests is the one that may have seen both recipes.
    for run in sorted((champion, asked), key=lambda version: -version.number):
        said = record.read(run.run_id, record.BACKTEST)
        if not said:
            continue
        ours, theirs = record.losses(said, champion.recipe), record.losses(said, asked.recipe)
        if ours is not None and theirs is not None:
            if champion.recipe == asked.recipe:
                return f"it has the recipe of the champion, version {champion.number}"
            gain, noise = promotion.gap(theirs, ours)
            return None if gain > noise else f"it gains {gain:.2g} on version {champion.number}, within the noise of ±{noise:.2g}"
    return f"no backtest has both it and the champion, version {champion.number}"


def _newest(client: "MlflowClient", name: str) -> registry.Version | None:
    """The newest version of all: after a rollback it holds no alias, and its backtest is the last there is all the same."""
    number = max((int(found.version) for found in client.search_model_versions(f"name = '{name}'")), default=None)
    return registry.version(client, name, number) if number else None


def _aliases(client: "MlflowClient", name: str) -> dict[str, str]:
    """Recipe -> `champion (3)` …"""
    found = {alias: registry.holder(client, name, alias) for alias in (registry.CHALLENGER, registry.CHAMPION)}
    return {version.recipe: f"{alias} ({version.number})" for alias, version in found.items() if version}


@contextmanager
def _store(settings: Settings, *, alone: bool = False) -> "Iterator[MlflowClient]":
    if not store.exists(settings.ml.tracking_uri):
        raise UsageError("nothing is trained yet: cartlake ml train")
    if not alone:
        yield store.connect(settings.ml.tracking_uri, settings.ml.artifacts)
        return
    with hold(settings.data, "train", wait=600):
        yield store.connect(settings.ml.tracking_uri, settings.ml.artifacts)


def listed(settings: Settings) -> list[dict[str, Any]]:
    """A row per model: what it is for and who answers; None where nobody has earned the place yet."""
    client = store.connect(settings.ml.tracking_uri, settings.ml.artifacts) if store.exists(settings.ml.tracking_uri) else None
    rows = []
    for name, model in select(()).items():
        champion = registry.holder(client, name) if client else None
        challenger = registry.holder(client, name, registry.CHALLENGER) if client else None
        rows.append(
            {
                "model": name,
                "champion": champion.number if champion else None,
                "recipe": champion.tags.get("recipe.name") if champion else None,
                "knows_to": champion.tags.get("last_day") if champion else None,
                "challenger": challenger.number if challenger else None,
                "run": champion.run_id if champion else None,
                "for": model.doc,
            }
        )
    return rows
