"""A declared model as one of boring-semantic-layer's, on the tables of a release.

Only joins to one row are declared, so a fact's rows stay what they are; `Joined` is what must be unique for that.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import boring_semantic_layer as bsl
import ibis.expr.operations as ops
import ibis.expr.types as ir
from boring_semantic_layer.safe_eval import safe_eval
from returns.result import Failure

from lake.errors import UsageError
from warehouse.semantic.declared import Declared, Model

Tables = Mapping[str, ir.Table]


@dataclass(frozen=True)
class Joined:
    """A table that is joined to by a column, of whose values each must be there once."""

    model: str
    table: str
    column: str


class Star:
    """The declared models over the tables of one release. `tables` are its tables, `gold.fact_sales` and so on."""

    def __init__(self, declared: Declared, tables: Tables) -> None:
        self.declared = declared
        self.tables = tables

    def has(self, model: str) -> bool:
        """Whether the release has the tables of a model."""
        return all(self.declared.models[name].table in self.tables for name in (model, *self.declared.models[model].joins))

    def rows(self, model: str) -> ir.Table:
        """The table of a model, with only the rows that the model is of."""
        declared = self.declared.models[model]
        if declared.table not in self.tables:
            raise UsageError(f"model {model} is of {declared.table}, which this release does not have")
        table = self.tables[declared.table]
        return table.filter(self._said(model, "filter", declared.filter, table)) if declared.filter else table

    def semantic_rows(self, model: str) -> ir.Table:
        """`rows` with the model's own dimensions as columns: a condition would find a column of the table before a dimension."""
        rows, declared = self.rows(model), self.declared.models[model]
        return rows.mutate(
            **{name: self._said(model, f"dimensions.{name}", d.expr, rows) for name, d in declared.dimensions.items()}
        )

    def members(self, model: str, key: str) -> ir.Table:
        """A dimension's table: its key, its day if it is the calendar, its dimensions; computed once a member, not a fact."""
        table = self.rows(model)
        declared = self.declared.models[model]
        self._column(model, table, key)
        shown = {name: self._said(model, f"dimensions.{name}", d.expr, table) for name, d in declared.dimensions.items()}
        day = {f"{model}__day": table[declared.calendar]} if declared.calendar else {}
        return table.select(**{_key(model): table[key]}, **day, **shown)

    def joined(self, model: str, dimensions: Iterable[str]) -> list[Joined]:
        """The joins that these dimensions take from a model."""
        reach, declared = self.declared.reach(model), self.declared.models[model]
        used = {reach[name] for name in dimensions} - {model}
        return [Joined(name, self.declared.models[name].table, declared.joins[name].right_on) for name in sorted(used)]

    def measure(self, model: str, key: str, expression: str) -> ir.Value:
        """A measure of a model, over `rows`. `key` names the file that says it."""
        found = self._said(model, key, expression, self.rows(model))
        if not found.op().shape.is_scalar():
            raise UsageError(f"{key}: {expression} is a value of each row; a measure is one of many rows, such as _.amount.sum()")
        return found

    def semantic(self, model: str, measures: Mapping[str, str], joined: Iterable[str], members: Tables) -> Any:
        """The model for boring-semantic-layer, with these measures and joins; `members` stand in for joined models' tables."""
        declared = self.declared.models[model]
        tables = {model: self.semantic_rows(model)}
        config: dict[str, Any] = {}
        joins = {name: declared.joins[name] for name in joined}
        for name, join in joins.items():
            tables[name] = members[name] if name in members else self.members(name, join.right_on)
            config[name] = {"table": name, "dimensions": _bare(self.declared.models[name])}
            self._column(model, tables[model], join.left_on)
        config[model] = {
            "table": model,
            "dimensions": _bare(declared),
            "measures": dict(measures),
            "joins": {name: {**join.model_dump(), "right_on": _key(name)} for name, join in joins.items()},
        }
        try:
            return bsl.from_config(config, tables=tables)[model]
        except (bsl.BSLError, ValueError, KeyError, AttributeError) as error:
            raise UsageError(f"{self.declared.folder / 'models' / model}.yml: {' '.join(str(error).split())}") from error

    def _column(self, model: str, table: ir.Table, column: str) -> None:
        if column not in table.columns:
            file = self.declared.folder / "models" / model
            raise UsageError(f"{file}.yml: {self.declared.models[model].table} has no column {column} to join by")

    def _said(self, model: str, key: str, expression: str, table: ir.Table) -> ir.Value:
        """An expression of a file, over a table."""
        file = f"{self.declared.folder / 'models' / model}.yml: {key}" if "/" not in key else key
        evaluated = safe_eval(expression, context={"_": table})
        if isinstance(evaluated, Failure):
            raise UsageError(f"{file}: {expression}: {' '.join(str(evaluated.failure()).split())}")
        found = evaluated.unwrap()
        if not isinstance(found, ir.Value):
            raise UsageError(f"{file}: {expression} is no expression over {self.declared.models[model].table}")
        return found


def adds_up(measure: ir.Value) -> bool:
    """Whether the values of parts add up to the value of the whole."""
    return isinstance(measure.op(), ops.Sum | ops.Count | ops.CountStar)


def is_zero_of_nothing(measure: ir.Value) -> bool:
    """Whether no rows give 0."""
    return adds_up(measure) or isinstance(measure.op(), ops.CountDistinct | ops.CountDistinctStar)


def _key(model: str) -> str:
    return f"{model}__key"  # a name that no fact's column has


def _bare(model: Model) -> dict[str, str]:
    """Dimensions that are columns already; a row without a match has none of them."""
    return {n: f"_.{n}" if d.unknown is None else f"_.{n}.fill_null({d.unknown!r})" for n, d in model.dimensions.items()}
