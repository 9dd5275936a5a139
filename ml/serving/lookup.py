"""Which version holds an alias, read from MLflow's own SQLite file: a server that starts need not import MLflow for that.

Importing it took 2.2 of the 3.4 s of processor time until a server with four champions was ready; and it asks each time that the
file changes.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

_ASKED = """
SELECT v.version, coalesce(v.storage_location, v.source) FROM registered_model_aliases a
JOIN model_versions v ON v.name = a.name AND v.version = a.version WHERE a.name = ? AND a.alias = ?
"""


def holder(database: Path, name: str, alias: str) -> tuple[int, Path | None] | None:
    """Number and folder of the version that holds an alias, if any; no folder where its files are not on this machine."""
    with closing(sqlite3.connect(f"file:{quote(str(database))}?mode=ro", uri=True)) as connection:
        found = connection.execute(_ASKED, (name, alias)).fetchone()
    if found is None:
        return None
    place = urlsplit(found[1])
    return int(found[0]), Path(unquote(place.path)) if place.scheme in ("", "file") else None
