"""Automatic mirrors: the present state of every captured table that no declared table reads.

A new database is useful with no code: its tables are in silver as the source has them, one row for each key. A table without
a key is its last complete snapshot as it stands, duplicates kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from lake.bronze import COLUMNS, Captured
from transforms.declaration import ByKey, Rebuild, Table
from transforms.table import BUILD_GENERATION

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FILE = "transforms/mirror.py"


def mirrors(captured: Iterable[Captured], taken: Collection[str]) -> dict[str, Table]:
    """A table for each captured one whose name is not in `taken`, the bronze tables that declared tables read."""
    return {table.mirror: _mirror(table) for table in captured if table.name not in taken}


def _mirror(captured: Captured) -> Table:
    key = tuple(captured.key)
    return Table(
        name=captured.mirror,
        grain=f"one row per {', '.join(key)}" if key else "one row per row of the source",
        key=key,
        reads=(captured.name,),
        update=ByKey(captured.name, {column: column for column in key}) if key else Rebuild(),
        function=_without_bronze_columns,
        file=FILE,
        fingerprint=hashlib.sha256(f"{BUILD_GENERATION} {key}".encode()).hexdigest()[:16],
        doc=f"The present state of {captured.table} in {captured.database} ({captured.source}), as the source has it.",
    )


def _without_bronze_columns(rows: DataFrame) -> DataFrame:
    return rows.drop(*COLUMNS)
