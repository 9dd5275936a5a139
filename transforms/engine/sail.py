"""Sail: Spark's API in this process, without a JVM."""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transforms.engine import Engine

if TYPE_CHECKING:
    from pyspark.sql.connect.dataframe import DataFrame
    from pyspark.sql.connect.session import SparkSession

    from lake.config import Settings

# Sail writes other characters of a Delta table's path in percent, and then finds nothing there.
_READABLE = re.compile(r"[A-Za-z0-9_.\-/@=+]*")


class SailEngine(Engine):
    """A Sail server on a free local port, and a session with it."""

    name = "sail"
    spreads = False
    memory_hint = 'raise engine.memory, or set engine.kind = "spark", which spills more to disk'

    def __init__(self, session: SparkSession, cores: int, server: Any) -> None:
        super().__init__(session, cores)
        self._server = server
        self._links: dict[str, str] = {}

    def read(self, path: str, version: int) -> DataFrame:
        """As any engine does, but through a link where Sail cannot read the path: it finds no table below `My Documents`."""
        if not _READABLE.fullmatch(path):
            folder, name = path.rsplit("/", 1) if _READABLE.fullmatch(path.rsplit("/", 1)[1]) else (path, "")
            if folder not in self._links:
                link = Path(tempfile.mkdtemp(prefix="cartlake-")) / "tables"
                link.symlink_to(folder)
                self._links[folder] = str(link)
            path = f"{self._links[folder]}/{name}"
        return super().read(path, version)

    @classmethod
    def launch(cls, settings: Settings) -> SailEngine:
        """Start the server, its memory bounded by `engine.memory`."""
        spill = settings.data / "spill"
        spill.mkdir(parents=True, exist_ok=True)
        # Read when the server starts. Unbounded, which is the default, one call ran a 24 GB machine out of memory.
        os.environ["SAIL_RUNTIME__MEMORY_POOL__TYPE"] = "fair"
        os.environ["SAIL_RUNTIME__MEMORY_POOL__FAIR__MAX_SIZE"] = str(settings.engine.memory)
        os.environ["SAIL_RUNTIME__TEMPORARY_FILES__PATHS"] = json.dumps([str(spill)])
        os.environ.setdefault("RUST_LOG", "error")  # it reports every hint that it does not follow
        from pysail.spark import SparkConnectServer
        from pyspark.sql.connect.session import SparkSession

        server = SparkConnectServer()
        server.start(background=True)
        _, port = server.listening_address
        session = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").create()
        session.conf.set("spark.sql.session.timeZone", "UTC")
        return cls(session, settings.engine.cores, server)

    def stop(self) -> None:
        super().stop()
        self._server.stop()
        for link in map(Path, self._links.values()):
            link.unlink()
            link.parent.rmdir()
