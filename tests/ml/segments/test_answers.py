from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from ml.errors import TooLittleData
from ml.segments.model import MODEL, MOVES, SEGMENTS
from ml.segments.served import Node, Segments
from ml.tables import STAMP

TODAY = date(2026, 3, 1)
SETTINGS = None  # neither prepare nor answers asks for any
_LEAVES = (Node((0.3, 0.7, 0.6), (), 0), Node((0.9, 0.1, 0.3), (), 1))


@pytest.fixture
def served() -> Segments:
    return Segments(Node((0.6, 0.4, 0.5), _LEAVES), ("Here", "Gone"), tuple(leaf.centre for leaf in _LEAVES))


def test_every_customer_has_a_segment_and_its_figures(history: Callable, gold: Callable, served: Segments) -> None:
    rows = history(20)
    made = MODEL.answers(gold(feature_customer=rows), SETTINGS, TODAY, served)
    now = made[SEGMENTS]
    assert now["customer_id"].to_list() == list(range(1, 81))
    assert set(now.filter(pl.col("customer_id") <= 20)["segment"]) == {"Here"}  # regulars
    assert set(now.filter(pl.col("customer_id") > 60)["segment"]) == {"Gone"}  # once, long ago
    last = rows.filter(pl.col("customer_id") == 7).sort("date").tail(1).row(0, named=True)
    row = now.row(6, named=True)
    assert row["frequency"] == last["orders"]
    assert row["recency_days"] == (row["as_of_date"] - last["last_date"]).days
    assert row["monetary"] == Decimal(f"{last['net_amount']:.2f}")


def test_tables_are_told_of_column_by_column(history: Callable, gold: Callable, served: Segments) -> None:
    rows = history(20)
    before = MODEL.answers(gold(feature_customer=rows), SETTINGS, TODAY, served)[SEGMENTS].with_columns(segment=pl.lit("Other"))
    made = MODEL.answers(gold(feature_customer=rows, customer_segments=before), SETTINGS, TODAY, served)
    for table in MODEL.tables:
        assert [*made[table.name].columns, *STAMP] == list(table.comments)
        assert made[table.name].select(table.key).is_unique().all()
        assert made[table.name].null_count().sum_horizontal().item() == 0


def test_nothing_is_answered_before_there_is_a_champion(history: Callable, gold: Callable) -> None:
    assert not MODEL.answers(gold(feature_customer=history(20)), SETTINGS, TODAY, None)


def test_the_first_scoring_finds_no_moves(history: Callable, gold: Callable, served: Segments) -> None:
    made = MODEL.answers(gold(feature_customer=history(20)), SETTINGS, TODAY, served)
    assert MOVES not in made or made[MOVES].is_empty()


def test_only_who_changed_segment_has_moved(history: Callable, gold: Callable, served: Segments) -> None:
    rows = history(20)
    now = MODEL.answers(gold(feature_customer=rows), SETTINGS, TODAY, served)[SEGMENTS]
    # Customer 3 was elsewhere yesterday, customer 5 was not known.
    before = now.filter(pl.col("customer_id") != 5).with_columns(
        segment=pl.when(pl.col("customer_id") == 3).then(pl.lit("Gone")).otherwise("segment"),
        as_of_date=pl.col("as_of_date") - timedelta(days=1),
    )
    moved = MODEL.answers(gold(feature_customer=rows, customer_segments=before), SETTINGS, TODAY, served)[MOVES]
    assert moved.to_dicts() == [
        {"customer_id": 3, "moved_on": now["as_of_date"][0], "from_segment": "Gone", "to_segment": "Here"}
    ]


def test_a_second_scoring_of_a_day_with_other_data_keeps_the_first_ones_moves(
    history: Callable, gold: Callable, served: Segments
) -> None:
    """The day's rows are replaced: what came first must be found again, counted from the day before."""
    rows = history(20)
    now = MODEL.answers(gold(feature_customer=rows), SETTINGS, TODAY, served)[SEGMENTS]
    yesterday = now.with_columns(
        segment=pl.when(pl.col("customer_id").is_in([3, 4])).then(pl.lit("Gone")).otherwise("segment"),
        as_of_date=pl.col("as_of_date") - timedelta(days=1),
    )
    first = MODEL.answers(gold(feature_customer=rows, customer_segments=yesterday), SETTINGS, TODAY, served)
    assert sorted(first[MOVES]["customer_id"]) == [3, 4]
    # Later that day customer 4 turns out to have been gone all the time, and customer 61 to be back.
    seen = pl.col("customer_id")
    other = rows.with_columns(customer_id=pl.when(seen == 4).then(61).when(seen == 61).then(4).otherwise(seen))
    tables = {"customer_segments": first[SEGMENTS], "customer_segment_moves": first[MOVES]}
    again = MODEL.answers(gold(feature_customer=other, **tables), SETTINGS, TODAY, served)[MOVES]
    assert {(row["customer_id"], row["from_segment"], row["to_segment"]) for row in again.to_dicts()} == {
        (3, "Gone", "Here"),
        (61, "Gone", "Here"),
    }


def test_moves_of_a_scoring_that_was_killed_are_not_told_again(history: Callable, gold: Callable, served: Segments) -> None:
    """It wrote the day's moves and died before the segments; the next scoring is a day later."""
    rows = history(20)
    now = MODEL.answers(gold(feature_customer=rows), SETTINGS, TODAY, served)[SEGMENTS]
    before = now.with_columns(
        segment=pl.when(pl.col("customer_id").is_in([3, 4])).then(pl.lit("Gone")).otherwise("segment"),
        as_of_date=pl.col("as_of_date") - timedelta(days=2),
    )
    told = pl.DataFrame(
        {"customer_id": [3], "moved_on": [now["as_of_date"][0] - timedelta(days=1)], "from_segment": "Gone", "to_segment": "Here"}
    )
    tables = {"customer_segments": before, "customer_segment_moves": told}
    moved = MODEL.answers(gold(feature_customer=rows, **tables), SETTINGS, TODAY, served)[MOVES]
    assert moved["customer_id"].to_list() == [4]


def test_equal_data_is_prepared_to_the_same_digest_and_other_data_is_not(
    history: Callable, gold: Callable, tmp_path: Path
) -> None:
    rows = history(30)
    one = MODEL.prepare(gold(feature_customer=rows), SETTINGS, TODAY, tmp_path)
    shuffled = MODEL.prepare(gold(feature_customer=rows.sample(fraction=1, shuffle=True, seed=1)), SETTINGS, TODAY, tmp_path)
    other = MODEL.prepare(gold(feature_customer=history(30, seed=4)), SETTINGS, TODAY, tmp_path)
    assert one == shuffled
    assert one.digest != other.digest
    assert one.options == {"as_of": (one.last_day + timedelta(days=1)).isoformat()}


def test_too_few_customers_are_refused_with_what_it_would_take(history: Callable, gold: Callable, tmp_path: Path) -> None:
    with pytest.raises(TooLittleData, match=r"has 40 customers .* need 100"):
        MODEL.prepare(gold(feature_customer=history(10)), SETTINGS, TODAY, tmp_path)
    with pytest.raises(TooLittleData, match="not built"):
        MODEL.prepare(gold(), SETTINGS, TODAY, tmp_path)
