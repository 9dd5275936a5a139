"""What a comparison of a silver table with its source found, for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from transforms.verify.checksum import Difference, Kind

_WORDS: dict[Kind, str] = {"missing": "missing here", "extra": "not in the source", "different": "different"}


@dataclass(frozen=True)
class Report:
    """What was compared and what differs.

    `quarantined`: source rows that wait in quarantine. `behind`: rows that differ, but changed in the source since silver was
    built, and so were not judged. `unlisted`: chunks that differ beyond those whose rows were looked at.
    """

    table: str
    source: str
    rows: int
    chunks: int
    seconds: float = 0.0
    differences: tuple[Difference, ...] = ()
    quarantined: int = 0
    behind: int = 0
    unlisted: int = 0
    notes: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        return not self.differences and not self.unlisted

    def listed(self, most: int) -> list[dict[str, Any]]:
        """A row for each difference, for people to read."""
        return [
            {
                "row": _WORDS[one.kind] + (f" ({one.copies} copies)" if one.copies > 1 else ""),
                "key": ", ".join(f"{name} = {_shown(value)}" for name, value in one.key.items()),
                "columns": ", ".join(one.columns),
            }
            for one in self.differences[:most]
        ]

    @property
    def summary(self) -> str:
        """One line."""
        kinds = [one.kind for one in self.differences]
        told = ", ".join(f"{kinds.count(kind)} {words}" for kind, words in _WORDS.items() if kind in kinds)
        found = f"{_rows(len(kinds))} differ ({told})" if kinds else "equal" if self.equal else "they differ"
        why = " (perhaps because silver is behind: cartlake capture, cartlake build)" if self.behind else ""
        more = [f"{self.unlisted:,} more chunks differ{why}"] if self.unlisted else []
        more += [f"{_rows(self.quarantined)} in quarantine"] if self.quarantined else []
        more += [f"{_rows(self.behind)} changed in the source since silver was built, not compared"] if self.behind else []
        begin = f"{self.table} and {self.source}: {_rows(self.rows)} in {self.chunks:,} chunks, {self.seconds:.1f} s"
        return "; ".join([f"{begin}: {found}", *more, *self.notes])


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    return str(value) if value is not None else "NULL"
