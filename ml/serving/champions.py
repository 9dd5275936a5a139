"""Which versions are the champions, and keeping up with them while the server runs."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lake.config import Settings
from lake.errors import UsageError
from ml.life import registry, store
from ml.serving.loaded import Loaded, load

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)
_SQLITE = "sqlite:///"
POLL_SECONDS = 1.0


class Champions:
    """The champions in memory, by name. A new one is loaded beside the old and put in its place in one step."""

    def __init__(self, settings: Settings, name: str | None) -> None:
        """UsageError when there is no champion to serve."""
        from ml.train import select

        self._names = tuple(select((name,) if name else ()))
        if not store.exists(settings.ml.tracking_uri):
            raise UsageError("nothing is trained yet: cartlake ml train")
        self._client: MlflowClient = store.connect(settings.ml.tracking_uri, settings.ml.artifacts)
        uri = settings.ml.tracking_uri
        self._database = Path(uri.removeprefix(_SQLITE)) if uri.startswith(_SQLITE) else None
        self.serving: dict[str, Loaded] = {}
        self.failed: dict[str, str] = {}
        self._seen = self._stamp()
        self._take()
        if not self.serving:
            none = f"{name} has no champion" if name else "no model has a champion"
            raise UsageError(f"{none} yet: cartlake ml train" + "".join(f"; {why}" for why in self.failed.values()))

    def follow(self, stopped: threading.Event, on_swap: Callable[[Loaded], None] = lambda _: None) -> None:
        """Look for a moved alias until stopped."""
        while not stopped.wait(POLL_SECONDS):
            now = self._stamp()
            if now is not None and now == self._seen:
                continue
            try:
                for loaded in self._take():
                    on_swap(loaded)
                self._seen = now
            except Exception as error:  # the store may be locked or away for a while: the old ones go on answering
                log.warning("the champions could not be looked up: %s", error)

    def _take(self) -> list[Loaded]:
        """Load what has changed; what cannot be loaded leaves the old one in its place, and is told of."""
        taken = []
        for name in self._names:
            found = registry.holder(self._client, name)
            held = self.serving.get(name)
            if found is None or (held and held.version == found.number):
                self.failed.pop(name, None)
                continue
            try:
                fresh = load(name, found.number, registry.folder(self._client, found))
            except Exception as error:
                self.failed[name] = f"{name} version {found.number} cannot be loaded: {type(error).__name__}: {error}"
                log.error("%s", self.failed[name])
                continue
            self.serving = {**self.serving, name: fresh}
            self.failed.pop(name, None)
            taken.append(fresh)
        return taken

    def _stamp(self) -> tuple[float, ...] | None:
        """Changes whenever the SQLite store may have; None for a server, which must be asked."""
        if self._database is None:
            return None
        files = (self._database, self._database.with_name(self._database.name + "-wal"))
        return tuple(file.stat().st_mtime_ns if file.exists() else 0.0 for file in files)
