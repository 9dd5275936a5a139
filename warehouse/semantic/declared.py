"""What the files of warehouse/metrics can say, and what follows from it.

A metric is one file `NAME.yml`; a model is one file `models/NAME.yml`: a table, its dimensions and its joins. The keys `table`,
`filter`, `dimensions`, `joins` and `measure` are boring-semantic-layer's, and so is the language of expressions; the others
(formats, ratios, windows, rollups) say what it has no word for.
"""

import ast
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Grain = Literal["day", "week", "month", "quarter", "year"]
KINDS = ("measure", "ratio", "calculated", "growth", "moving")


class Said(BaseModel):
    """Part of a file: no key but those named."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Dimension(Said):
    expr: str
    description: str
    is_time_dimension: bool = False
    smallest_time_grain: Grain | None = None
    unknown: str | None = None
    """What a null shows as, and a row without a match in the dimension's table."""


class Join(Said):
    model: str
    type: Literal["one"]
    left_on: str
    right_on: str


class Model(Said):
    """A table with what it can be cut by. One that `rolls_up` another only answers for it, where that is exact."""

    table: str
    description: str
    filter: str | None = None
    dimensions: dict[str, Dimension] = {}
    joins: dict[str, Join] = {}
    calendar: str | None = None
    """Of the model of days: the column that is the day."""
    rolls_up: str | None = None
    grain: tuple[str, ...] = ()
    """Of a rollup: the dimensions that have one row for each combination of values."""
    holds: dict[str, str] = {}
    """Of a rollup: column -> the measure of the fact whose value it has."""


class Ratio(Said):
    of: str
    to: str


class Moving(Said):
    of: str
    days: Annotated[int, Field(ge=2, le=366)]


class Metric(Said):
    """Exactly one of KINDS says what it is; `model` goes with `measure`."""

    description: str
    format: Literal["money", "count", "percent", "number"]
    unit: str
    model: str | None = None
    measure: str | None = None
    ratio: Ratio | None = None
    calculated: str | None = None
    growth: str | None = None
    moving: Moving | None = None

    @property
    def kind(self) -> str:
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def of(self) -> tuple[str, ...]:
        """The metrics that it is computed from."""
        if self.ratio:
            return self.ratio.of, self.ratio.to
        if self.calculated is not None:
            return tuple(names_in(self.calculated))
        return tuple(name for name in (self.growth, self.moving and self.moving.of) if name)

    @model_validator(mode="after")
    def _one_kind(self) -> "Metric":
        said = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(said) != 1:
            raise ValueError(f"say exactly one of {', '.join(KINDS)}" + (f", not {' and '.join(said)}" if said else ""))
        if (self.measure is None) != (self.model is None):
            raise ValueError("model and measure go together: the measure is an expression over the model's table")
        if self.calculated is not None:
            _parsed(self.calculated)
        return self


class Declared(BaseModel):
    model_config = ConfigDict(frozen=True)
    folder: Path
    metrics: dict[str, Metric]
    models: dict[str, Model]

    def reach(self, model: str) -> dict[str, str]:
        """The dimensions of a model, its own and those of the models it joins, each with the model that has it."""
        declared = self.models[model]
        own = dict.fromkeys(declared.dimensions, model)
        return own | {name: join for join in declared.joins for name in self.models[join].dimensions}

    def bases(self, metric: str) -> list[str]:
        """The measures that a metric is computed from in the end; itself if it is one."""
        of = self.metrics[metric].of
        return list(dict.fromkeys(base for name in of for base in self.bases(name))) if of else [metric]

    def model_of(self, base: str) -> str:
        return str(self.metrics[base].model)

    def dimensions(self, metric: str) -> list[str]:
        """What a metric can be cut by: the dimensions that all its measures have."""
        reached = [self.reach(self.model_of(base)) for base in self.bases(metric)]
        return [name for name in reached[0] if all(name in other for other in reached)]

    def dimension(self, name: str) -> Dimension:
        return next(model.dimensions[name] for model in self.models.values() if not model.rolls_up and name in model.dimensions)

    def listed(self) -> list[dict[str, str]]:
        """Every metric with what it means and can be cut by, for people."""
        return [
            {
                "metric": name,
                "description": metric.description,
                "format": metric.format,
                "unit": metric.unit,
                "dimensions": ", ".join(self.dimensions(name)),
            }
            for name, metric in self.metrics.items()
        ]

    def facts(self) -> dict[str, Model]:
        """The models that are no rollups."""
        return {name: model for name, model in self.models.items() if not model.rolls_up}


def _parsed(expression: str) -> ast.Expression:
    try:
        return ast.parse(expression, mode="eval")
    except SyntaxError as error:
        raise ValueError(f"{expression}: {error.msg}") from error


def names_in(expression: str) -> list[str]:
    """The `x` of every `_.x` in an expression."""
    tree = _parsed(expression)
    found = [
        n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == "_"
    ]
    return list(dict.fromkeys(found))
