"""A question as one query: each fact is aggregated by itself, and the answers meet on the dimensions that they share."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import reduce
from typing import Any

import ibis
import ibis.expr.types as ir
from boring_semantic_layer.safe_eval import safe_eval
from returns.result import Failure

from lake.errors import UsageError
from warehouse.semantic import where
from warehouse.semantic.asked import Question
from warehouse.semantic.calendar import LAST_YEAR, NOW, When, finest, stand_in
from warehouse.semantic.declared import Declared
from warehouse.semantic.routing import Release, Source, measured, route
from warehouse.semantic.star import Joined, Star, is_zero_of_nothing

_TYPES = {"money": "decimal(18, 2)", "count": "int64", "percent": "float64", "number": "float64"}


@dataclass(frozen=True)
class Compiled:
    """The query, the tables that answer it, and what must be unique for its joins to count no row twice."""

    query: ir.Table
    tables: tuple[str, ...]
    joins: tuple[Joined, ...]


def compile_question(question: Question, star: Star, release: Release) -> Compiled:
    """The query for a question that `asked.check` let through."""
    return _Compiler(question, star, release).compiled()


class _Compiler:
    def __init__(self, question: Question, star: Star, release: Release) -> None:
        self.question, self.star, self.declared = question, star, star.declared
        self.cut = where.dimensions_of(question.where) if question.where is not None else []
        self.needed = list(dict.fromkeys(n for metric in question.metrics for n in needed(self.declared, metric, NOW)))
        groups: dict[tuple[str, When], list[str]] = {}
        for base, when in self.needed:
            groups.setdefault((self.declared.model_of(base), when), []).append(base)
        self.sources = [
            (when, source) for (model, when), bases in groups.items() for source in self._sources(model, when, bases, release)
        ]

    def compiled(self) -> Compiled:
        parts = [self._part(when, source) for when, source in self.sources]
        if any(when.kind == "moving" for _, when in self.needed):
            parts.append(self._every_day(parts))
        together = self._together(parts)
        shown = {name: self._typed(name, self.value(together, name, NOW)) for name in self.question.metrics}
        query = together.select(*(together[name] for name in self.question.by), **shown)
        if order := self._order(query):
            query = query.order_by(*order)
        if self.question.limit is not None:
            query = query.limit(self.question.limit)
        models = self.declared.models
        used = [*self.question.by, *self.cut]
        joins = {join for _, s in self.sources for join in self.star.joined(s.model, used)}
        tables = sorted({models[source.model].table for _, source in self.sources})
        return Compiled(query, tuple(tables), tuple(sorted(joins, key=str)))

    def value(self, table: ir.Table, name: str, when: When) -> ir.Value:
        """A metric over the table of measures."""
        metric = self.declared.metrics[name]
        if metric.ratio:
            over, under = self.value(table, metric.ratio.of, when), self.value(table, metric.ratio.to, when)
            return _cents(over, under) if metric.format == "money" else _float(over) / _float(under).nullif(0)
        if metric.calculated is not None:
            file = self.declared.folder / f"{name}.yml"
            found = safe_eval(metric.calculated, context={"_": _Scope(self, table, when)})
            if isinstance(found, Failure):
                raise UsageError(f"{file}: calculated: {' '.join(str(found.failure()).split())}")
            return found.unwrap()
        if metric.growth is not None:
            now, before = (_float(self.value(table, metric.growth, at)) for at in (NOW, LAST_YEAR))
            return ibis.ifelse(before > 0, (now - before) / before, ibis.null("float64"))
        if metric.moving:
            total = self.value(table, metric.moving.of, When("moving", metric.moving.days))
            days = ibis.literal(metric.moving.days)
            average = _cents(total, days) if metric.format == "money" else _float(total) / days
            return ibis.ifelse(table["day"] >= self._full(metric.moving.days), average, ibis.null(average.type()))
        column = table[when.column(name)]
        measure = measured(self.star, self.declared.model_of(name), name, str(metric.measure))
        return column.fill_null(0) if is_zero_of_nothing(measure) else column

    def _sources(self, model: str, when: When, bases: Sequence[str], release: Release) -> list[Source]:
        measures = {base: str(self.declared.metrics[base].measure) for base in bases}
        for base, said in measures.items():
            measured(self.star, model, base, said)  # here, so that what is wrong with it is told by its file
        if not self.question.rollups:
            return [Source(model, measures)]
        return route(self.star, model, measures, self.question.by, self.cut, when, release)

    def _part(self, when: When, source: Source) -> ir.Table:
        """The measures of one source: dimensions, then a column each."""
        members = {} if when == NOW else self._stand_in(when)
        joins = {join.model for join in self.star.joined(source.model, [*self.question.by, *self.cut])} | set(members)
        # boring-semantic-layer puts the model's name before each field, unless there is only one model.
        reach = self.declared.reach(source.model)
        qualified = {name: f"{owner}.{name}" if joins else name for name, owner in reach.items()}
        measures = {base: f"{source.model}.{base}" if joins else base for base in source.measures}
        model = self.star.semantic(source.model, source.measures, sorted(joins), members)
        filters: list[Any] = []
        if self.question.where is not None:
            tree = self.question.where
            filters.append(lambda t: where.condition(tree, lambda name: t[qualified[name]]))
        if members:
            calendar = next(iter(members))
            some = next(iter(self.declared.models[calendar].dimensions))
            filters.append(lambda t: t[qualified[some]].notnull())
        found = model.query(
            dimensions=[qualified[name] for name in self.question.by],
            measures=list(measures.values()),
            filters=filters,
        ).to_untagged()
        dimensions = {name: found[qualified[name]] for name in self.question.by}
        columns = {when.column(base): found[name] for base, name in measures.items()}
        return found.select(**dimensions, **columns)

    def _together(self, parts: Sequence[ir.Table]) -> ir.Table:
        """One row for each combination of dimensions that any part has."""
        if len(parts) == 1:
            return parts[0]
        by = self.question.by
        columns = {name: kind for part in parts for name, kind in part.schema().items() if name not in by}
        same = [
            part.select(*by, **{n: part[n] if n in part.columns else ibis.null(kind) for n, kind in columns.items()})
            for part in parts
        ]
        # A column has a value in one part alone, so that its maximum is that value.
        every = ibis.union(*same)
        return every.aggregate(by=list(by), **{name: every[name].max() for name in columns})

    # Calendars

    def _calendar(self) -> str:
        return next(name for name, model in self.declared.models.items() if model.calendar)

    def _days(self) -> ir.Table:
        calendar = self._calendar()
        return self.star.members(calendar, self._keys()[0][1].right_on)

    def _keys(self) -> list[tuple[str, Any]]:
        """The sources that look at other days, with their join to the calendar."""
        calendar = self._calendar()
        return [(s.model, self.declared.models[s.model].joins[calendar]) for when, s in self.sources if when != NOW]

    def _end(self, last: bool) -> ir.Value:
        """The calendar's key of the first or last day of the facts that look at other days."""
        columns = [self.star.rows(model)[join.left_on] for model, join in self._keys()]
        ends = [(column.max() if last else column.min()).as_scalar() for column in columns]
        return reduce(ibis.greatest if last else ibis.least, ends)

    def _full(self, days: int) -> ir.Value:
        """The first day that has so many days up to it."""
        calendar = self._days()
        key, day = calendar.columns[:2]
        first = calendar.filter(calendar[key] == self._end(last=False))[day].min().as_scalar()
        return (first + ibis.interval(days=days - 1)).cast("date")

    def _times(self) -> list[str]:
        dimensions = self.declared.models[self._calendar()].dimensions
        return [name for name, dimension in dimensions.items() if dimension.is_time_dimension]

    def _stand_in(self, when: When) -> dict[str, ir.Table]:
        times = self._times()
        grain = finest([name for name in self.question.by if name in times]) or "day"
        shifted = stand_in(when, grain, self._days(), times, self._end(last=True))
        return {self._calendar(): shifted}

    def _every_day(self, parts: Sequence[ir.Table]) -> ir.Table:
        """A row for each day that fits the condition, with each combination of the other dimensions that the parts have."""
        calendar = self._days()
        key, names = calendar.columns[0], calendar.columns[2:]
        days = calendar.filter(calendar[key].between(self._end(last=False), self._end(last=True)))
        for part in where.conjuncts(self.question.where) if self.question.where is not None else []:
            if set(where.dimensions_of(part)) <= set(names):
                days = days.filter(where.condition(part, days.__getitem__))
        days = days.select(*(name for name in self.question.by if name in names))
        others = [name for name in self.question.by if name not in names]
        if not others:
            return days
        members = ibis.union(*(part.select(*others) for part in parts), distinct=True)
        return days.cross_join(members).select(*self.question.by)

    def _order(self, query: ir.Table) -> list[Any]:
        said = self.question.order or tuple((name, False) for name in self.question.by)
        rest = tuple((name, False) for name in self.question.by if name not in dict(said))
        return [(query[n].desc if down else query[n].asc)(nulls_first=False) for n, down in (*said, *rest)]

    def _typed(self, name: str, value: ir.Value) -> ir.Value:
        form = self.declared.metrics[name].format
        # DuckDB sums whole numbers in 128 bits, where ibis believes in 64 and leaves the cast out.
        return (value.cast("decimal(38, 0)") if form == "count" else value).cast(_TYPES[form])


