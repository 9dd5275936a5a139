"""Plain names for segments: made from a centre, and carried from one model to the next."""

import numpy as np

from ml.segments.served import Node, Segments
from ml.segments.space import AXES

_FAR = 0.25  # of the space's side: a centre this far from where its name was given is another kind of customer
Centre = tuple[float, ...]


def carried(root: Node, before: Segments | None) -> Segments:
    """A fitted tree with names: those of the model before where its segments are still there."""
    known = list(zip(before.names, before.born, strict=True)) if before else []
    given = named([leaf.centre for leaf in root.leaves()], known, before.gone if before else ())
    names = tuple(name for name, _ in given)
    gone = tuple(name for name in (*before.gone, *before.names) if name not in names) if before else ()
    return Segments(root, names, tuple(place for _, place in given), gone)


def named(centres: list[Centre], known: "list[tuple[str, Centre]]", gone: tuple[str, ...] = ()) -> list[tuple[str, Centre]]:
    """A name for each centre, with the place at which it was given. `known` are the names of the model before, `gone` those of
    older ones: whoever kept one must not find other customers under it.

    Each centre takes the name of the nearest known one, so that all of them together move least (Hungarian method), unless that
    is too far; then it gets a name of its own. No two are equal.
    """
    found: dict[int, tuple[str, Centre]] = {}
    if known:
        from scipy.optimize import linear_sum_assignment

        distance = np.linalg.norm(np.array(centres)[:, None] - np.array([place for _, place in known])[None], axis=2)
        # What is too far costs the same however far it is: it must not push others from their own names.
        cost = np.where(distance <= _FAR, distance, 4.0)
        for new, old in zip(*linear_sum_assignment(cost), strict=True):
            if distance[new, old] <= _FAR:
                found[int(new)] = known[int(old)]
    taken = {*gone, *(name for name, _ in known)}  # nor does a new one take the name of one that is gone
    for number, centre in enumerate(centres):
        if number not in found:
            name = _free(described(centre), taken)
            taken.add(name)
            found[number] = (name, centre)
    return [found[number] for number in range(len(centres))]


def described(centre: Centre) -> str:
    """What a centre says in words: how lately they bought, how often, and how much at a time."""
    days, orders, basket = (_value(name, place) for name, place in zip(AXES, centre, strict=True))
    activity = "Active" if days <= 60 else "Cooling" if days <= 200 else "Lapsed"
    habit = "regulars" if orders >= 8 else "repeat buyers" if orders >= 2.5 else "one-time buyers"
    size = "large baskets" if basket >= 400 else "medium baskets" if basket >= 60 else "small baskets"
    return f"{activity} {habit}, {size}"


def _value(name: str, place: float) -> float:
    low, high = AXES[name]
    return float(low * (high / low) ** place)


def _free(name: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    return next(other for number in range(2, 100) if (other := f"{name} {number}") not in taken)
