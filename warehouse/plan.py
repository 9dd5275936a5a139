"""Deciding how each table of a release comes to its new version. Pure: no clock, no disk, no DuckDB."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from warehouse.describe import Pinned

# Up to the larger of the two the change feed is applied, above it the table is loaded again. Of 5 M rows (two cores) 1 % updated
# took 1.2 s by the feed, 10 % (15 % of the bytes) 3.6 s, 20 % (31 %) as long as the whole load, 8 to 10 s; and the feed is held
# in memory. The floor: replacing small tables would only make the file grow.
FEED_SHARE = 0.2
FEED_FLOOR = 4 * 2**20

How = Literal["keep", "changes", "whole", "drop"]


@dataclass(frozen=True)
class Held:
    """A table as the last release has it: Delta version and the hash of its commit, rows, column names with DuckDB types."""

    version: int
    commit: str
    rows: int
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Found:
    """What the lake says about a table's way from the held version to the pinned one.

    `commit_then`: hash of the held version's commit as the lake has it now.
    `changed_bytes`: data and change files of the commits between; None when the log does not reach back or has no change feed.
    """

    commit_then: str
    columns: tuple[tuple[str, str], ...]
    changed_bytes: int | None
    total_bytes: int


@dataclass(frozen=True)
class Step:
    name: str
    how: How
    why: str
    since: int = -1


def plan(pins: Iterable[Pinned], held: Mapping[str, Held], found: Mapping[str, Found]) -> list[Step]:
    """One step for each table of the new release and each that is no longer in it. `found` has the tables that moved."""
    pins = list(pins)
    steps = [_step(pin, held.get(pin.table.name), found) for pin in pins]
    names = {pin.table.name for pin in pins}
    return steps + [Step(name, "drop", "no longer in the lake") for name in held if name not in names]


def _step(pin: Pinned, held: Held | None, all_found: Mapping[str, Found]) -> Step:
    name = pin.table.name
    if held is None:
        return Step(name, "whole", "new table")
    if (held.version, held.commit) == (pin.version, pin.commit):
        return Step(name, "keep", f"still at version {pin.version}", held.version)
    found = all_found[name]
    if held.version >= pin.version or held.commit != found.commit_then:
        return Step(name, "whole", f"its version {held.version} is not the published one: made again, or restored")
    if held.columns != found.columns:
        return Step(name, "whole", f"columns changed: {_difference(held.columns, found.columns)}", held.version)
    if found.changed_bytes == 0:
        return Step(name, "keep", f"versions {held.version + 1} to {pin.version} moved rows and changed none", held.version)
    if not pin.table.key:
        return Step(name, "whole", "has no key to apply changes by", held.version)
    if found.changed_bytes is None:
        return Step(name, "whole", f"no change feed back to version {held.version}", held.version)
    if found.changed_bytes > max(FEED_FLOOR, FEED_SHARE * found.total_bytes):
        share = found.changed_bytes / max(found.total_bytes, 1)
        return Step(name, "whole", f"changes are {share:.0%} of the table's size", held.version)
    return Step(name, "changes", f"changes of versions {held.version + 1} to {pin.version}", held.version)


def _difference(old: tuple[tuple[str, str], ...], new: tuple[tuple[str, str], ...]) -> str:
    before, after = dict(old), dict(new)
    parts = [f"+{name}" for name in after if name not in before] + [f"-{name}" for name in before if name not in after]
    parts += [f"{name} {before[name]} to {after[name]}" for name in after if name in before and before[name] != after[name]]
    return ", ".join(parts) or "order"
