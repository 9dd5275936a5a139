"""Which versions are the champions, and keeping up with them while the server runs."""

import logging
import os
import threading
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lake.config import Settings
from lake.errors import UsageError
from ml.life import registry, store
from ml.serving import fresh, lookup
from ml.serving.loaded import Loaded, load

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)
_SQLITE = "sqlite:///"
POLL_SECONDS = 1.0
RETRY_SECONDS = 10.0  # until a champion that could not be loaded is tried again


class Champions:
    """The champions in memory, by name. A new one is loaded beside the old and put in its place in one step."""

    def __init__(self, settings: Settings, name: str | None) -> None:
        """UsageError when there is no champion to serve."""
        from ml.train import select

        self._names = tuple(select((name,) if name else ()))
        if not store.exists(settings.ml.tracking_uri):
            raise UsageError("nothing is trained yet: cartlake ml train")
        self._settings = settings
        os.environ.update(store.QUIET)  # a request may import MLflow
        uri = settings.ml.tracking_uri
        self._database = Path(uri.removeprefix(_SQLITE)) if uri.startswith(_SQLITE) else None
        self.serving: dict[str, Loaded] = {}
        self.failed: dict[str, str] = {}
        self._said: dict[str, tuple[int, int]] = {}
        self._seen, self._tried = self._stamp(), time.monotonic()
        self._take()
        self._freshen()
        if not self.serving:
            none = f"{name} has no champion" if name else "no model has a champion"
            raise UsageError(f"{none} yet: cartlake ml train" + "".join(f"; {why}" for why in self.failed.values()))

    def follow(self, stopped: threading.Event, on_swap: Callable[[Loaded], None] = lambda _: None) -> None:
        """Look for a moved alias and for newer answers until stopped."""
        while not stopped.wait(POLL_SECONDS):
            try:
                for loaded in [*self._moved(), *self._freshen()]:
                    on_swap(loaded)
            except Exception as error:  # the store may be locked or away for a while: the old ones go on answering
                log.warning("the champions could not be looked up: %s", error)

    def _moved(self) -> list[Loaded]:
        now = self._stamp()
        again = bool(self.failed) and time.monotonic() - self._tried >= RETRY_SECONDS
        if now is not None and now == self._seen and not again:
            return []
        self._tried = time.monotonic()
        taken = self._take()
        self._seen = now
        return taken

    def _freshen(self) -> list[Loaded]:
        """Give the champions the answers that scoring left since."""
        fresher = []
        for name, held in self.serving.items():
            stamp = fresh.stamp(self._settings.data, name)
            if stamp == self._said.get(name):
                continue
            said = fresh.read(self._settings.data, name, held.version)
            if said is not None:
                fresher.append(held.saying(said))
            self._said[name] = stamp
        self.serving = {**self.serving, **{loaded.name: loaded for loaded in fresher}}
        return fresher

    def _take(self) -> list[Loaded]:
        """Load what has changed; what cannot be loaded leaves the old one in its place, and is told of."""
        taken = []
        for name in self._names:
            number, folder = self._holder(name)
            held = self.serving.get(name)
            if number is None or (held and held.version == number):
                self.failed.pop(name, None)
                continue
            try:
                loaded = load(name, number, folder or self._fetched(name, number))
            except Exception as error:
                why = f"{name} version {number} cannot be loaded: {type(error).__name__}: {error}"
                if self.failed.get(name) != why:  # it is tried again and again
                    log.error("%s", why)
                self.failed[name] = why
                continue
            self.serving = {**self.serving, name: loaded}
            self.failed.pop(name, None)
            self._said.pop(name, None)  # the newest answers may be of this version
            taken.append(loaded)
        return taken

    def _holder(self, name: str) -> tuple[int | None, Path | None]:
        """The champion's number, if there is one, and its folder where that is known already."""
        if self._database is not None:
            return lookup.holder(self._database, name, registry.CHAMPION) or (None, None)
        found = registry.holder(self._client, name)
        return (found.number if found else None), None

    def _fetched(self, name: str, number: int) -> Path:
        return registry.folder(self._client, registry.version(self._client, name, number))

    @cached_property
    def _client(self) -> "MlflowClient":
        return store.connect(self._settings.ml.tracking_uri, self._settings.ml.artifacts)

    def _stamp(self) -> tuple[float, ...] | None:
        """Changes whenever the SQLite store may have; None for a server, which must be asked."""
        if self._database is None:
            return None
        files = (self._database, self._database.with_name(self._database.name + "-wal"))
        return tuple(file.stat().st_mtime_ns if file.exists() else 0.0 for file in files)
