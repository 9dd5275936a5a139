"""The rows behind a number: those of its fact that a condition lets through, with the names that their keys stand for."""

import ibis.expr.types as ir
from sqlglot import exp

from warehouse.semantic import where
from warehouse.semantic.star import Star


def rows_behind(star: Star, model: str, condition: exp.Expr | None) -> ir.Table:
    """A model's rows with their dimensions, cut to a condition over these; without keys, which mean nothing to people."""
    declared = star.declared.models[model]
    found = star.semantic_rows(model)
    for name, join in declared.joins.items():
        members = star.members(name, join.right_on)
        own = [column for column in members.columns if column in star.declared.models[name].dimensions]
        # A name of a dimension wins over a column of the fact, as it does in a condition.
        found = found.drop(*(column for column in own if column in found.columns))
        key = members.columns[0]
        found = found.left_join(members.select(key, *own), found[join.left_on] == members[key]).drop(key)
        unknown = {n: d.unknown for n, d in star.declared.models[name].dimensions.items() if d.unknown is not None}
        found = found.mutate(**{n: found[n].fill_null(text) for n, text in unknown.items()})
    if condition is not None:
        found = found.filter(where.condition(condition, found.__getitem__))
    dimensions = [name for name in star.declared.reach(model) if name in found.columns]
    others = [name for name in found.columns if name not in dimensions and not name.endswith("_key")]
    return found.select(*dimensions, *others)
