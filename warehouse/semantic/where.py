"""The condition of a question: SQL over dimensions, and nothing else.

sqlglot reads it as DuckDB would; what is not comparison, AND, OR, NOT, IN, BETWEEN, LIKE or IS NULL of a dimension with values is
refused, so that no function, subquery or statement gets through.
"""

import datetime
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import ibis
import ibis.expr.types as ir
import sqlglot
from sqlglot import exp

from lake.errors import UsageError
from warehouse.errors import like

Column = Callable[[str], ir.Value]
_COMPARE: Mapping[type[exp.Expr], Callable[[Any, Any], Any]] = {
    exp.EQ: lambda a, b: a == b,
    exp.NEQ: lambda a, b: a != b,
    exp.GT: lambda a, b: a > b,
    exp.GTE: lambda a, b: a >= b,
    exp.LT: lambda a, b: a < b,
    exp.LTE: lambda a, b: a <= b,
    exp.NullSafeEQ: lambda a, b: a.identical_to(b),
    exp.NullSafeNEQ: lambda a, b: ~a.identical_to(b),
    exp.Like: lambda a, b: a.like(b),
    exp.ILike: lambda a, b: a.ilike(b),
}
_PARTS = {"this", "expression", "expressions", "low", "high", "negate"}
_SHOWN = "say conditions such as: country = 'France' AND month >= '2026-01'"


def parse(text: str) -> exp.Expr:
    """The condition. UsageError for what is not one."""
    try:
        found = sqlglot.parse(text, dialect="duckdb", error_level=sqlglot.ErrorLevel.RAISE)
    except sqlglot.errors.SqlglotError as error:
        raise UsageError(f"--where {text}: it is no SQL; {_SHOWN}") from error
    if len(found) != 1 or found[0] is None:
        raise UsageError(f"--where {text}: it must be one condition; {_SHOWN}")
    return found[0]


def dimensions_of(tree: exp.Expr) -> list[str]:
    """The dimensions that a condition names, in lower case."""
    return list(dict.fromkeys(column.name.lower() for column in tree.find_all(exp.Column)))


def conjuncts(tree: exp.Expr) -> list[exp.Expr]:
    """The conditions that all must hold."""
    if isinstance(tree, exp.Paren):
        return conjuncts(tree.this)
    return [*conjuncts(tree.this), *conjuncts(tree.expression)] if isinstance(tree, exp.And) else [tree]


def condition(tree: exp.Expr, column: Column) -> ir.BooleanValue:
    """The condition over the columns that `column` gives for the names of dimensions."""
    said = {name for name, value in tree.args.items() if value}
    if said - _PARTS:  # more than is understood here: ESCAPE, SYMMETRIC, a subquery
        raise _refused(tree)
    if "negate" in said:
        tree = tree.copy()
        tree.set("negate", None)
        return ~condition(tree, column)
    if isinstance(tree, exp.Paren):
        return condition(tree.this, column)
    if isinstance(tree, exp.And):
        return condition(tree.this, column) & condition(tree.expression, column)
    if isinstance(tree, exp.Or):
        return condition(tree.this, column) | condition(tree.expression, column)
    if isinstance(tree, exp.Not):
        return ~condition(tree.this, column)
    if isinstance(tree, exp.Is) and isinstance(tree.expression, exp.Null):
        return _named(tree.this, column).isnull()
    if isinstance(tree, exp.Between):
        values = [_value(tree.args[end], tree.this, column) for end in ("low", "high")]
        return _named(tree.this, column).between(*values)
    if isinstance(tree, exp.In) and tree.expressions:
        subject = _named(tree.this, column)
        return reduce(lambda a, b: a | b, [subject == _value(value, tree.this, column) for value in tree.expressions])
    if type(tree) in _COMPARE:
        if isinstance(tree.this, exp.Column):
            return _COMPARE[type(tree)](_named(tree.this, column), _value(tree.expression, tree.this, column))
        if isinstance(tree.expression, exp.Column) and not isinstance(tree, exp.Like | exp.ILike):
            return _COMPARE[type(tree)](_value(tree.this, tree.expression, column), _named(tree.expression, column))
    raise _refused(tree)


def _named(tree: exp.Expr, column: Column) -> ir.Value:
    if not isinstance(tree, exp.Column) or len(tree.parts) != 1:
        raise _refused(tree)
    return column(tree.name.lower())


def _value(tree: exp.Expr, of: exp.Expr, column: Column) -> ir.Value:
    """What a dimension is compared with, in the dimension's type: a value, or another dimension of that type."""
    dimension = _named(of, column)
    kind = dimension.type()
    if isinstance(tree, exp.Column):
        other = _named(tree, column)
        if other.type().is_string() != kind.is_string():
            raise UsageError(f"--where: {of.name} and {tree.name} cannot be compared")
        return other
    if isinstance(tree, exp.Cast) and isinstance(tree.this, exp.Literal) and tree.to.this == exp.DataType.Type.DATE:
        tree = tree.this
    negative = isinstance(tree, exp.Neg)
    if negative:
        tree = tree.this
    if isinstance(tree, exp.Literal):
        text = str(tree.this)
        if kind.is_string() and tree.is_string:
            return ibis.literal(text)
        if kind.is_date() and tree.is_string:
            return ibis.literal(_date(text, of.name))
        if kind.is_integer() and not tree.is_string and text.isdigit():
            return ibis.literal(-int(text) if negative else int(text))
        example = {True: "a text in quotes, such as 'x'"}.get(kind.is_string(), "a date such as '2026-01-31'")
        example = "a whole number" if kind.is_integer() else example
        raise UsageError(f"--where: {of.name} is compared with {example}, not with {tree.sql('duckdb')}")
    raise _refused(tree)


def _date(text: str, name: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--where: {name} is compared with a date such as '2026-01-31', not with '{text}'") from error


def _refused(tree: exp.Expr) -> UsageError:
    return UsageError(f"--where: {tree.sql('duckdb')} is no dimension or value; {_SHOWN}")


def known(names: list[str], there: list[str]) -> None:
    """UsageError for a name that is no dimension."""
    for name in names:
        if name not in there:
            raise UsageError(f"there is no dimension {name}{like(name, there)}")
