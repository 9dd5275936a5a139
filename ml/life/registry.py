"""Registered models: their versions, and the aliases `champion` and `challenger`.

The alias `champion` is the one thing that others ask for. The last versions that held it, oldest first, are in the registered
model's tag `champions`, so that a rollback finds the one before.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lake.errors import UsageError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

CHAMPION, CHALLENGER = "champion", "challenger"
_HELD = "champions"
_MOST_HELD = 10  # that a rollback can go back over: a vacuum leaves what all of them were trained on


@dataclass(frozen=True)
class Version:
    """A registered version and what its run said of it. `tags` are the run's: recipe, Delta versions, commit …"""

    name: str
    number: int
    run_id: str
    reason: str
    tags: dict[str, str]
    metrics: dict[str, float]

    @property
    def recipe(self) -> str:
        return self.tags["recipe"]


def holder(client: "MlflowClient", name: str, alias: str = CHAMPION) -> Version | None:
    """The version that holds an alias, if any."""
    from mlflow.exceptions import MlflowException

    try:
        found = client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):  # no such model; no such alias
            return None
        raise
    return _described(client, found)


def version(client: "MlflowClient", name: str, number: int) -> Version:
    """UsageError when there is no such version."""
    from mlflow.exceptions import MlflowException

    try:
        return _described(client, client.get_model_version(name, str(number)))
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        known = sorted(int(found.version) for found in client.search_model_versions(f"name = '{name}'"))
        raise UsageError(f"{name} has no version {number}: it has {', '.join(map(str, known)) or 'none'}") from None


def folder(client: "MlflowClient", found: Version) -> Path:
    """A folder of this machine with the version's files, as MLflow keeps a model; `data` holds what its Served saved."""
    import mlflow

    uri = client.get_model_version_download_uri(found.name, str(found.number))
    return Path(mlflow.artifacts.download_artifacts(uri))


def register(client: "MlflowClient", name: str, doc: str, run_id: str, source: str, alias: str, reason: str) -> int:
    """A new version from a finished run, holding the alias. Returns its number."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name, description=doc)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    made = int(client.create_model_version(name, source=source, run_id=run_id, description=reason).version)
    if alias == CHAMPION:
        crown(client, name, made)
    else:
        client.set_registered_model_alias(name, alias, str(made))
    return made


def crown(client: "MlflowClient", name: str, number: int) -> None:
    """Make a version the champion. One that was the challenger is so no more."""
    _remember(client, name, [*held(client, name), number])
    client.set_registered_model_alias(name, CHAMPION, str(number))
    challenger = holder(client, name, CHALLENGER)
    if challenger and challenger.number == number:
        client.delete_registered_model_alias(name, CHALLENGER)


def step_back(client: "MlflowClient", name: str) -> tuple[int, int]:
    """Give the alias back to the version that held it before: (from, to). UsageError where there is none."""
    now, before = holder(client, name), held(client, name)
    if now is None:
        raise UsageError(f"{name} has no champion, so there is nothing to go back from")
    # A version that was made champion by hand, in MLflow's own pages, is in no list.
    while before and before[-1] == now.number:
        before.pop()
    if not before:
        raise UsageError(f"{name}: version {now.number} is its first champion; there is none before it")
    client.set_registered_model_alias(name, CHAMPION, str(before[-1]))
    _remember(client, name, before)
    return now.number, before[-1]


def held(client: "MlflowClient", name: str) -> list[int]:
    """The last versions that were champion, oldest first, without those that a rollback took back."""
    said: str = client.get_registered_model(name).tags.get(_HELD, "[]")
    return [int(number) for number in json.loads(said)]


def _remember(client: "MlflowClient", name: str, numbers: list[int]) -> None:
    client.set_registered_model_tag(name, _HELD, json.dumps(numbers[-_MOST_HELD:]))


def _described(client: "MlflowClient", found: "ModelVersion") -> Version:
    run: Any = client.get_run(found.run_id)
    tags, metrics = dict(run.data.tags), dict(run.data.metrics)
    return Version(found.name, int(found.version), found.run_id, found.description or "", tags, metrics)
