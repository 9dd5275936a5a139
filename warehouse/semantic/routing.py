"""The smallest table that answers exactly: a rollup where it holds every measure asked for, else the fact itself."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import ibis.expr.types as ir

from warehouse.semantic.calendar import NOW, When
from warehouse.semantic.star import Star, adds_up


@dataclass(frozen=True)
class Source:
    """The model that answers, and each measure's expression over its table."""

    model: str
    measures: Mapping[str, str]


def route(
    star: Star,
    model: str,
    measures: Mapping[str, str],
    by: Collection[str],
    cut: Collection[str],
    when: When,
    sizes: Mapping[str, int],
) -> Source:
    """Where `measures` of `model` come from. `by` and `cut` are the dimensions of rows and condition; `sizes` rows by table.

    A sum is added up from a rollup that has the dimensions. A distinct count is only read where each row of the answer is one
    row of the rollup: by its whole grain, in the days as they are.
    """
    found = [Source(model, measures)]
    for name, declared in star.declared.models.items():
        if declared.rolls_up != model or not star.has(name):
            continue
        reach = star.declared.reach(name)
        if any(dimension not in reach for dimension in (*by, *cut)):
            continue
        if when != NOW and not any(star.declared.models[join].calendar for join in declared.joins):
            continue
        whole = when == NOW and set(declared.grain) <= set(by)
        held = {metric: _column(star, model, name, metric, said, whole) for metric, said in measures.items()}
        if None not in held.values():
            found.append(Source(name, {metric: f"_.{column}.sum()" for metric, column in held.items()}))
    models = star.declared.models
    return min(found, key=lambda source: (source.model == model, sizes.get(models[source.model].table, 0)))


def _column(star: Star, model: str, rollup: str, metric: str, said: str, whole: bool) -> str | None:
    """The rollup's column that has the value of a measure; None where it has none, or none that may be added up."""
    measure = measured(star, model, metric, said)
    if not (whole or adds_up(measure)):
        return None
    declared = star.declared.models[rollup]
    columns = star.tables[declared.table].columns
    for column, held in declared.holds.items():
        if column in columns and measured(star, model, f"models/{rollup}", held).equals(measure):
            return column
    return None


def measured(star: Star, model: str, file: str, said: str) -> ir.Value:
    """A measure over a fact; `file`, without its ending, is the one that says it."""
    return star.measure(model, f"{star.declared.folder / file}.yml", said)