class _Scope:
    """`_.revenue` in the expression of a calculated metric."""

    def __init__(self, compiler: _Compiler, table: ir.Table, when: When) -> None:
        self._of = compiler, table, when

    def __getattr__(self, name: str) -> ir.Value:
        compiler, table, when = self._of
        return compiler.value(table, name, when)


def needed(declared: Declared, name: str, when: When) -> list[tuple[str, When]]:
    """The measures that a metric is computed from, each with the days that it looks at."""
    metric = declared.metrics[name]
    if metric.measure is not None:
        return [(name, when)]
    if metric.growth is not None:
        return [*needed(declared, metric.growth, NOW), *needed(declared, metric.growth, LAST_YEAR)]
    if metric.moving:
        return needed(declared, metric.moving.of, When("moving", metric.moving.days))
    return [found for of in metric.of for found in needed(declared, of, when)]


def _float(value: ir.Value) -> ir.Value:
    return value.cast("float64")


def _cents(over: ir.Value, under: ir.Value) -> ir.Value:
    """Money divided by a whole number, rounded half away from zero to the cent, in whole numbers: a float would lose ties."""
    cents, parts = (over.cast(_TYPES["money"]) * 100).cast("int64"), under.cast("int64").nullif(0)
    rounded = (2 * cents.abs() + parts) // (2 * parts) * cents.sign().cast("int64")
    # ibis leaves out a cast to the type that it believes a product to have, which is not the one that DuckDB gives it.
    factor = "decimal(17, 2)"
    return (rounded.cast(factor) * ibis.literal(Decimal("0.01"), factor)).cast(_TYPES["money"])
