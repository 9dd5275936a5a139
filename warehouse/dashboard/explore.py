"""What the page Explore asks: metrics, dimensions and filters to questions, frames and conditions. Pure but for the reader."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from warehouse.dashboard import periods
from warehouse.dashboard.filters import DIMENSIONS, Filters, is_in
from warehouse.dashboard.periods import Span
from warehouse.dashboard.reader import Asked, Reader
from warehouse.semantic.declared import Declared

GRAINS = ("day", "week", "month", "quarter", "year")
FIRST, LAST, NAME = "first", "last", "name"
NOTHING = "(none)"

Mark = dict[str, str | None]
"""Which row of an answer somebody picked: dimension -> value, as a condition can say it; None where there is none."""


@dataclass(frozen=True)
class Choice:
    """What somebody chose: metrics by dimensions, over periods of a grain or none, cut further to values of dimensions.

    `order` is FIRST for what is looked for: the most of the first metric, or what fell most of a comparison. LAST is the other
    way round, NAME by the dimensions. Periods keep their own order.
    """

    metrics: tuple[str, ...]
    by: tuple[str, ...] = ()
    grain: str | None = None
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    order: str = FIRST

    @property
    def cut(self) -> tuple[str, ...]:
        """All that makes a row of the answer."""
        return (self.grain, *self.by) if self.grain else self.by


# Questions


def able(declared: Declared, metrics: Sequence[str]) -> list[str]:
    """The dimensions by which all of the metrics can be cut, periods left out."""
    every = [set(declared.dimensions(name)) for name in metrics]
    return sorted(set.intersection(*every) - set(GRAINS)) if every else []


def grains(declared: Declared, metrics: Sequence[str]) -> list[str]:
    """The periods by which all of the metrics can be cut."""
    return [grain for grain in GRAINS if all(grain in declared.dimensions(name) for name in metrics)]


def left_out(declared: Declared, metrics: Sequence[str], filters: Filters) -> list[str]:
    """The filters of the side bar that do not apply to some of the metrics."""
    known = {*able(declared, metrics), *grains(declared, metrics)}
    return [name for name in ("day", *filters.chosen) if name not in known]


def where(declared: Declared, choice: Choice, filters: Filters, span: Span | None = None, leave: Collection[str] = ()) -> str:
    """The condition: of the side bar what applies but for `leave`, and what the choice is cut to further; empty for none."""
    unknown = [*left_out(declared, choice.metrics, filters), *leave]
    parts = [] if "day" in unknown else [(span or filters.span).where()]
    parts += [is_in(name, values) for name, values in filters.chosen.items() if name not in unknown]
    parts += [is_in(name, values) for name, values in choice.only.items() if values]
    return " AND ".join(parts)


def asked(declared: Declared, choice: Choice, filters: Filters, limit: int | None = None, span: Span | None = None) -> Asked:
    """The question of a choice, in its order."""
    metric = choice.metrics[0]
    order = {FIRST: (f"{metric} desc",), LAST: (metric,), NAME: choice.by}[choice.order]
    if choice.grain:
        order = (choice.grain, f"{metric} desc")
    condition = where(declared, choice, filters, span) or None
    return Asked(choice.metrics, choice.cut, condition, order if choice.cut else (), limit)


def answer(reader: Reader, question: Asked) -> pl.DataFrame:
    return reader.ask(*question.metrics, by=question.by, where=question.where, order=question.order, limit=question.limit)


def count(reader: Reader, question: Asked) -> int:
    """How many rows a question has without its limit."""
    whole = replace(question, order=(), limit=None)
    return int(reader.rows(f"SELECT count(*) FROM ({reader.sql(whole)})").item())


def values(reader: Reader, metric: str, dimension: str, most: int) -> list[str]:
    """What a dimension can be, by name: of more than `most` values those with the most of the metric's first measure."""
    base = reader.declared.bases(metric)[0]  # a growth has no value without a period
    rows = reader.ask(base, by=[dimension], order=[f"{base} desc"], limit=most)
    return sorted(str(value) for value in rows[dimension].to_list() if value is not None)


def lines(reader: Reader, choice: Choice, filters: Filters, most: int) -> tuple[pl.DataFrame, int]:
    """The answer over periods for the `most` combinations of dimensions that matter most, and how many there are.

    What matters is the first measure over all of the days: thousands of products by day are for a file, not for a chart.
    """
    question = asked(reader.declared, choice, filters)
    if not choice.by:
        return answer(reader, question), 1
    base = reader.declared.bases(choice.metrics[0])[0]
    ranked = Asked((base,), choice.by, question.where, (f"{base} desc",), most)
    top, total = answer(reader, ranked), count(reader, ranked)
    if top.height < total:
        cuts = [_one_of(name, top[name].unique(maintain_order=True).to_list()) for name in choice.by]
        question = replace(question, where=" AND ".join(filter(None, [question.where, *cuts])))
    frame = answer(reader, question)
    return frame.join(top.select(choice.by), on=list(choice.by), how="semi", nulls_equal=True, maintain_order="left"), total


