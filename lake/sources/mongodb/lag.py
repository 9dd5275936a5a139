"""How far a position lies behind a MongoDB deployment's newest change."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import pyarrow.compute as pc

from lake.sources.base import SOURCE_TS, Batch, Mark, Position, Reader, TableId


def lag(reader: Reader, tables: Collection[TableId], position: Position) -> float:
    """Seconds since the first change of one of these collections after the position; 0 when there is none.

    The reader should give small batches: the first one is read. Raises what following the change stream raises.
    """
    found: Any = reader.changes(dict.fromkeys(tables, position))
    for change in found:
        if isinstance(change, Mark):
            continue
        found.close()
        made = pc.min(change.rows.column(SOURCE_TS)).as_py() if isinstance(change, Batch) else None
        # A collection that was dropped or emptied is behind, too, but its notice has no time.
        return max(0.001, (datetime.now(UTC) - made).total_seconds()) if made else 0.001
    return 0.0
