"""What a build did, for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lake.errors import PermanentFailure


@dataclass(frozen=True)
class StepReport:
    """One table in one build."""

    table: str
    how: str
    why: str
    rows: int = 0
    changed: int = 0
    seconds: float = 0.0
    warned: Mapping[str, int] = field(default_factory=dict)  # rule of level `warn` -> rows that break it
    error: str = ""

    def timed(self, seconds: float) -> StepReport:
        """The same with the seconds that it took."""
        return replace(self, seconds=seconds)


@dataclass
class BuildReport:
    """Every step of a build in order, and the rows in quarantine after it (table in quarantine -> rule -> rows)."""

    run: str
    engine: str = ""
    steps: list[StepReport] = field(default_factory=list)
    quarantined: dict[str, dict[str, int]] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def changed(self) -> int:
        """Rows inserted, updated and deleted, over all tables."""
        return sum(step.changed for step in self.steps)

    @property
    def errors(self) -> dict[str, str]:
        """Tables that failed, with the reason."""
        return {step.table: step.error for step in self.steps if step.error}

    def rows(self) -> list[dict[str, Any]]:
        """A row for each table, for people to read."""
        return [
            {
                "table": step.table,
                "how": step.how,
                "rows": step.rows,
                "changed": step.changed,
                "seconds": round(step.seconds, 2),
                "why": step.error or step.why,
            }
            for step in self.steps
        ]


class BuildFailed(PermanentFailure):
    """Some tables could not be built; the others were. `report` has it all."""

    def __init__(self, report: BuildReport) -> None:
        self.report = report
        tables = report.errors
        first = next(iter(tables.values()))
        more = f" (and {len(tables) - 1} more: {', '.join(list(tables)[1:])})" if len(tables) > 1 else ""
        super().__init__(first + more)
