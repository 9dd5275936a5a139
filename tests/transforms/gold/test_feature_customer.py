"""gold.feature_customer on both engines: totals against the same counted by hand, and nothing of a later day in any of them."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from transforms.gold.feature_customer import feature_customer

FIRST = date(2026, 1, 1)
MONEY = pa.decimal128(18, 2)
Row = dict[str, Any]


def key(day: int) -> int:
    return int(f"{FIRST + timedelta(days=day):%Y%m%d}")


def sale(day: int, customer: int | None, order: str, product: int, amount: int = 10, discount: int = 0) -> Row:
    return {
        "date_key": key(day),
        "customer_id": customer,
        "order_id": order,
        "product_id": product,
        "product_key": product,
        "quantity": 2,
        "amount": Decimal(amount),
        "discount": Decimal(discount),
        "net_amount": Decimal(amount - discount),
    }


def back(day: int, customer: int, refund: int) -> Row:
    return {"date_key": key(day), "customer_id": customer, "quantity": 1, "refund": Decimal(refund)}


def state(engine: Any, sales: list[Row], returns: list[Row]) -> dict[tuple[int, date], Row]:
    """The table's rows by customer and day. Product p is of category p mod 2."""
    whole, money = pa.int64(), MONEY
    sold = [
        ("date_key", pa.int32()),
        ("customer_id", whole),
        ("order_id", pa.string()),
        ("product_id", whole),
        ("product_key", whole),
    ]
    sold += [("quantity", whole), ("amount", money), ("discount", money), ("net_amount", money)]
    came = [("date_key", pa.int32()), ("customer_id", whole), ("quantity", whole), ("refund", money)]
    products = pa.table({"product_key": list(range(20)), "category": ["even" if p % 2 == 0 else "odd" for p in range(20)]})
    made = feature_customer(
        engine.frame(pa.Table.from_pylist(sales, pa.schema(sold))),
        engine.frame(pa.Table.from_pylist(returns, pa.schema(came))),
        engine.frame(products),
    )
    return {(row["customer_id"], row["date"]): row for row in engine.arrow(made).to_pylist()}


def test_totals_are_what_a_count_by_hand_finds(engine: Any) -> None:
    sales = [sale(0, 1, "a", 1, 10, 2), sale(0, 1, "a", 2), sale(4, 1, "b", 1), sale(10, 1, "c", 3, 30), sale(4, 2, "d", 2)]
    made = state(engine, sales, [back(6, 1, 5)])
    assert sorted(made) == [(1, FIRST), *((1, FIRST + timedelta(days=day)) for day in (4, 6, 10)), (2, FIRST + timedelta(days=4))]
    last = made[1, FIRST + timedelta(days=10)]
    assert (last["orders"], last["lines"], last["units"], last["returned_units"]) == (3, 4, 8, 1)
    assert (last["amount"], last["discount"], last["net_amount"], last["returned_amount"]) == (60, 2, 58, 5)
    assert (last["products"], last["categories"]) == (3, 2)
    assert (last["purchase_days"], last["gap_days"], last["gap_days_squared"]) == (3, 10, 16 + 36)
    assert (last["first_date"], last["previous_date"], last["last_date"]) == (
        FIRST,
        FIRST + timedelta(days=4),
        FIRST + timedelta(days=10),
    )


def test_a_return_is_a_day_of_its_own_and_no_purchase(engine: Any) -> None:
    made = state(engine, [sale(0, 1, "a", 1)], [back(3, 1, 4)])[1, FIRST + timedelta(days=3)]
    assert (made["purchase_days"], made["last_date"], made["returned_amount"], made["orders"]) == (1, FIRST, 4, 1)


def test_sales_of_nobody_are_left_out(engine: Any) -> None:
    assert list(state(engine, [sale(0, None, "a", 1), sale(0, 3, "b", 1)], [])) == [(3, FIRST)]


@pytest.mark.parametrize("seed", [1, 2])
def test_what_comes_after_a_day_changes_nothing_of_it(engine: Any, seed: int) -> None:
    random = np.random.default_rng(seed)
    sales = [
        sale(
            int(random.integers(0, 60)),
            int(random.integers(1, 6)),
            f"o{n // 2}",
            int(random.integers(0, 20)),
            int(random.integers(1, 99)),
        )
        for n in range(120)
    ]
    returns = [back(int(random.integers(0, 60)), int(random.integers(1, 6)), 3) for _ in range(15)]
    whole, cut = state(engine, sales, returns), key(30)
    early = state(engine, [row for row in sales if row["date_key"] < cut], [row for row in returns if row["date_key"] < cut])
    assert early == {place: row for place, row in whole.items() if place[1] < FIRST + timedelta(days=30)}
