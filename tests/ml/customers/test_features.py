"""Features of customers: what was known at a day, and nothing later."""

from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lake.errors import PermanentFailure
from ml.customers import days
from ml.customers.features import NUMERIC, at, bought

FIRST = date(2026, 1, 1)
# (day, customer, orders that day, money of each, units sent back)
EVENTS = st.lists(
    st.tuples(st.integers(0, 120), st.integers(1, 4), st.integers(0, 3), st.integers(1, 90), st.booleans()), max_size=40
)


def totals(events: list[tuple[int, int, int, int, bool]]) -> pl.DataFrame:
    """gold.feature_customer of these events, the slow way."""
    rows: list[dict[str, Any]] = []
    for customer in sorted({event[1] for event in events}):
        own = [event for event in events if event[1] == customer]
        for day in sorted({event[0] for event in own if event[2] or event[4]}):
            sofar = [event for event in own if event[0] <= day]
            sold = sorted({event[0] for event in sofar if event[2]})
            gaps = [b - a for a, b in pairwise(sold)]
            net = sum(event[2] * event[3] for event in sofar)
            orders = sum(event[2] for event in sofar)
            rows.append(
                {
                    "customer_id": customer,
                    "date": FIRST + timedelta(days=day),
                    "first_date": FIRST + timedelta(days=sold[0]) if sold else None,
                    "last_date": FIRST + timedelta(days=sold[-1]) if sold else None,
                    "purchase_days": len(sold),
                    "gap_days": sum(gaps),
                    "gap_days_squared": sum(gap * gap for gap in gaps),
                    **dict.fromkeys(("orders", "lines", "units"), orders),
                    "returned_units": sum(event[4] for event in sofar),
                    "products": min(orders, 5),
                    "categories": min(orders, 2),
                    "amount": Decimal(net),
                    "discount": Decimal(0),
                    "net_amount": Decimal(net),
                    "returned_amount": Decimal(sum(event[4] for event in sofar)),
                }
            )
    money = dict.fromkeys(("amount", "discount", "net_amount", "returned_amount"), pl.Decimal(18, 2))
    kinds = {"first_date": pl.Date, "last_date": pl.Date, **money}
    empty = totals([(0, 1, 1, 1, False)]).clear() if not rows else None
    return empty if empty is not None else pl.DataFrame(rows, schema_overrides=kinds)


@settings(max_examples=60, deadline=None)
@given(EVENTS, EVENTS, st.integers(1, 120))
def test_nothing_from_the_cut_off_on_enters(before: list[Any], after: list[Any], cut: int) -> None:
    known = [event for event in before if event[0] < cut]
    later = [(cut + event[0], *event[1:]) for event in after]
    as_of = FIRST + timedelta(days=cut)
    one, other = (at(totals(events), as_of) if events else None for events in (known, known + later))
    if one is None:
        assert other is None or other.is_empty()
    else:
        assert other is not None
        assert one.equals(other)


@settings(max_examples=60, deadline=None)
@given(EVENTS.filter(lambda events: any(event[2] for event in events)), st.integers(1, 140))
def test_every_window_is_what_a_count_by_hand_finds(events: list[Any], cut: int) -> None:
    as_of = FIRST + timedelta(days=cut)
    made = {row["customer_id"]: row for row in at(totals(events), as_of).to_dicts()}
    buyers = {event[1] for event in events if event[2] and event[0] < cut}
    assert set(made) == buyers
    for customer, row in made.items():
        sofar = [event for event in events if event[1] == customer and event[0] < cut]
        sold = sorted({event[0] for event in sofar if event[2]})
        assert row["frequency"] == sum(event[2] for event in sofar)
        assert (row["recency_days"], row["tenure_days"]) == (cut - sold[-1], cut - sold[0])
        for window in (30, 90, 365):
            inside = [event for event in sofar if event[0] >= cut - window]
            assert row[f"orders_{window}"] == sum(event[2] for event in inside)
        assert row["net_90"] == pytest.approx(sum(event[2] * event[3] for event in sofar if event[0] >= cut - 90))
        gaps = [b - a for a, b in pairwise(sold)]
        assert row["mean_gap"] == pytest.approx(sum(gaps) / len(gaps) if gaps else cut - sold[0])


def test_features_are_numbers_without_a_gap() -> None:
    made = at(totals([(0, 1, 1, 10, False), (3, 2, 2, 5, True)]), FIRST + timedelta(days=9))
    assert made.columns == ["customer_id", *NUMERIC]
    assert made.null_count().sum_horizontal().item() == 0


def test_buyers_between_two_days() -> None:
    rows = totals([(0, 1, 1, 10, False), (5, 1, 1, 10, False), (5, 2, 0, 10, True), (9, 3, 1, 1, False)])
    found = bought(rows, FIRST, FIRST + timedelta(days=5))
    assert found.rows() == [(1, 2)]


def test_the_day_asked_about_follows_the_last_complete_one() -> None:
    rows = totals([(day, 1, 1, 10, False) for day in range(60)])
    assert days.as_of(rows, FIRST + timedelta(days=59)) == FIRST + timedelta(days=59)  # today is still trading
    assert days.as_of(rows, FIRST + timedelta(days=900)) == FIRST + timedelta(days=60)  # a log that ended long ago


def test_without_a_purchase_there_is_nothing_to_learn_from() -> None:
    with pytest.raises(PermanentFailure, match="has no purchase yet"):
        days.as_of(totals([(1, 1, 1, 1, False)]).clear(), FIRST)


def test_a_digest_is_of_the_content_whatever_its_order() -> None:
    rows = totals([(0, 1, 1, 10, False), (3, 2, 2, 5, True)])
    assert days.digest(rows) == days.digest(rows.reverse().select(reversed(rows.columns)))
    assert days.digest(rows) != days.digest(rows.with_columns(pl.col("orders") + 1))
