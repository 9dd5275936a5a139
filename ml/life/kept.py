"""What the models in use stand on in the lake: a vacuum leaves it, so that they can be trained again."""

from lake.config import Settings
from lake.errors import UsageError
from ml.life import registry, store

_DELTA = "delta."


def read_by(tags: "dict[str, str]") -> dict[str, int]:
    """Table -> Delta version that a run with these tags was trained on."""
    return {tag.removeprefix(_DELTA): int(value) for tag, value in tags.items() if tag.startswith(_DELTA)}


def trained_on(settings: Settings) -> set[tuple[str, int]]:
    """(Table, Delta version) that champions, challengers and the versions that a rollback can return to were trained on."""
    if not store.exists(settings.ml.tracking_uri):
        return set()
    client = store.connect(settings.ml.tracking_uri, settings.ml.artifacts)
    found: set[tuple[str, int]] = set()
    for model in client.search_registered_models():
        aliased = (registry.holder(client, model.name, alias) for alias in (registry.CHAMPION, registry.CHALLENGER))
        versions = [version for version in aliased if version]
        for number in registry.held(client, model.name):
            try:
                versions.append(registry.version(client, model.name, number))
            except UsageError:  # somebody removed it in MLflow: nobody can go back to it
                continue
        found |= {pair for version in versions for pair in read_by(version.tags).items()}
    return found
