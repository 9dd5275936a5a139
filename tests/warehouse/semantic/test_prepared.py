"""A question whose values were written into a compiled one of its shape is the question compiled."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from warehouse.semantic import prepared
from warehouse.semantic.asked import question
from warehouse.semantic.loaded import load
from warehouse.semantic.prepared import Prepared

TEXTS = some.sampled_from(["France", "Toys", "it's", "⟦0⟧", "9001-01-01", "2025-02-30", "", "a''b", "77000000000", "$1", "\\1"])
DAYS = some.dates().map(lambda day: f"'{day}'")
PARTS = some.one_of(
    some.tuples(some.sampled_from(["country", "category"]), some.lists(TEXTS, min_size=1, max_size=4)).map(
        lambda said: f"{said[0]} IN ({', '.join(_quoted(text) for text in said[1])})"
    ),
    some.tuples(some.sampled_from(["country", "month", "channel"]), some.sampled_from(["=", "<>", ">=", "LIKE"]), TEXTS).map(
        lambda said: f"{said[0]} {said[1]} {_quoted(said[2])}"
    ),
    some.tuples(DAYS, DAYS).map(lambda said: f"day BETWEEN {said[0]} AND {said[1]}"),
    some.tuples(some.sampled_from(["=", "<", ">="]), some.integers(-3000, 3000)).map(lambda said: f"year {said[0]} {said[1]}"),
)
CONDITIONS = some.lists(some.tuples(PARTS, some.booleans()), min_size=1, max_size=4).map(
    lambda parts: " AND ".join(f"NOT ({part})" if turned else part for part, turned in parts)
)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@given(condition=CONDITIONS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_gives_the_rows_of_the_question_itself(shop: Any, kept: Prepared, condition: str) -> None:
    asked = question(load(), ["revenue", "orders"], ["month", "category"], condition, ["month", "category"])
    assert shop.sql(kept.sql(shop.connection, asked)) == shop.ask(
        "revenue", "orders", by="month,category", where=condition, order=["month", "category"]
    )


@pytest.fixture(scope="module")
def kept(shop: Any) -> Prepared:
    return Prepared(shop.star)


def test_values_alone_compile_nothing(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[Any] = []
    answer = prepared.answer
    monkeypatch.setattr(prepared, "answer", lambda *asked: compiled.append(asked) or answer(*asked))
    kept = Prepared(shop.star)
    for country in ("'France'", "'Spain', 'Italy'", "'it''s'"):
        for first in ("2024-01-01", "2025-03-04"):
            asked = question(load(), ["revenue"], ["month"], f"day >= '{first}' AND country IN ({country})", ["month"])
            expected = shop.ask("revenue", by="month", where=f"day >= '{first}' AND country IN ({country})", order=["month"])
            assert shop.sql(kept.sql(shop.connection, asked)) == expected
    assert len(compiled) == 1


def test_what_is_wrong_is_said_of_the_value_that_was_given(shop: Any) -> None:
    asked = question(load(), ["revenue"], ["month"], "day = 'soon'")
    with pytest.raises(Exception, match="not with 'soon'"):
        Prepared(shop.star).sql(shop.connection, asked)
