"""Rules that every row of a table must meet, and what becomes of a row that does not.

A rule holds where its SQL expression is true: a null breaks it (write `x is null or x > 0` where a null is fine).
Levels: `quarantine` keeps the row out of the table and in `quarantine.<table>`, `fail` stops the table and the publish, `warn`
only counts. `references`, `accepted`, `between` and `unique` say nothing of a null; `not_null` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from lake.errors import PermanentFailure, UsageError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Level = Literal["quarantine", "fail", "warn"]
Value = str | int | float | Decimal | date | datetime
# Prefix of the columns that say, while a result is being checked, which rules a row breaks.
FLAG = "_breaks_"
# Longer than any useful part of an engine's message, which may carry a whole plan.
_LONGEST_MESSAGE = 200


@dataclass(frozen=True)
class Rule:
    """A rule: an SQL expression over the table's columns, a `column` whose values are keys of `table`, or `unique` columns."""

    name: str
    expression: str = ""
    level: Level = "quarantine"
    column: str = ""
    table: str = ""
    unique: tuple[str, ...] = ()


def rule(expression: str, *, name: str = "", level: Level = "quarantine") -> Rule:
    """A rule with a name of its own or another level than `quarantine`."""
    return Rule(name or expression, expression, level)


def references(column: str, table: str, *, level: Level = "quarantine") -> Rule:
    """Each value of `column` that is not null is a key of `table`."""
    return Rule(f"{column} in {table}", "", level, column, table)


def not_null(*columns: str, level: Level = "quarantine") -> Rule:
    """None of `columns` is null."""
    return Rule(f"{', '.join(columns)} not null", " and ".join(f"`{column}` is not null" for column in columns), level)


def unique(*columns: str, level: Level = "quarantine") -> Rule:
    """No two rows have the same values in `columns`; all rows that share them break it. A row with a null breaks nothing.

    Whether a row breaks it depends on rows that did not change, so a table with such a rule is computed as a whole.
    """
    return Rule(f"{', '.join(columns)} unique", level=level, unique=columns)


def accepted(column: str, values: Sequence[Value], *, level: Level = "quarantine") -> Rule:
    """Each value of `column` that is not null is one of `values`."""
    listed = ", ".join(map(_literal, values))
    return Rule(f"{column} in ({listed})", f"`{column}` is null or `{column}` in ({listed})", level)


def between(column: str, low: Value, high: Value, *, level: Level = "quarantine") -> Rule:
    """Each value of `column` that is not null is `low`, `high` or between them."""
    name = f"{column} between {_literal(low)} and {_literal(high)}"
    return Rule(name, f"`{column}` is null or `{column}` between {_literal(low)} and {_literal(high)}", level)


def as_rule(given: str | Rule) -> Rule:
    """A bare expression is a rule of the default level, named as it reads."""
    return rule(given) if isinstance(given, str) else given


def flag(frame: DataFrame, rules: Sequence[Rule], referred: Mapping[str, DataFrame], exempt: str = "") -> DataFrame:
    """The frame with a boolean column for each rule, true where the row breaks it.

    `referred` has, for each table that a rule refers to, a frame whose only column is that table's key. Rows where the
    expression `exempt` is true break nothing.
    """
    from pyspark.sql import functions as F

    for number, given in enumerate(rules):
        if given.table:
            known = referred[given.table]
            marked = known.select(F.col(known.columns[0]).alias(f"_known_{number}")).distinct()
            frame = frame.join(F.broadcast(marked), F.col(given.column) == F.col(f"_known_{number}"), "left")
    broken = [_broken(number, given) for number, given in enumerate(rules)]
    if exempt:
        broken = [f"({expression}) and not ({exempt})" for expression in broken]
    flags = [F.expr(expression).alias(f"{FLAG}{number}") for number, expression in enumerate(broken)]
    known_columns = [f"_known_{number}" for number, given in enumerate(rules) if given.table]
    return frame.select("*", *flags).drop(*known_columns) if flags else frame


def refuse_unknown(frame: DataFrame, rules: Sequence[Rule], file: str) -> None:
    """PermanentFailure when a rule cannot be judged on the frame: a column that is not there, or an error in its SQL."""
    from pyspark.sql import functions as F

    def error(expressions: Sequence[str]) -> Exception | None:
        try:
            _ = frame.select(*map(F.expr, expressions)).schema
        except Exception as problem:
            return problem
        return None

    named = [given for given in rules if given.expression]
    if named and error([given.expression for given in named]):
        wrong, problem = next((given, found) for given in named if (found := error([given.expression])))
        said = " ".join(str(problem).split())[:_LONGEST_MESSAGE]
        raise PermanentFailure(f"{file}: rule {wrong.name!r} cannot be judged: {said}; columns: {', '.join(frame.columns)}")


def _broken(number: int, given: Rule) -> str:
    """SQL that is true where a row breaks the rule."""
    if given.table:
        return f"`{given.column}` is not null and _known_{number} is null"
    if given.unique:
        columns = [f"`{column}`" for column in given.unique]
        filled = " and ".join(f"{column} is not null" for column in columns)
        return f"{filled} and count(*) over (partition by {', '.join(columns)}) > 1"
    return f"not coalesce(({given.expression}), false)"


def _literal(value: Value) -> str:
    """A value as Spark SQL writes it."""
    match value:
        case str():
            return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
        case datetime():
            return f"timestamp '{value.isoformat(sep=' ')}'"
        case date():
            return f"date '{value}'"
        case bool() | int() | Decimal():
            return str(value).lower()
        case float():
            return f"{value!r}D"
    raise UsageError(f"a rule cannot compare with {value!r}")


def keeps_out(rules: Sequence[Rule]) -> list[int]:
    """Positions of the rules whose breakers do not enter the table."""
    return [number for number, given in enumerate(rules) if given.level != "warn"]
