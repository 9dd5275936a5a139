"""The smallest tables that answer exactly: rollups where each measure asked for is in one, else the fact itself."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import ibis.expr.types as ir

from warehouse.semantic.calendar import NOW, When
from warehouse.semantic.star import Star, adds_up

Once = Callable[[Star, str, str], bool]  # warehouse.semantic.once


@dataclass(frozen=True)
class Source:
    """The model that answers, and each measure's expression over its table."""

    model: str
    measures: Mapping[str, str]


@dataclass(frozen=True)
class Release:
    """What routing asks of a release: rows by table, and which distinct counts add up."""

    sizes: Mapping[str, int]
    once: Once = lambda star, rollup, column: False


def route(
    star: Star,
    model: str,
    measures: Mapping[str, str],
    by: Collection[str],
    cut: Collection[str],
    when: When,
    release: Release,
) -> list[Source]:
    """Where `measures` of `model` come from. `by` and `cut` are the dimensions of rows and condition.

    A sum is added up from a rollup that has the dimensions. A distinct count is only where nothing is counted in two rows, or
    read where each row of the answer is one row of the rollup: by its whole grain, in the days as they are. One rollup that has
    every measure answers alone, the smallest of such; else several may; the fact, if it must be read, answers everything.
    """
    held = {name: _held(star, name, model, measures, by, cut, when, release.once) for name in star.declared.models}
    held = {name: columns for name, columns in held.items() if columns}
    models = star.declared.models

    def size(name: str) -> int:
        return release.sizes.get(models[name].table, 0)

    whole = [name for name, columns in held.items() if columns.keys() == measures.keys()]
    if whole:
        best = dict.fromkeys(measures, min(whole, key=size))
    else:
        able = {metric: [name for name, columns in held.items() if metric in columns] for metric in measures}
        if not all(able.values()):
            return [Source(model, measures)]
        best = {metric: min(names, key=size) for metric, names in able.items()}
    return [
        Source(name, {metric: f"_.{held[name][metric]}.sum()" for metric, chosen in best.items() if chosen == name})
        for name in dict.fromkeys(best.values())
    ]


def _held(
    star: Star,
    rollup: str,
    model: str,
    measures: Mapping[str, str],
    by: Collection[str],
    cut: Collection[str],
    when: When,
    once: Once,
) -> dict[str, str]:
    """The measures that a rollup can answer, each with its column."""
    declared = star.declared.models[rollup]
    if declared.rolls_up != model or not star.has(rollup):
        return {}
    reach = star.declared.reach(rollup)
    if any(dimension not in reach for dimension in (*by, *cut)):
        return {}
    if when != NOW and not any(star.declared.models[join].calendar for join in declared.joins):
        return {}
    own = when == NOW and set(declared.grain) <= set(by)
    found = {}
    for metric, said in measures.items():
        column = _column(star, model, rollup, metric, said)
        if column and (own or adds_up(measured(star, model, metric, said)) or once(star, rollup, column)):
            found[metric] = column
    return found


def _column(star: Star, model: str, rollup: str, metric: str, said: str) -> str | None:
    """The rollup's column that has the value of a measure; None where it has none."""
    measure, declared = measured(star, model, metric, said), star.declared.models[rollup]
    columns = star.tables[declared.table].columns
    for column, held in declared.holds.items():
        if column in columns and measured(star, model, f"models/{rollup}", held).equals(measure):
            return column
    return None


def measured(star: Star, model: str, file: str, said: str) -> ir.Value:
    """A measure over a fact; `file`, without its ending, is the one that says it."""
    return star.measure(model, f"{star.declared.folder / file}.yml", said)
