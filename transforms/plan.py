"""Which tables must run, in which order and how: decided from facts alone, without clock, disk or engine."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Literal

from lake.errors import UsageError
from transforms.table import ByGroup, ByKey, History, Table

How = Literal["skip", "rebuild", "by_key", "by_group", "history"]
# In `Step.reads`: an input not consumed yet, and the version that an earlier step of the same build will write.
NEVER = -1
PENDING = -2


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
    """What to do with one table, and why."""

    table: str
    how: How
    reads: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # input -> (consumed, up to], Delta versions
    why: str = ""


Progress = Mapping[tuple[str, str], Seen]  # (table, input) -> what was consumed
Versions = Mapping[str, At]  # only what is there: an input that is not in it was never captured or built


def plan(
    tables: Mapping[str, Table],
    progress: Progress,
    versions: Versions,
    *,
    full: Collection[str] = (),
    unfit: Mapping[str, str] | None = None,
) -> list[Step]:
    """A step for every table, inputs first; `full` names tables to compute whole whatever changed, `unfit` those that cannot be.

    A step whose input an earlier step will write is planned as if that input had changed (its version is PENDING).
    """
    known = dict(versions)
    steps = []
    for name in order(tables):
        why = (unfit or {}).get(name)
        step = Step(name, "skip", why=why) if why else decide(tables[name], progress, known, full=name in full)
        steps.append(step)
        if step.how != "skip":
            known[name] = At(PENDING)
    return steps


def decide(table: Table, progress: Progress, versions: Versions, *, full: bool = False) -> Step:
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
    why = _whole(table, progress, versions, full)
    if why:
        return Step(table.name, "rebuild", reads, why)
    changed = [name for name, (since, upto) in reads.items() if since != upto]
    if not changed:
        return Step(table.name, "skip", reads, "nothing new")
    news = ", ".join(_news(name, *reads[name]) for name in changed)
    undeclared = [name for name in changed if name != table.driving and name not in table.lookups]
    match table.update:
        case ByKey() | ByGroup() | History() if undeclared:
            return Step(table.name, "rebuild", reads, f"{undeclared[0]} changed, and no lookup says which rows that touches")
        case ByKey():
            return Step(table.name, "by_key", reads, news)
        case ByGroup():
            return Step(table.name, "by_group", reads, news)
        case History():
            return Step(table.name, "history", reads, news)
        case _:
            return Step(table.name, "rebuild", reads, news)


def order(tables: Mapping[str, Table]) -> list[str]:
    """Names of the tables, inputs before those that read them. UsageError on a cycle or an input that nobody declares."""
    graph: dict[str, list[str]] = {}
    for name, declared in tables.items():
        graph[name] = [read for read in declared.depends if read in tables]
        for read in declared.depends:
            if read.startswith(("silver.", "gold.")) and read not in tables:
                raise UsageError(f"{declared.file}: reads {read}, which no file declares")
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise UsageError(f"the tables read each other in a circle: {' <- '.join(error.args[1])}") from None


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
    if table.name not in versions:
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
