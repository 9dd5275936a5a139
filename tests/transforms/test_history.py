"""Type 2 dimensions: every version that the source had, in order, and what holds when."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

BEGINNING = datetime(1900, 1, 1, tzinfo=UTC)
END = datetime(9999, 12, 31, tzinfo=UTC)


def versions(shop: Any, table: str, *columns: str) -> list[tuple[Any, ...]]:
    found = [row for row in shop.rows(f"gold.{table}") if row[f"{table.removeprefix('dim_')}_key"] != -1]
    return [tuple(row[column] for column in columns) for row in sorted(found, key=lambda row: (row["valid_from"], repr(row)))]


def test_every_version_of_one_batch_in_order(shop: Any, rows: Any) -> None:
    shop.snapshot("customers", [rows.customer(1, city="Lyon")])
    cities = ["Paris", "Nice", "Paris"]
    shop.change(
        "customers", *(("u", rows.customer(1, city=city, updated_at=rows.at(10 + day))) for day, city in enumerate(cities))
    )
    shop.build()
    assert versions(shop, "dim_customer", "city", "valid_from", "valid_to", "is_current") == [
        ("Lyon", BEGINNING, rows.at(10), False),
        ("Paris", rows.at(10), rows.at(11), False),
        ("Nice", rows.at(11), rows.at(12), False),
        ("Paris", rows.at(12), END, True),
    ]


def test_the_same_row_seen_again_is_one_version(shop: Any, rows: Any) -> None:
    shop.snapshot("customers", [rows.customer(1)])
    shop.change("customers", ("u", rows.customer(1)), ("u", rows.customer(1, updated_at=rows.at(5))))
    shop.build()
    assert versions(shop, "dim_customer", "valid_from", "valid_to") == [(BEGINNING, END)]
    before = shop.versions()["gold.dim_customer"]
    shop.snapshot("customers", [rows.customer(1, updated_at=rows.at(5))])
    shop.build()
    assert shop.versions()["gold.dim_customer"] == before


def test_without_a_business_time_that_moves_forward_the_source_s_clock_tells(shop: Any, rows: Any) -> None:
    shop.snapshot("customers", [rows.customer(1, updated_at=rows.at(50))])
    shop.change("customers", ("u", rows.customer(1, city="Nice", updated_at=rows.at(20))))
    seen = shop.clock
    shop.change("customers", ("u", rows.customer(1, city="Metz", updated_at=None)))
    shop.build()
    assert versions(shop, "dim_customer", "city", "valid_from") == [("Lyon", BEGINNING), ("Nice", seen), ("Metz", shop.clock)]


def test_clocks_that_go_back_still_give_an_order(shop: Any, rows: Any) -> None:
    shop.snapshot("customers", [rows.customer(1)])
    shop.change("customers", ("u", rows.customer(1, city="Nice", updated_at=rows.at(800))))
    shop.change(
        "customers",
        ("u", rows.customer(1, city="Metz", updated_at=rows.at(2))),
        ("u", rows.customer(1, city="Caen", updated_at=None)),
    )
    shop.build()
    tick = timedelta(microseconds=1)
    assert versions(shop, "dim_customer", "city", "valid_from", "valid_to") == [
        ("Lyon", BEGINNING, rows.at(800)),
        ("Nice", rows.at(800), rows.at(800) + tick),
        ("Metz", rows.at(800) + tick, rows.at(800) + 2 * tick),
        ("Caen", rows.at(800) + 2 * tick, END),
    ]


def test_a_delete_closes_and_a_key_used_again_opens_a_new_version(shop: Any, rows: Any) -> None:
    shop.snapshot("customers", [rows.customer(1)])
    shop.change("customers", ("d", {"customer_id": 1}))
    gone = shop.clock
    shop.build()
    assert versions(shop, "dim_customer", "valid_to", "is_current") == [(gone, False)]
    shop.change("customers", ("c", rows.customer(1, city="Nice", updated_at=rows.at(900))))
    shop.build()
    assert versions(shop, "dim_customer", "city", "valid_from", "valid_to") == [
        ("Lyon", BEGINNING, gone),
        ("Nice", rows.at(900), END),
    ]


def test_a_member_that_a_new_snapshot_lacks_ends_when_it_was_taken(shop: Any, rows: Any) -> None:
    shop.snapshot("customers", [rows.customer(1), rows.customer(2)])
    shop.build()
    shop.snapshot("customers", [rows.customer(2)])
    shop.build()
    ends = dict(versions(shop, "dim_customer", "customer_id", "valid_to"))
    assert ends[2] == END
    assert datetime(2026, 1, 1, tzinfo=UTC) < ends[1] <= datetime.now(UTC)


def test_surrogate_keys_do_not_change_in_a_rebuild(shop: Any, rows: Any) -> None:
    shop.snapshot("customers", [rows.customer(1)])
    shop.build()
    first = versions(shop, "dim_customer", "customer_key")
    shop.change("customers", ("u", rows.customer(1, city="Nice", updated_at=rows.at(9))))
    shop.build()
    shop.build(full=True)
    keys = versions(shop, "dim_customer", "customer_key")
    assert keys[0] == first[0]
    assert len(set(keys)) == 2


def test_a_dirty_version_is_left_out(shop: Any, rows: Any) -> None:
    shop.snapshot("customers", [rows.customer(1)])
    shop.change("customers", ("u", rows.customer(1, email="nonsense", city="Nice", updated_at=rows.at(9))))
    shop.build()
    assert versions(shop, "dim_customer", "city", "valid_to") == [("Lyon", END)]


def test_the_unknown_member(shop: Any, rows: Any) -> None:
    shop.snapshot("customers", [])
    shop.build()
    (unknown,) = shop.rows("gold.dim_customer")
    assert (unknown["customer_key"], unknown["customer_id"], unknown["country"], unknown["country_key"]) == (
        -1,
        None,
        "Unknown",
        -1,
    )
    assert (unknown["valid_from"], unknown["valid_to"], unknown["is_current"]) == (BEGINNING, END, True)


def test_a_sale_belongs_to_the_version_that_held_when_it_was_made(shop: Any, rows: Any) -> None:
    shop.snapshot("customers", [rows.customer(1)])
    shop.snapshot("products", [rows.product(1, cost="5.00")])
    shop.snapshot("orders", [rows.order(1)])
    shop.snapshot("sales_data", [rows.sale(1, timestamp=rows.at(1)), rows.sale(2, timestamp=rows.at(30))])
    shop.build()
    shop.change("products", ("u", rows.product(1, cost="6.00", day=20)))
    shop.change("sales_data", ("c", rows.sale(3, timestamp=rows.at(2))), ("c", rows.sale(4, timestamp=rows.at(20))))
    shop.build()
    costs = {row["sale_id"]: str(row["cost"]) for row in shop.rows("gold.fact_sales", "sale_id", "cost")}
    assert costs == {1: "5.00", 2: "6.00", 3: "5.00", 4: "6.00"}


@pytest.mark.parametrize("in_batches", [True, False])
def test_documents_that_trade_places(shop: Any, rows: Any, in_batches: bool) -> None:
    """MongoDB's _id is not the product's number: a document may end, or become, a product that another one was."""
    shop.snapshot("products", [rows.product(1, id=101, name="a")])
    shop.snapshot("customers", [])
    first = rows.product(1, id=102, name="b", day=5)
    moved = rows.product(2, id=102, name="b", day=6)
    changes = [("c", first), ("d", {"_id": '{"$numberInt": "101"}'}), ("u", moved)]
    for change in changes:
        shop.change("products", change)
        if in_batches:
            shop.build()
    shop.build()
    assert set(versions(shop, "dim_product", "product_id", "name", "valid_to")) == {
        (1, "a", rows.at(5)),
        (1, "b", shop.clock),
        (2, "b", END),
    }
