"""One table within a capture: what bronze says of it, and the position that its next batch will carry."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lake.bronze import Captured, State
from lake.capture_report import TableReport
from lake.errors import PermanentFailure
from lake.sources.base import OP, Batch, Position, Table


@dataclass
class Entry:
    """`wanted`: the generation in bronze is to be replaced. `epoch`: of the changes that come next. `refused`: it shrank."""

    table: Table
    captured: Captured
    state: State
    report: TableReport
    epoch: int
    wanted: bool = False
    refused: bool = False

    @property
    def good(self) -> bool:
        """Whether it has a complete snapshot that still holds, and nothing stands against it."""
        return self.state.complete and not (self.report.error or self.report.paused or self.wanted)

    @property
    def follows(self) -> bool:
        """Whether its changes can be read."""
        return self.good and self.table.mode in ("cdc", "cursor")

    @property
    def position(self) -> Mapping[str, Any]:
        return self.state.position or {}

    @property
    def outdated(self) -> str:
        """Why the rows in bronze cannot be continued, empty if they can."""
        if self.state.position is None:
            return ""
        if self.position.get("key", list(self.table.key)) != list(self.table.key):
            return "its key changed"  # rows are folded by key: under another one the old rows mean something else
        if self.position.get("mode", self.table.mode) != self.table.mode:
            return f"its mode changed from {self.position['mode']} to {self.table.mode}"
        return ""

    def begin(self, position: Position, named: Iterable[int]) -> None:
        """Open a new generation, beyond every one that bronze or a fact has `named`."""
        generation = max([self.state.generation, self.epoch, *named]) + 1
        base = self.state.last_complete
        before = self.position.get("rows" if self.state.complete else "before")
        position = {
            "generation": generation,
            "epoch": generation,
            "complete": False,
            "base": base,
            "rows": 0,
            "before": before,
            "key": list(self.table.key),
            "mode": self.table.mode,
            **position,
        }
        self.state, self.epoch = State(generation, False, self.state.sequence, base, position), generation
        self.wanted = False

    def after_chunk(self, batch: Batch) -> dict[str, Any]:
        """The position that a chunk of a snapshot carries."""
        rows = int(self.position.get("rows", 0)) + batch.rows.num_rows
        position = {**self.position, "chunk": dict(batch.end), "complete": batch.last, "rows": rows}
        if batch.last:
            del position["chunk"], position["before"]
        return position

    def after_changes(self, batch: Batch) -> dict[str, Any]:
        """The position that a batch of changes carries."""
        position = {key: value for key, value in self.position.items() if key not in ("chunk", "before")}
        if position.get("rows") is not None:
            position["rows"] = max(0, position["rows"] + _growth(operations(batch.rows)))
        return {**position, "complete": True, "epoch": self.epoch, "at": dict(batch.end)}

    def refuse_shrinking(self, position: Mapping[str, Any], percent: int) -> None:
        """PermanentFailure when a snapshot ends with far fewer rows than the table had: a source emptied by mistake, mostly."""
        before, now = self.position.get("before"), int(position["rows"])
        if before and now * 100 < before * percent:
            self.refused = True
            raise PermanentFailure(
                f"{self.table.name}: its new snapshot has {now:,} rows where the last load had {before:,}, below {percent} %; "
                f"bronze keeps the old rows. If that is right: cartlake capture --resnapshot '{self.table.name}' --allow-shrink"
            )

    def done(self, position: Mapping[str, Any], counts: Counter[str]) -> None:
        """A batch with this position has been committed."""
        complete = bool(position["complete"])
        base = int(position["generation"]) if complete else self.state.last_complete
        self.state = State(int(position["generation"]), complete, self.state.sequence, base, position)
        self.report.rows += counts


class Counted:
    """Parts of a batch on their way to bronze, counted by operation as they pass."""

    def __init__(self, parts: Iterable[pa.Table]) -> None:
        self._parts, self.counts = parts, Counter[str]()

    def __iter__(self) -> Iterator[pa.Table]:
        for part in self._parts:
            self.counts += operations(part)
            yield part


def operations(rows: pa.Table) -> Counter[str]:
    """Rows by operation."""
    return Counter({count["values"]: count["counts"] for count in pc.value_counts(rows.column(OP)).to_pylist()})


def _growth(counts: Counter[str]) -> int:
    return counts["c"] - counts["d"]