def known(reader: Reader, metrics: Sequence[str], sold: Span) -> Span:
    """The days in which all that metrics are made of is known, of those with sales: visits may be logged since less long."""
    found = [sold.first]
    for model in sources(reader.declared, metrics):
        base = next(base for name in metrics for base in reader.declared.bases(name) if reader.declared.model_of(base) == model)
        if "day" in reader.declared.dimensions(base):
            found += reader.ask(base, by=["day"], order=["day"], limit=1)["day"].to_list()
    return Span(max(found), sold.last)


def compared(reader: Reader, choice: Choice, filters: Filters) -> pl.DataFrame:
    """The answer with, for each metric, `NAME before` and `NAME change`; what fell most first."""
    now, before = (answer(reader, asked(reader.declared, choice, filters, span=s)) for s in (filters.span, filters.span.before()))
    renamed = before.rename({name: f"{name} before" for name in choice.metrics})
    both = (
        now.join(renamed, on=list(choice.by), how="full", coalesce=True, nulls_equal=True)
        if choice.by
        else pl.concat([now, renamed], how="horizontal")
    )
    columns: list[Any] = list(choice.by)
    for name in choice.metrics:
        if reader.metric(name).format in ("money", "count") and not reader.metric(name).ratio:
            both = both.with_columns(pl.col(name, f"{name} before").fill_null(0))  # of nothing, as the metrics layer has it
        columns += [name, f"{name} before", (pl.col(name) - pl.col(f"{name} before")).alias(f"{name} change")]
    by = list(choice.by) if choice.order == NAME else [f"{choice.metrics[0]} change", *choice.by]
    down = [choice.order == LAST, *([False] * (len(by) - 1))]
    return both.select(columns).sort(by, descending=down, nulls_last=True) if choice.by else both.select(columns)


def named(frame: pl.DataFrame, by: Sequence[str]) -> pl.Series:
    """A name for each row of an answer: Books · France."""
    parts = [pl.col(name).cast(pl.String).fill_null(NOTHING) for name in by]
    return frame.select(pl.concat_str(parts, separator=" · ").alias("name"))["name"]


# What is behind a mark, and the way down from it


def mark(cut: Sequence[str], row: Mapping[str, Any]) -> Mark:
    """The mark of a row of an answer."""
    return {name: None if row[name] is None else str(row[name]) for name in cut}


def behind(condition: str, picked: Mark) -> str:
    """The condition of the rows behind a mark."""
    parts = [f"year = {value}" if name == "year" else _one_of(name, [value]) for name, value in picked.items()]
    return " AND ".join(part for part in (condition, *parts) if part)


def sources(declared: Declared, metrics: Sequence[str]) -> list[str]:
    """The models of whose rows metrics are made."""
    return list(dict.fromkeys(declared.model_of(base) for name in metrics for base in declared.bases(name)))


def adds_up(declared: Declared, metric: str) -> bool:
    """Whether a metric is the sum, or the number, of its rows."""
    measure = declared.metrics[metric].measure
    return measure is not None and measure.endswith((".sum()", ".count()"))


def sums_up(declared: Declared, metrics: Sequence[str], model: str) -> str | None:
    """The first of the metrics that is the sum, or the number, of a model's rows; None where there is none."""

    return next((name for name in metrics if adds_up(declared, name) and declared.model_of(name) == model), None)


def splits(declared: Declared, choice: Choice, filters: Filters, picked: Mark) -> list[str]:
    """The dimensions by which a mark can be split: those that do not already have one value in it."""
    fixed = {name for known in (filters.chosen, choice.only) for name, found in known.items() if len(found) == 1}
    return [name for name in able(declared, choice.metrics) if name not in picked and name not in fixed]


def down(choice: Choice, filters: Filters, picked: Mark, dimension: str) -> dict[str, Any]:
    """What the controls say one step down, from all of the answer to a mark of it split by another dimension."""
    said: dict[str, Any] = {"cut": [dimension], "grain": None}
    only = {name: list(found) for name, found in choice.only.items()}
    for name, value in picked.items():
        if value is None:
            continue
        if name in GRAINS:
            span = periods.period(name, value)
            said |= {"period": periods.CUSTOM, "from": max(span.first, filters.span.first)}
            said |= {"to": min(span.last, filters.span.last)}
        elif name in DIMENSIONS:
            said[name] = [value]  # at the side, for all pages
        else:
            only[name] = [value]
    return said | {"only": only}


def _one_of(dimension: str, found: Sequence[Any]) -> str:
    """A condition that a dimension is one of some values, or none."""
    known = [str(value) for value in found if value is not None]
    parts = [is_in(dimension, known)] if known else []
    parts += [f"{dimension} IS NULL"] if len(known) < len(found) else []
    return parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})"
