"""Rules that every row of a table must meet, and what becomes of a row that does not.

A rule holds where its SQL expression is true: a null breaks it (write `x is null or x > 0` where a null is fine).
Levels: `quarantine` keeps the row out of the table and in `quarantine.<table>`, `fail` stops the table, `warn` only counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Level = Literal["quarantine", "fail", "warn"]
# Prefix of the columns that say, while a result is being checked, which rules a row breaks.
FLAG = "_breaks_"


@dataclass(frozen=True)
class Rule:
    """A rule: an SQL expression over the table's columns, or a column whose values must be keys of another table."""

    name: str
    expression: str = ""
    level: Level = "quarantine"
    column: str = ""
    table: str = ""


def rule(expression: str, *, name: str = "", level: Level = "quarantine") -> Rule:
    """A rule with a name of its own or another level than `quarantine`."""
    return Rule(name or expression, expression, level)


def references(column: str, table: str, *, level: Level = "quarantine") -> Rule:
    """Each value of `column` that is not null is a key of `table`."""
    return Rule(f"{column} in {table}", "", level, column, table)


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
    broken = [
        (
            f"{given.column} is not null and _known_{number} is null"
            if given.table
            else f"not coalesce(({given.expression}), false)"
        )
        for number, given in enumerate(rules)
    ]
    if exempt:
        broken = [f"({expression}) and not ({exempt})" for expression in broken]
    flags = [F.expr(expression).alias(f"{FLAG}{number}") for number, expression in enumerate(broken)]
    known_columns = [f"_known_{number}" for number, given in enumerate(rules) if given.table]
    return frame.select("*", *flags).drop(*known_columns) if flags else frame


def keeps_out(rules: Sequence[Rule]) -> list[int]:
    """Positions of the rules whose breakers do not enter the table."""
    return [number for number, given in enumerate(rules) if given.level != "warn"]
