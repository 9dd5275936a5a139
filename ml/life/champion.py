"""The champions as they answer: loaded from MLflow in this process, without Java."""

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from lake.config import Settings
from ml.life import record, registry, store

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from ml.model import Served


@dataclass(frozen=True)
class Champion:
    """A model in use. `metrics` and `tags` are its run's; `profile` is what its features looked like in training."""

    name: str
    version: int
    run_id: str
    served: "Served"
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    profile: Mapping[str, Any]


def champions(settings: Settings, names: Iterable[str]) -> dict[str, Champion]:
    """The champion of each model that has one."""
    if not store.exists(settings.ml.tracking_uri):
        return {}
    client = store.connect(settings.ml.tracking_uri, settings.ml.artifacts)
    found = {name: registry.holder(client, name) for name in names}
    return {name: load(client, version) for name, version in found.items() if version}


def load(client: "MlflowClient", found: registry.Version) -> Champion:
    """A registered version, ready to answer."""
    profile = record.read(found.run_id, record.PROFILE)
    served = open_served(registry.folder(client, found))
    return Champion(found.name, found.number, found.run_id, served, found.metrics, found.tags, profile)


def open_served(folder: Path) -> "Served":
    """What an MLflow model's folder holds. Our own modules open it: MLflow's way would put the copy of `ml` on the path."""
    flavor = yaml.safe_load((folder / "MLmodel").read_text())["flavors"]["python_function"]
    served: Served = importlib.import_module(flavor["loader_module"])._load_pyfunc(str(folder / flavor["data"]))
    return served
