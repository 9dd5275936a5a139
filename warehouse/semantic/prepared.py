"""Questions that differ in the values of their conditions alone are compiled once.

Compiling takes a tenth of a second, most of it ibis': too long for a page that asks ten questions at each click. So a question is
compiled with a stand-in for each text, day and whole number of its condition, and the values are written in their places.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import duckdb
from cachetools import LRUCache
from sqlglot import exp

from lake.errors import UsageError
from warehouse.describe import literal
from warehouse.semantic.answers import answer
from warehouse.semantic.asked import Question
from warehouse.semantic.once import Once
from warehouse.semantic.star import Star

Value = str | list[str]  # a list stands after IN
_KEPT = 500  # shapes of questions
_MOST = 900  # values of a condition
_LIST, _TEXT, _DAY, _NUMBER = "⟦⟦{}⟧⟧", "⟦{}⟧", "9{:03}-01-01", 77_000_000_000
_STAND_IN = re.compile(r" = '⟦⟦(\d+)⟧⟧'|'⟦(\d+)⟧'|MAKE_DATE\(9(\d{3}), 1, 1\)|'9(\d{3})-01-01'|\b77000000(\d{3})\b")


class Prepared:
    """The SQL of questions on the tables of one release."""

    def __init__(self, star: Star) -> None:
        self._star, self._once = star, Once()
        self._known: LRUCache[Any, str] = LRUCache(_KEPT)

    def sql(self, connection: duckdb.DuckDBPyConnection, asked: Question) -> str:
        """What `answer` would compile for a checked question."""
        shape, values = stood_in(asked)
        if not values:
            return self._compiled(connection, asked)
        try:
            text = self._compiled(connection, shape)
        except UsageError:  # said of a stand-in: the question itself has the words for it
            return answer(connection, self._star, asked, self._once).sql
        return filled(text, values)

    def _compiled(self, connection: duckdb.DuckDBPyConnection, asked: Question) -> str:
        where = asked.where.sql("duckdb") if asked.where is not None else ""
        key = (asked.metrics, asked.by, where, asked.order, asked.limit, asked.rollups)
        if key not in self._known:
            self._known[key] = answer(connection, self._star, asked, self._once).sql
        return self._known[key]


def stood_in(asked: Question) -> tuple[Question, list[Value]]:
    """The question with stand-ins for the values of its condition, and the values; none where one could be taken for a stand-in.

    Any number of texts after IN is one value, for which a comparison with one text stands in.
    """
    if asked.where is None or _STAND_IN.search(asked.where.sql("duckdb")):
        return asked, []
    values: list[Value] = []

    def noted(value: Value, form: str) -> exp.Literal:
        values.append(value)
        return exp.Literal.string(form.format(len(values) - 1))

    def changed(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.In) and _are_texts(node):
            return exp.EQ(this=node.this, expression=noted([str(text.this) for text in node.expressions], _LIST))
        if not isinstance(node, exp.Literal) or isinstance(node.parent, exp.Neg):
            return node
        text = str(node.this)
        if node.is_string:
            return node if _STAND_IN.fullmatch(f"'{text}'") else noted(text, _DAY if _is_day(text) else _TEXT)
        if not text.isdigit() or int(text) >= _NUMBER:
            return node
        values.append(text)
        return exp.Literal.number(_NUMBER + len(values) - 1)

    shape = replace(asked, where=asked.where.copy().transform(changed))
    return (shape, values) if len(values) <= _MOST else (asked, [])


def filled(text: str, values: Sequence[Value]) -> str:
    """SQL with the values in the places of their stand-ins."""

    def value(found: re.Match[str]) -> str:
        listed, words, day, said_day, number = found.groups()
        if listed is not None:
            return f" IN ({', '.join(literal(one) for one in values[int(listed)])})"
        if day is not None:
            of = date.fromisoformat(str(values[int(day)]))
            return f"MAKE_DATE({of.year}, {of.month}, {of.day})"
        if number is not None:
            return str(values[int(number)])
        return literal(str(values[int(words if words is not None else said_day)]))

    return _STAND_IN.sub(value, text)


def _are_texts(node: exp.In) -> bool:
    said = {name for name, value in node.args.items() if value}
    texts = all(isinstance(one, exp.Literal) and one.is_string and not _is_day(str(one.this)) for one in node.expressions)
    return said == {"this", "expressions"} and texts


def _is_day(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text)) and len(text) == 10
    except ValueError:
        return False
