"""Opening DuckDB: one place for the session's settings and the Delta extension."""

import importlib.util
from pathlib import Path

import duckdb

from lake.errors import PermanentFailure


def open_file(path: Path, *, memory: int, threads: int) -> duckdb.DuckDBPyConnection:
    """A file to write a release into; what does not fit in `memory` bytes is spilled beside it."""
    config = {"memory_limit": f"{memory // 2**20}MiB", "threads": threads}
    connection = duckdb.connect(str(path), config=config)
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def load_delta(connection: duckdb.DuckDBPyConnection) -> None:
    """Load the Delta extension from its wheel, where DuckDB itself would download it. Takes 0.2 s (it checks a signature)."""
    loaded = connection.execute("SELECT loaded FROM duckdb_extensions() WHERE extension_name = 'delta'").fetchall()
    if loaded == [(True,)]:
        return
    found = importlib.util.find_spec("duckdb_extension_delta")
    folder = Path(found.submodule_search_locations[0]) if found and found.submodule_search_locations else None
    file = folder / "extensions" / f"v{duckdb.__version__}" / "delta.duckdb_extension" if folder else None
    if file is None or not file.exists():
        raise PermanentFailure(
            f"duckdb {duckdb.__version__}: its Delta extension is not installed; install the versions of requirements.lock"
        )
    connection.execute(f"LOAD '{file}'")
