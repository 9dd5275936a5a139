"""How each source stands by the marks that capture left in the lake, and which tables are made of it.

No source is asked. So nothing is called up to date whose capture has stopped, and nothing is said of changes that nobody has
looked for.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from lake import positions
from lake.config import Settings
from lake.delta import Lake
from lake.status import TableStatus
from warehouse.dashboard.health.ages import age, duration

# Such a table's log is read on even when nothing comes; other captures leave a mark with what is new alone.
_FOLLOWED = "cdc"


@dataclass(frozen=True)
class SourceStatus:
    """A source as the lake knows it. `captured`: when bronze last went on; `changed`: its clock at the newest change in bronze.

    `late`: capture should have left a mark since; `error`: why it or one of its tables could not go on. `told` says it in words.
    """

    name: str
    tables: int
    captured: datetime | None
    changed: datetime | None
    late: bool
    error: str
    told: str


def of_sources(settings: Settings, lake: Lake, stand: Iterable[TableStatus], now: datetime) -> list[SourceStatus]:
    """Every source that is captured or is to be, `stand` being its tables.

    One whose log is followed is late when nothing was captured for `dashboard.late_after`. Any other may just have had nothing
    new: it is late where no other source shows that capture runs. One that is not configured any more is never late.
    """
    tables: dict[str, list[TableStatus]] = {name: [] for name in settings.sources}
    for one in stand:
        tables.setdefault(one.source, []).append(one)
    marks = {name: max((one.last_capture for one in held if one.last_capture), default=None) for name, held in tables.items()}
    new = {name for name, mark in marks.items() if mark and now - mark <= settings.dashboard.late_after}
    followed = {name for name, held in tables.items() if any(one.mode == _FOLLOWED for one in held)}
    found = []
    for name, held in tables.items():
        changed = max((one.last_change for one in held if one.last_change), default=None)
        errors = [one.error for one in held if one.error] if held else _errors(lake, name)
        must = bool(held) and name in settings.sources and (name in followed or not followed & new)
        late = must and name not in new
        told = _told(marks[name], now, new=name in new, late=late, sure=name in followed)
        if name not in settings.sources:
            told = f"not in the settings any more; {told}"
        if errors:
            told = f"capture failed: {errors[0]}"
        found.append(SourceStatus(name, len(held), marks[name], changed, late, errors[0] if errors else "", told))
    return found


def _told(mark: datetime | None, now: datetime, *, new: bool, late: bool, sure: bool) -> str:
    if mark is None:
        return "nothing is captured yet"
    if late:
        return f"last captured {age(mark, now)}" + ("" if sure else ", or nothing new came since")
    return "captured in time" if new else f"nothing new for {duration((now - mark).total_seconds())}"


def _errors(lake: Lake, source: str) -> list[str]:
    """What stopped a source before its first table."""
    failure = positions.failures(positions.facts(lake, source)).get("")
    return [str(failure.position.get("error", ""))] if failure else []


def origins(sources: Mapping[str, str], edges: Iterable[tuple[str, str]]) -> dict[str, frozenset[str]]:
    """The sources that each table is made of, however far back.

    `sources` is bronze table -> source, `edges` lead from what is read to what reads it.
    """
    found = {name: {source} for name, source in sources.items()}
    ways: dict[str, list[str]] = {}
    for start, end in edges:
        ways.setdefault(start, []).append(end)
    ahead = list(found)
    while ahead:
        start = ahead.pop()
        for end in ways.get(start, ()):
            held = found.setdefault(end, set())
            if not found[start] <= held:
                held |= found[start]
                ahead.append(end)
    return {name: frozenset(held) for name, held in found.items()}
