"""Up to which position of its source a captured table has everything: from its rows and from the facts beside them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from lake.bronze import State
from lake.positions import Fact
from lake.sources.base import Position


class Reached(NamedTuple):
    """Where a table's changes go on, and the epoch that they will have."""

    position: Position
    epoch: int


def reached(
    name: str,
    state: State,
    facts: Sequence[Fact],
    later: Callable[[Position, Position], Position],
    version: int | None = None,
) -> Reached | None:
    """Where the changes of bronze table `name` go on, in the words of its source's reader; None before its first batch.

    `state` is the table's, now or at a version: then only facts that were true of that version count.
    """
    if state.position is None:
        return None
    at: Position = state.position["at"]
    epoch = state.epoch
    for fact in facts:
        if fact.kind != "reached" or not fact.position or fact.tables.get(name) != state.generation:
            continue
        if version is not None and fact.versions.get(name, version + 1) > version:
            continue
        then = fact.epochs.get(name, state.generation)
        if then > epoch:  # another server is followed since
            at, epoch = fact.position, then
        elif then == epoch:
            at = later(at, fact.position)
    return Reached(at, epoch)
