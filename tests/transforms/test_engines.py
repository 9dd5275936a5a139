"""The same bronze gives the same silver and gold on both engines, types included, when built and when brought up to date."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from lake.errors import PermanentFailure, TransientFailure, UsageError
from transforms.engine import Engine, kind


def write(shop: Any, rows: Any) -> None:
    shop.snapshot("customers", [rows.customer(n, country=["France", "Japan", None][n % 3]) for n in range(1, 8)])
    shop.snapshot("products", [rows.product(n, category=["Books", "Toys"][n % 2], cost=f"{n}.11") for n in range(1, 6)])
    shop.snapshot("orders", [rows.order(n, discount=Decimal(n).scaleb(-1), channel=["web", "app"][n % 2]) for n in range(1, 12)])
    lines = [
        rows.sale(n, order_id=n % 12, customer_id=n % 9, product_id=n % 7, price=Decimal(n * 37).scaleb(-2)) for n in range(1, 40)
    ]
    shop.snapshot("sales_data", [*lines, rows.sale(50, quantity=-1)])
    shop.snapshot("returns", [rows.sent_back(n, rowid=n) for n in range(1, 4)])


def change(shop: Any, rows: Any) -> None:
    shop.change("customers", ("u", rows.customer(1, city="Nice", updated_at=rows.at(9))), ("d", {"customer_id": 2}))
    shop.change("products", ("u", rows.product(2, cost="9.99", day=12)))
    shop.change(
        "sales_data", ("u", rows.sale(3, quantity=4)), ("d", {"rowid": 5}), ("c", rows.sale(60)), ("u", rows.sale(50, quantity=2))
    )


@pytest.mark.timeout(900)  # a minute of Spark's own time on idle cores
def test_both_engines_give_the_same_tables(shop: Any, sail: Engine, spark: Engine, elsewhere: Any, rows: Any) -> None:
    write(shop, rows)
    other = replace(elsewhere(shop), engine=spark)
    shop.build()
    salt = shop.lake.read("ref.shop")
    other.lake.create("ref.shop", salt.schema)
    other.lake.append("ref.shop", salt)
    assert other.build().engine == "spark"
    assert tables(shop) == tables(other)
    for each in (shop, other):
        change(each, rows)
        report = each.build()
        assert {step.table: step.how for step in report.steps}["gold.fact_sales"] == "by_key"
    assert tables(shop) == tables(other)


def tables(shop: Any) -> dict[str, Any]:
    names = [*shop.lake.names("silver"), *shop.lake.names("gold")]
    return {name: (shop.lake.schema(name), shop.rows(name)) for name in names}


@pytest.mark.parametrize(
    ("text", "kind_of_failure", "says"),
    [
        ("Resources exhausted: Failed to allocate additional 80 MB", PermanentFailure, "out of memory; raise engine.memory"),
        ("StatusCode.UNAVAILABLE failed to connect to all addresses", TransientFailure, "went away"),
        ("[UNRESOLVED_COLUMN] a\nb", PermanentFailure, "[UNRESOLVED_COLUMN] a b"),
    ],
)
def test_an_engine_s_error_in_our_words(sail: Engine, text: str, kind_of_failure: type[Exception], says: str) -> None:
    found = sail.explain(RuntimeError(text))
    assert type(found) is kind_of_failure
    assert says in str(found)
    assert "\n" not in str(found)


def test_which_engine(make_settings: Any) -> None:
    assert kind(make_settings()) == "sail"
    assert kind(make_settings(CARTLAKE_ENGINE__MASTER="local[2]")) == "spark"
    assert kind(make_settings(CARTLAKE_ENGINE__REMOTE="sc://host:15002")) == "spark"
    with pytest.raises(UsageError, match=r"unset engine\.master"):
        kind(make_settings(CARTLAKE_ENGINE__KIND="sail", CARTLAKE_ENGINE__MASTER="local[2]"))


@pytest.mark.parametrize("folder", ["My Documents", "Höhle#1"])
def test_a_lake_may_lie_in_any_folder(
    make_settings: Any, tmp_path: Any, sail: Engine, new_shop: Any, rows: Any, folder: str
) -> None:
    home = tmp_path / folder
    home.mkdir()
    shop = replace(new_shop(), settings=make_settings(home))
    shop.snapshot("orders", [rows.order(1)])
    shop.build()
    shop.change("orders", ("c", rows.order(2)))
    shop.build()
    assert [row["order_id"] for row in shop.rows("silver.orders")] == ["1", "2"]
