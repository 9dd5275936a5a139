"""What a capture did, table by table."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Progress = Callable[[str, int, int], None]  # (table, rows done, rows expected; 0: unknown)

_OPERATIONS = {"r": "snapshot", "c": "created", "u": "updated", "d": "deleted"}


def quiet(_table: str, _done: int, _expected: int) -> None:
    """Progress that nobody watches."""


@dataclass
class TableReport:
    """`rows` by operation: r snapshot, c created, u updated, d deleted. `error` is empty when all went well."""

    source: str
    table: str
    name: str
    mode: str
    rows: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    error: str = ""
    paused: bool = False


@dataclass(frozen=True)
class CaptureReport:
    tables: tuple[TableReport, ...]
    seconds: float

    def rows(self) -> list[dict[str, Any]]:
        """A row for each table, for people to read."""
        return [
            {
                "table": table.name,
                "mode": f"{table.mode}, paused" if table.paused else table.mode,
                **{words: table.rows[op] for op, words in _OPERATIONS.items()},
                "seconds": round(table.seconds, 2),
                "error": table.error,
            }
            for table in self.tables
        ]

    @property
    def total(self) -> int:
        """Rows committed, of all tables and operations."""
        return sum(table.rows.total() for table in self.tables)

    @property
    def errors(self) -> dict[str, str]:
        """Bronze table -> why it was not captured."""
        return {table.name: table.error for table in self.tables if table.error}
