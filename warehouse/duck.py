"""Opening DuckDB: one place for the session's settings and the Delta extension."""

import importlib.util
import os
import tempfile
from pathlib import Path

import duckdb

from lake.errors import PermanentFailure
from warehouse.describe import literal


def open_database(path: Path | None, *, memory: int, threads: int) -> duckdb.DuckDBPyConnection:
    """A database file, or one in memory, in UTC within `memory` bytes; what does not fit is spilled."""
    connection = duckdb.connect(str(path or ":memory:"), config={"memory_limit": f"{memory // 2**20}MiB", "threads": threads})
    # The bar of a query that takes more than two seconds would go to stdout, between the rows.
    connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
    if path is None:
        # A file spills beside itself; memory would spill into the working folder, where two sessions meet.
        spill = Path(tempfile.gettempdir()) / f"cartlake-sql-{os.getpid()}-{id(connection):x}"
        connection.execute(f"SET temp_directory = {literal(str(spill))}")
    return connection


def load_delta(connection: duckdb.DuckDBPyConnection) -> None:
    """Load the Delta extension. Takes 0.2 s (DuckDB checks a signature)."""
    load_extension(connection, "delta")


def load_extension(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Load an extension from its wheel, where DuckDB itself would download it; nothing happens when it is loaded already."""
    loaded = connection.execute("SELECT loaded FROM duckdb_extensions() WHERE extension_name = ?", [name]).fetchall()
    if loaded == [(True,)]:
        return
    found = importlib.util.find_spec(f"duckdb_extension_{name}")
    folder = Path(found.submodule_search_locations[0]) if found and found.submodule_search_locations else None
    file = folder / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension" if folder else None
    if file is None or not file.exists():
        raise PermanentFailure(
            f"duckdb {duckdb.__version__}: its extension {name} is not installed; install the versions of requirements.lock"
        )
    connection.execute(f"LOAD {literal(str(file))}")
