"""gold.agg_search_terms on both engines: programs do not count, a day is the shop's, and an order is of the same visit."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from transforms.gold.agg_search_terms import agg_search_terms

LATE = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)  # in Paris already the next day
MOMENT = pa.timestamp("us", "UTC")
SEARCHES = pa.schema([("searched_at", MOMENT), ("visitor_key", pa.int64()), ("term", pa.string()), ("is_bot", pa.bool_())])
VISITS = pa.schema(
    [
        ("visitor_key", pa.int64()),
        ("started_at", MOMENT),
        ("ended_at", MOMENT),
        ("orders", pa.int32()),
        ("is_bot", pa.bool_()),
    ]
)
SHOP = pa.table({"time_zone": ["Europe/Paris"]})


def minutes(number: int) -> datetime:
    return LATE + timedelta(minutes=number)


def found(engine: Any, searches: list[tuple[Any, ...]], visits: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """date_key, term, searches, visitors, with_order of each row, sorted."""
    tables = (rows_as(searches, SEARCHES), rows_as(visits, VISITS), SHOP)
    rows = engine.arrow(agg_search_terms(*(engine.frame(table) for table in tables))).to_pylist()
    return sorted(tuple(row[name] for name in ("date_key", "term", "searches", "visitors", "with_order")) for row in rows)


def rows_as(rows: list[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema=schema)


def test_searches_and_who_searched_by_the_shop_s_day(engine: Any) -> None:
    searches = [
        (LATE, 1, "lamp", False),
        (minutes(1), 1, "lamp", False),
        (LATE, 2, "lamp", False),
        (minutes(-60), 2, "tv", False),
    ]
    visits = [(1, LATE, minutes(1), 0, False), (2, minutes(-60), minutes(-60), 0, False), (2, LATE, LATE, 0, False)]
    assert found(engine, searches, visits) == [(20260301, "tv", 1, 1, 0), (20260302, "lamp", 3, 2, 0)]


def test_an_order_of_another_visit_of_the_same_person_does_not_count(engine: Any) -> None:
    searches = [(LATE, 1, "lamp", False), (minutes(100), 1, "lamp", False), (minutes(101), 1, "lamp", False)]
    visits = [(1, LATE, minutes(5), 0, False), (1, minutes(100), minutes(110), 2, False), (2, LATE, minutes(110), 1, False)]
    assert found(engine, searches, visits) == [(20260302, "lamp", 3, 1, 2)]


def test_programs_do_not_count_even_where_only_the_visit_gives_them_away(engine: Any) -> None:
    searches = [(LATE, 3, "lamp", True), (LATE, 4, "lamp", False), (LATE, 5, "desk", False)]
    visits = [(3, LATE, LATE, 0, True), (4, LATE, minutes(1), 0, True), (5, LATE, LATE, 1, False)]
    assert found(engine, searches, visits) == [(20260302, "desk", 1, 1, 1)]


def test_a_search_without_a_visit_counts_by_its_own_word(engine: Any) -> None:
    assert found(engine, [(LATE, 1, "lamp", False), (LATE, 2, "lamp", True)], []) == [(20260302, "lamp", 1, 1, 0)]
