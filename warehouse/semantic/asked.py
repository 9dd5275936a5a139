"""A question, and whether it has an answer: what cannot be cut in a way is refused with the reason and what can."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from lake.errors import UsageError
from warehouse.errors import like
from warehouse.semantic import where as condition
from warehouse.semantic.calendar import finest
from warehouse.semantic.declared import Declared, Metric


@dataclass(frozen=True)
class Question:
    """`order` is names with whether they go down; `rollups` whether a rollup may answer."""

    metrics: tuple[str, ...]
    by: tuple[str, ...] = ()
    where: exp.Expr | None = None
    order: tuple[tuple[str, bool], ...] = ()
    limit: int | None = None
    rollups: bool = True


def question(
    declared: Declared,
    metrics: Sequence[str],
    by: Sequence[str] = (),
    where: str | None = None,
    order: Sequence[str] = (),
    limit: int | None = None,
    rollups: bool = True,
) -> Question:
    """The question, checked. `order` is names, each with ` desc` after it or without. UsageError says what is wrong with it."""
    tree = condition.parse(where) if where else None
    asked = Question(_once(metrics), _once(by), tree, tuple(_direction(said) for said in order), limit, rollups)
    check(declared, asked)
    return asked


def check(declared: Declared, asked: Question) -> None:
    """UsageError, with the way out, for a question that has no answer."""
    if not asked.metrics:
        raise UsageError(f"name a metric; there are {', '.join(sorted(declared.metrics))}")
    every = sorted({name for model in declared.facts().values() for name in model.dimensions})
    for name in asked.metrics:
        if name not in declared.metrics:
            raise UsageError(f"there is no metric {name}{like(name, declared.metrics)}")
    used = list(asked.by)
    if asked.where is not None:
        used += condition.dimensions_of(asked.where)
    condition.known(used, every)
    for name in asked.metrics:
        for dimension in used:
            if dimension not in declared.dimensions(name):
                raise UsageError(_cannot(declared, name, dimension))
        _check_days(declared, name, declared.metrics[name], asked)
    shown = [*asked.by, *asked.metrics]
    for name, _ in asked.order:
        if name not in shown:
            raise UsageError(f"--order {name}: it is not in the answer{like(name, shown)}")


def _cannot(declared: Declared, metric: str, dimension: str) -> str:
    """Why a metric cannot be cut by a dimension, and by what it can."""
    base = next(base for base in declared.bases(metric) if dimension not in declared.reach(declared.model_of(base)))
    model = declared.model_of(base)
    facts = declared.facts()
    near = {model, *facts[model].joins}
    beside = sorted(n for n, f in facts.items() if n != model and dimension in declared.reach(n) and near & {n, *f.joins})
    of = "it is" if base == metric else f"{base}, which it needs, is"
    why = f"{of} of {facts[model].description}, and nothing in {facts[model].table} leads to a {dimension}"
    if beside:
        why += f"; only by way of {' or '.join(beside)}, where one row of {model} may meet several and would count as often"
    return f"{metric} cannot be cut by {dimension}: {why}. It can be cut by {', '.join(declared.dimensions(metric))}"


def _check_days(declared: Declared, name: str, metric: Metric, asked: Question) -> None:
    """A metric that looks at other days must be told which."""
    days = {n: d for model in declared.models.values() if model.calendar for n, d in model.dimensions.items()}
    times = [n for n, d in days.items() if d.is_time_dimension]
    said = [dimension for dimension in asked.by if dimension in times]
    if metric.moving:
        if "day" not in said:
            raise UsageError(f"{name} is an average over the {metric.moving.days} days up to each day: add day to --by")
        for part in condition.conjuncts(asked.where) if asked.where is not None else []:
            used = condition.dimensions_of(part)
            if {d in days for d in used} == {True, False}:
                raise UsageError(f"{name}: --where {part.sql('duckdb')} mixes days with the rest; join the two with AND")
    if metric.growth:
        if not said:
            raise UsageError(f"{name} compares a period with last year's: add one of {', '.join(times)} to --by")
        if finest([str(days[n].smallest_time_grain) for n in said]) is None:
            raise UsageError(f"{name}: a week can be in two months and years: say week, or the others, in --by")


def _once(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip().lower() for name in names if name.strip()))


def _direction(said: str) -> tuple[str, bool]:
    name, _, direction = said.strip().lower().partition(" ")
    if direction.strip() not in ("", "asc", "desc"):
        raise UsageError(f"--order {said}: say a name, and desc after it for the largest first")
    return name, direction.strip() == "desc"
