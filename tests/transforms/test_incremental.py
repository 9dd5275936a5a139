"""Incremental equals rebuild: whatever changes come, in whatever batches, a build from scratch finds the same rows."""

import signal
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transforms.table import tables

KEYS = st.integers(1, 4)
MONEY = st.integers(0, 2000).map(lambda cents: Decimal(cents).scaleb(-2))
DAYS = st.integers(0, 6)
# Each change: a table, a key, and what the row then looks like; None deletes it.
CHANGES = st.one_of(
    st.tuples(
        st.just("sales_data"),
        st.integers(1, 8),
        st.none()
        | st.fixed_dictionaries(
            {
                "price": MONEY,
                "quantity": st.integers(-1, 3),
                "order_id": st.none() | KEYS,
                "customer_id": st.none() | KEYS,
                "product_id": KEYS,
                "day": DAYS,
            }
        ),
    ),
    st.tuples(
        st.just("orders"),
        KEYS,
        st.none() | st.fixed_dictionaries({"discount": MONEY, "channel": st.sampled_from(["web", "app", None])}),
    ),
    st.tuples(
        st.just("customers"),
        KEYS,
        st.none()
        | st.fixed_dictionaries(
            {"country": st.sampled_from(["France", "Japan", None]), "email": st.sampled_from(["a@b", "bad"]), "day": DAYS}
        ),
    ),
    st.tuples(
        st.just("products"),
        KEYS,
        st.none()
        | st.fixed_dictionaries({"product_id": KEYS, "category": st.sampled_from(["Books", "Toys"]), "cost": MONEY, "day": DAYS}),
    ),
    st.tuples(st.just("mailings"), KEYS, st.none() | st.fixed_dictionaries({"text": st.sampled_from(["Hello", None])})),
    st.tuples(
        st.just("returns"), KEYS, st.none() | st.fixed_dictionaries({"rowid": st.integers(1, 8), "quantity": st.integers(0, 2)})
    ),
)
# Beside them, lines of the web log: visitors, minutes from the shop's opening and what they do.
LINES = st.lists(
    st.tuples(
        st.sampled_from(["10.0.0.1", "10.0.0.2"]),
        st.integers(0, 200),
        st.sampled_from(["/", "/product/1", "/cart?product=1", "/search?q=lamp"]),
        st.sampled_from([None, "c1", "c9"]),
        st.sampled_from([200, 302, 404]),
    ),
    max_size=4,
)
# A batch may end in a build that is killed at one of its crash points, if it has so many.
BATCHES = st.lists(st.tuples(st.lists(CHANGES, max_size=8), LINES, st.none() | st.integers(1, 60)), min_size=2, max_size=3)
COMPARED = ("silver", "gold", "quarantine")
EXAMPLES = {"suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow], "deadline": None}


def row_of(rows: Any, table: str, key: int, given: dict[str, Any]) -> dict[str, Any]:
    more = dict(given)
    day = more.pop("day", 0)
    match table:
        case "sales_data":
            return dict(rows.sale(key, timestamp=rows.at(day, 23), **more))
        case "orders":
            return dict(rows.order(key, **more))
        case "customers":
            return dict(rows.customer(key, updated_at=rows.at(day), **more))
        case "products":
            return dict(rows.product(more.pop("product_id"), id=key, cost=str(more.pop("cost")), day=day, **more))
        case "mailings":  # no table of ours reads it: it is mirrored
            return {"mailing_id": key, **more}
        case _:
            return dict(rows.sent_back(key, **more))


def key_of(rows: Any, table: str, key: int) -> dict[str, Any]:
    column = {
        "sales_data": "rowid",
        "orders": "order_id",
        "customers": "customer_id",
        "returns": "return_id",
        "mailings": "mailing_id",
    }.get(table)
    return {column: key} if column else {"_id": rows.product(key)["_id"]}


@given(batches=BATCHES, snapshot_again=st.booleans())
@settings(max_examples=3, **EXAMPLES)
def test_incremental_equals_rebuild(
    batches: Any, snapshot_again: bool, new_shop: Any, elsewhere: Any, rows: Any, nursery: Any
) -> None:
    follow(batches, snapshot_again, new_shop(), elsewhere, rows, nursery)


@pytest.mark.soak
@given(batches=BATCHES, snapshot_again=st.booleans())
@settings(max_examples=200, **EXAMPLES)
def test_incremental_equals_rebuild_for_long(
    batches: Any, snapshot_again: bool, new_shop: Any, elsewhere: Any, rows: Any, nursery: Any
) -> None:
    follow(batches, snapshot_again, new_shop(), elsewhere, rows, nursery)


def follow(batches: Any, snapshot_again: bool, shop: Any, elsewhere: Any, rows: Any, nursery: Any) -> None:
    """Build after every batch, one of them perhaps killed; then compare every table, with a build from scratch."""
    alive: dict[str, dict[int, dict[str, Any]]] = {
        table: {} for table in ("customers", "products", "orders", "sales_data", "returns", "mailings")
    }
    for number in (1, 2):
        alive["customers"][number] = rows.customer(number)
        alive["products"][number] = rows.product(number)
        alive["orders"][number] = rows.order(number, discount=Decimal("0.77"))
    for number in range(1, 6):
        alive["sales_data"][number] = rows.sale(
            number, order_id=1 + number % 2, customer_id=1 + number % 3, price=Decimal("3.33")
        )
    alive["returns"][1] = rows.sent_back(1)
    alive["mailings"][1] = {"mailing_id": 1, "text": "Hello"}
    for table, having in alive.items():
        shop.snapshot(table, list(having.values()))
    shop.lines(rows.hit(rows.at(0)))
    shop.build()
    line = 1
    for number, (batch, lines, killed_at) in enumerate(batches):
        for table, key, wanted in batch:
            if wanted is not None:
                row = row_of(rows, table, key, wanted)
                shop.change(table, ("u" if key in alive[table] else "c", row))
                alive[table][key] = row
            elif key in alive[table]:
                shop.change(table, ("d", key_of(rows, table, key)))
                del alive[table][key]
        hits = []
        for host, minutes, path, user, status in lines:
            line += 1
            moment = rows.at(0) + timedelta(minutes=minutes)
            hits.append(rows.hit(moment, path, host=host, user=user, status=status, _line=line))
        if hits:
            shop.lines(*hits)
        if snapshot_again and number == 1:
            shop.snapshot("sales_data", [row for key, row in alive["sales_data"].items() if key != 2])
            alive["sales_data"].pop(2, None)
        if killed_at:
            assert nursery.build(shop, f"*:{killed_at}") in (0, -signal.SIGKILL)
        shop.build()
    scratch = elsewhere(shop)
    scratch.build()
    for layer in COMPARED:
        for name in sorted({*shop.lake.names(layer), *scratch.lake.names(layer)}):
            assert kept(shop, name) == kept(scratch, name), name
    assert set(tables()) <= {name for layer in ("silver", "gold") for name in shop.lake.names(layer)}


def kept(shop: Any, name: str) -> list[dict[str, Any]]:
    """Rows, but for the moment when one was put into quarantine; a quarantine that is empty may as well not be there."""
    found = shop.rows(name) if shop.lake.exists(name) else []
    return [{column: value for column, value in row.items() if column != "quarantined_at"} for row in found]
