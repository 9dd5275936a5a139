"""The shop's tables through a build: what they hold, and that following changes gives what a build from scratch does."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

AGENT = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15"


@pytest.fixture
def filled(shop: Any, rows: Any) -> Any:
    """Two customers, three orders, a return on a day without a sale, and a web log of a buyer, a visitor and a bot."""
    shop.snapshot("customers", [rows.customer(1), rows.customer(2, country="Japan")])
    shop.snapshot("products", [rows.product(1), rows.product(2, category="Books"), rows.product(3, category="Books")])
    shop.snapshot("orders", [rows.order(1, discount=Decimal("1.00")), rows.order(2, channel="app"), rows.order(3, customer_id=2)])
    shop.snapshot(
        "sales_data",
        [
            rows.sale(1, price=Decimal("10.00"), quantity=3),
            rows.sale(2, order_id=1, product_id=2, timestamp=rows.at(1), price=Decimal("20.00")),
            rows.sale(3, order_id=2),
            rows.sale(4, order_id=2, product_id=2, timestamp=rows.at(3)),
            rows.sale(5, order_id=3, customer_id=2, quantity=2, timestamp=rows.at(40)),
        ],
    )
    shop.snapshot("returns", [rows.sent_back(1, returned_at=rows.at(20))])
    shop.lines(*visits(rows))
    return shop


def visits(rows: Any) -> list[dict[str, Any]]:
    """A buyer who comes back after an hour, a visitor of another address, and a crawler."""
    start = rows.at(1)
    bought = [
        rows.hit(start, "/?utm_source=letter&utm_medium=email", user=None),
        rows.hit(start + timedelta(minutes=5), "/search?q=Gaming++Laptop", user="c1"),
        rows.hit(start + timedelta(minutes=34), "/product/1", user="c1"),
        rows.hit(start + timedelta(minutes=40), "/cart?product=1", method="POST", status=302, user="c1"),
        rows.hit(start + timedelta(minutes=41), "/checkout", user="c1"),
        rows.hit(start + timedelta(minutes=42), "/checkout/complete?order=1", method="POST", status=302, user="c1"),
        rows.hit(start + timedelta(minutes=101), "/product/2"),
    ]
    looked = [rows.hit(start, "/category/books", host="10.0.0.2", agent=AGENT, referer="https://www.google.com/")]
    crawled = [
        rows.hit(start + timedelta(seconds=n), path, host="10.0.0.3", agent="ExampleBot/2.1")
        for n, path in enumerate(("/robots.txt", "/product/1", "/product/2"))
    ]
    return [*bought, *looked, *crawled]


def one(shop: Any, table: str, **where: Any) -> dict[str, Any]:
    (found,) = [row for row in shop.rows(table) if all(row[column] == value for column, value in where.items())]
    return dict(found)


def test_visits_of_people_and_programs(filled: Any) -> None:
    filled.build()
    seen = {(row["started_at"].hour, row["is_bot"]): row for row in filled.rows("gold.fact_web_sessions") if row["pages"] > 1}
    first = seen[12, False]
    assert (first["pages"], first["orders"], first["order_id"], first["traffic_channel"]) == (6, 1, "1", "email")
    assert seen[12, True]["bot_reason"] == "agent"
    assert len(filled.rows("gold.fact_web_sessions")) == 4
    buyer = one(filled, "gold.dim_customer", customer_id=1)
    assert (first["customer_key"], first["landing_page"]) == (buyer["customer_key"], "/")
    (asked,) = filled.rows("silver.search_terms")
    assert (asked["term"], asked["typed"], asked["customer_id"]) == ("gaming laptop", "Gaming  Laptop", 1)


def test_the_funnel_of_a_day(filled: Any) -> None:
    filled.build()
    steps = {row["traffic_channel"]: row for row in filled.rows("gold.agg_funnel")}
    counts = {
        name: [row[step] for step in ("visits", "product", "cart", "checkout", "ordered", "bots")] for name, row in steps.items()
    }
    assert counts == {"email": [1, 1, 1, 1, 1, 0], "organic search": [1, 0, 0, 0, 0, 0], "direct": [1, 1, 0, 0, 0, 1]}


def test_a_return_is_an_event_of_its_own_date(filled: Any) -> None:
    filled.build()
    sold, back = (
        one(filled, "gold.agg_sales_daily", date_key=20250102, category="Electronics"),
        one(filled, "gold.agg_sales_daily", date_key=20250121),
    )
    assert (sold["amount"], sold["returned_amount"]) == (Decimal("30.00"), Decimal("0.00"))
    assert (back["orders"], back["lines"], back["returned_units"], back["net_sales"]) == (0, 0, 1, Decimal("-5.00"))
    assert (back["category"], back["country"], back["channel"]) == ("Electronics", "France", "web")
    total = one(filled, "gold.rollup_sales", level="total")
    assert (total["amount"], total["discount"], total["net_amount"]) == (Decimal("90.00"), Decimal("1.00"), Decimal("89.00"))
    assert (total["returned_amount"], total["net_sales"]) == (Decimal("5.00"), Decimal("84.00"))


def test_orders_are_counted_on_each_day_and_a_cost_has_its_sales(filled: Any) -> None:
    filled.build()
    orders = filled.rows("gold.agg_orders_daily")
    sold = filled.rows("gold.fact_sales")
    assert sum(row["orders"] for row in orders) == len({(row["order_id"], row["date_key"]) for row in sold}) == 3
    assert {(row["date_key"], row["country"], row["channel"]) for row in orders if row["country"] == "Japan"} == {
        (row["date_key"], "Japan", "web") for row in sold if row["customer_id"] == 2
    }
    known = [row for row in sold if row["cost"] is not None]
    total = one(filled, "gold.rollup_sales", level="total")
    assert total["costed_amount"] == sum(row["net_amount"] for row in known)
    assert total["cost"] == sum(row["cost"] for row in known)


def test_days_without_a_sale_are_there_with_zero(filled: Any) -> None:
    filled.build()
    days = {row["date"]: row for row in filled.rows("gold.rollup_sales") if row["grouping_id"] == 0}
    assert (min(days), max(days)) == (date(2025, 1, 1), date(2025, 2, 10))
    assert len(days) == 41
    assert (days[date(2025, 1, 15)]["amount"], days[date(2025, 1, 15)]["lines"]) == (Decimal("0.00"), 0)


def test_every_total_says_the_same(filled: Any) -> None:
    filled.build()
    for table in ("agg_sales_daily", "agg_sales_monthly", "agg_sales_by_category_country"):
        rows = filled.rows(f"gold.{table}")
        assert sum(row["net_sales"] for row in rows) == Decimal("84.00"), table
    for table in ("cube_sales", "grouping_sets_sales"):
        assert one(filled, f"gold.{table}", level="total")["net_sales"] == Decimal("84.00"), table
    assert {row["country"]: row["total_sales"] for row in filled.rows("gold.mqt_total_sales_per_country")} == {
        "France": Decimal("70.00"),
        "Japan": Decimal("20.00"),
    }
    assert {row["customer_id"]: row["net_sales"] for row in filled.rows("gold.agg_sales_by_customer")} == {
        1: Decimal("64.00"),
        2: Decimal("20.00"),
    }


def test_what_a_customer_is_worth_and_what_goes_together(filled: Any) -> None:
    filled.build()
    worth = one(filled, "gold.agg_customer_lifetime", customer_id=1)
    assert (worth["as_of_date"], worth["recency_days"], worth["frequency"]) == (date(2025, 2, 10), 37, 2)
    (pair,) = filled.rows("gold.agg_basket_pairs")
    assert (pair["product_a"], pair["product_b"], pair["orders"], pair["orders_all"]) == (1, 2, 2, 3)
    assert (pair["confidence_a_b"], pair["confidence_b_a"], pair["lift"]) == (2 / 3, 1.0, 1.0)


WEB = ("silver.web_hits", "silver.search_terms", "gold.fact_web_sessions")


def test_changes_followed_give_what_a_rebuild_does(filled: Any, elsewhere: Any, rows: Any) -> None:
    filled.build()
    # A line within 30 minutes of two visits joins them; the same file and line come again after a rotation; a day is late.
    late = [
        rows.hit(rows.at(1) + timedelta(minutes=72), "/cart"),
        rows.hit(rows.at(1, hour=1), "/search?query=100%25%ff", host="10.0.0.2", agent=AGENT),
        rows.hit(rows.at(9), "/product/3", user="c2", host="10.0.0.9", agent=AGENT),
    ]
    filled.lines(*late)
    filled.change("returns", ("c", rows.sent_back(2, rowid=2, returned_at=rows.at(22))), ("d", {"return_id": 1}))
    filled.change("sales_data", ("u", rows.sale(3, order_id=2, quantity=5, timestamp=rows.at(33))), ("d", {"rowid": 5}))
    filled.change("customers", ("u", rows.customer(1, country="Japan", updated_at=rows.at(5))))
    filled.change("products", ("u", rows.product(1, category="Toys", day=2)))
    filled.change("orders", ("u", rows.order(2, channel=None, discount=Decimal("0.50"))))
    report = filled.build()
    how = {step.table: step.how for step in report.steps}
    assert {how[name] for name in WEB} == {"by_key"}
    assert {how[f"gold.{name}"] for name in ("agg_sales_daily", "agg_orders_daily", "agg_sales_monthly", "agg_funnel")} == {
        "by_group"
    }
    # The category changed on a day that has a return and no sale.
    filled.change("products", ("u", rows.product(2, category="Games", day=0)))
    filled.build()
    scratch = elsewhere(filled)
    scratch.build()
    for layer in ("silver", "gold"):
        assert filled.lake.names(layer) == scratch.lake.names(layer)
        for name in filled.lake.names(layer):
            assert filled.rows(name) == scratch.rows(name), name
    joined = [row for row in filled.rows("silver.web_sessions") if row["orders"]]
    assert [(row["ended_at"] - row["started_at"]) for row in joined] == [timedelta(minutes=101)]


def test_without_a_web_log_the_shop_is_built_all_the_same(shop: Any, rows: Any) -> None:
    for table, first in {"customers": rows.customer(1), "products": rows.product(1), "orders": rows.order(1)}.items():
        shop.snapshot(table, [first])
    shop.snapshot("sales_data", [rows.sale(1, timestamp=datetime(2025, 1, 1, 12, tzinfo=UTC))])
    shop.snapshot("returns", [])
    skipped = {step.table: step.why for step in shop.build().steps if step.how == "skip"}
    assert skipped["silver.web_hits"] == "bronze.weblog.files.access was never captured"
    assert one(shop, "gold.rollup_sales", level="total")["amount"] == Decimal("10.00")
