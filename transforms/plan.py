"""Which tables must run, in which order and how: decided from facts alone, without clock, disk or engine."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from graphlib import CycleError, TopologicalSorter
from typing import Literal

from lake.errors import UsageError
from transforms.declaration import ByGroup, ByKey, History, Table, Update, silver_of

How = Literal["skip", "refused", "rebuild", "by_key", "by_group", "history"]
Days = tuple[date, date]  # the first and the last
# In `Step.reads`: an input not consumed yet, and the version that an earlier step of the same build will write.
NEVER = -1
PENDING = -2
# Reasons for which a strict table is computed as a whole.
_EVEN_STRICT = ("asked for", "first build")


@dataclass(frozen=True)
class At:
    """A version of an input; of a bronze table also the generation that counts (0: no snapshot is complete yet).

    Rows whose `_sequence` is `below` or more belong to a snapshot that is not finished.
    """

    version: int
    generation: int = 0
    below: int = 2**63 - 1


@dataclass(frozen=True)
class Seen:
    """What a table had consumed of an input when it was last written, and the fingerprint of its code then."""

    version: int
    generation: int
    fingerprint: str


@dataclass(frozen=True)
class Step:
    """What to do with one table, and why. A step that is `refused` would take a rebuild, which the table forbids (strict)."""

    table: str
    how: How
    reads: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # input -> (consumed, up to], Delta versions
    why: str = ""
    window: Days | None = None  # days whose rows are computed again beside those that changed


Progress = Mapping[tuple[str, str], Seen]  # (table, input) -> what was consumed
Versions = Mapping[str, At]  # only what is there: an input that is not in it was never captured or built


def plan(
    tables: Mapping[str, Table],
    progress: Progress,
    versions: Versions,
    *,
    chosen: Collection[str] | None = None,
    full: bool = False,
    between: Days | None = None,
    unfit: Mapping[str, str] | None = None,
) -> list[Step]:
    """A step for every table, or for those `chosen`, inputs first; `unfit` says why a table cannot be built.

    A step whose input an earlier step will write is planned as if that input had changed (its version is PENDING).
    """
    known, stopped = dict(versions), set[str]()
    steps = []
    for name in order(tables):
        if chosen is not None and name not in chosen:
            continue
        step = after(tables[name], stopped, unfit or {}) or decide(tables[name], progress, known, full=full, between=between)
        steps.append(step)
        if step.how == "refused" or any(read in stopped for read in tables[name].depends):
            stopped.add(name)
        elif step.how != "skip":
            known[name] = At(PENDING)
    return steps


def after(table: Table, stopped: Collection[str], unfit: Mapping[str, str]) -> Step | None:
    """A skip where nothing can be done: an input failed, or is of another shape."""
    broken = next((read for read in table.depends if read in stopped), None)
    why = f"{broken} failed" if broken else unfit.get(table.name, "")
    return Step(table.name, "skip", why=why) if why else None


def decide(table: Table, progress: Progress, versions: Versions, *, full: bool = False, between: Days | None = None) -> Step:
    """What to do with one table, given the versions of its inputs as they are now."""
    reads: dict[str, tuple[int, int]] = {}
    for name in table.inputs:
        at = versions.get(name)
        if at is None:
            return Step(table.name, "skip", why=_absent(name))
        if name.startswith(("bronze.", "changes.")) and at.generation == 0:
            return Step(table.name, "skip", why=f"the first snapshot of {name} is not complete")
        seen = progress.get((table.name, name))
        reads[name] = (seen.version if seen else NEVER, at.version)
    if between and not table.dated:
        return Step(table.name, "skip", reads, "its rows have no day (dated): a backfill leaves it")
    changed = [name for name, (since, upto) in reads.items() if since != upto]
    why = _whole(table, progress, versions, full)
    if not why and not changed and not between:
        return Step(table.name, "skip", reads, "nothing new")
    how = _by_change(table.update)
    why = why or ("" if how == "rebuild" else _cannot_follow(table, changed))
    if why and table.strict and why not in _EVEN_STRICT:
        return Step(table.name, "refused", reads, refusal(table, why))
    news = [_news(name, *reads[name]) for name in changed]
    if why:
        return Step(table.name, "rebuild", reads, why)
    if between:
        news.insert(0, f"days {between[0]} to {between[1]}")
    return Step(table.name, how, reads, ", ".join(news), between)


def refusal(table: Table, why: str) -> str:
    """What to say when a strict table would have to be rebuilt."""
    return f"strict, and {why}; to rebuild it: cartlake build --full {table.name}"


def _by_change(update: Update) -> How:
    match update:
        case ByKey():
            return "by_key"
        case ByGroup():
            return "by_group"
        case History():
            return "history"
        case _:
            return "rebuild"


def _cannot_follow(table: Table, changed: Sequence[str]) -> str:
    """Why the rows that differ cannot be told from the changes, where they cannot."""
    undeclared = [name for name in changed if name not in (table.driving, *table.grouped, *table.lookups)]
    if undeclared:
        return f"{undeclared[0]} changed, and no lookup says which rows that touches"
    together = [rule.name for rule in table.rules if rule.unique]
    return f"the rule {together[0]!r} judges all rows together" if together else ""


def order(tables: Mapping[str, Table]) -> list[str]:
    """Names of the tables, inputs before those that read them. UsageError on a cycle or an input that nobody declares."""
    graph: dict[str, list[str]] = {}
    for name, declared in tables.items():
        graph[name] = [read for read in declared.depends if read in tables]
        for read in declared.depends:
            needed = silver_of(read) or read
            if needed.startswith(("silver.", "gold.")) and needed not in tables:
                raise UsageError(f"{declared.file}: reads {read}, and no file declares {needed}")
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        circle = " <- ".join(f"{name} ({tables[name].file})" for name in error.args[1])
        raise UsageError(f"the tables read each other in a circle: {circle}") from None


def choose(tables: Mapping[str, Table], patterns: Sequence[str]) -> set[str]:
    """Names that dbt-like patterns select: `T`, `+T` with what it reads, `T+` with what reads it. UsageError: unknown name."""
    chosen: set[str] = set()
    for pattern in patterns:
        bare = pattern.strip("+")
        matches = [name for name in tables if bare in (name, name.split(".", 1)[1])]
        if not matches:
            raise UsageError(f"no table is named {bare}; cartlake tables lists them")
        wanted = set(matches)
        if pattern.startswith("+"):
            wanted |= _reach(matches, {name: declared.depends for name, declared in tables.items()})
        if pattern.endswith("+"):
            readers: dict[str, list[str]] = {}
            for name, declared in tables.items():
                for read in declared.depends:
                    readers.setdefault(read, []).append(name)
            wanted |= _reach(matches, readers)
        chosen |= wanted & tables.keys()
    return chosen


def _reach(start: Sequence[str], edges: Mapping[str, Sequence[str]]) -> set[str]:
    found: set[str] = set()
    todo = list(start)
    while todo:
        for name in edges.get(todo.pop(), ()):
            if name not in found:
                found.add(name)
                todo.append(name)
    return found


def _whole(table: Table, progress: Progress, versions: Versions, full: bool) -> str:
    """The reason why nothing less than the whole table will do, if there is one."""
    if full:
        return "asked for"
    if table.name not in versions or not any((table.name, name) in progress for name in table.inputs):
        return "first build"
    for name in table.inputs:
        seen, at = progress.get((table.name, name)), versions[name]
        if seen is None:
            return f"{name} was never consumed"
        if seen.fingerprint != table.fingerprint:
            return f"the code in {table.file} changed"
        if seen.generation != at.generation:
            return f"a new snapshot of {name} is complete"
        if PENDING < at.version < seen.version:
            return f"{name} went back from version {seen.version} to {at.version}"
    return ""


def _absent(name: str) -> str:
    return f"{name} was never captured" if name.startswith(("bronze.", "changes.")) else f"{name} is not built"


def _news(name: str, since: int, upto: int) -> str:
    return f"{name} will change" if upto == PENDING else f"{name} changed (version {since} to {upto})"
