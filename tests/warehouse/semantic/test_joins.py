"""A join that would count rows twice: the public test set of the paper "Aggregation Consistency Errors in Semantic Layers and
How to Avoid Them" (Huang et al., 2023; data as in github.com/carlineng/aggregation-consistency), and cases like it.

Joined naively, the ads that cost 500 and 600 cost 1,600, since one of them was seen twice: 16, where 11 is right.
"""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from lake.errors import PermanentFailure, UsageError
from warehouse.semantic.answers import answer, tables_of
from warehouse.semantic.asked import question
from warehouse.semantic.loaded import load
from warehouse.semantic.star import Star

DATA = """
CREATE SCHEMA shop;
CREATE TABLE shop.users AS FROM (VALUES (1, 'Joe'), (2, 'Mary')) t(uid, name);
CREATE TABLE shop.items AS FROM (VALUES (1, 1, 20), (2, NULL, 30), (3, 5, 35)) t(iid, size, price);
CREATE TABLE shop.payments AS FROM (VALUES (1, 'Paypal'), (2, 'Visa')) t(pid, name);
CREATE TABLE shop.ads AS FROM (VALUES (1, 'Google', 500), (2, 'Facebook', 600)) t(aid, source, cost);
CREATE TABLE shop.views AS FROM (VALUES (1, 1), (1, 2), (2, 1)) t(uid, aid);
-- A fact carries its own price, as gold.fact_sales does.
CREATE TABLE shop.purchases AS
  SELECT h.*, price FROM (VALUES (1, 1, 1), (2, 1, 1), (2, 2, NULL), (2, 4, 2)) h(uid, iid, pid) LEFT JOIN shop.items USING (iid);
"""
MODELS = {
    "users": "table: shop.users\ndescription: users\ndimensions: {user: {expr: _.name, description: name}}",
    "items": "table: shop.items\ndescription: items\ndimensions: {size: {expr: _.size, description: size}}",
    "payments": "table: shop.payments\ndescription: x\ndimensions: {payment: {expr: _.name, description: x, unknown: none}}",
    "ads": "table: shop.ads\ndescription: ads\ndimensions: {source: {expr: _.source, description: source}}",
    "views": """
table: shop.views
description: views of ads
joins:
  users: {model: users, type: one, left_on: uid, right_on: uid}
  ads: {model: ads, type: one, left_on: aid, right_on: aid}
""",
    "purchases": """
table: shop.purchases
description: purchases
joins:
  users: {model: users, type: one, left_on: uid, right_on: uid}
  items: {model: items, type: one, left_on: iid, right_on: iid}
  payments: {model: payments, type: one, left_on: pid, right_on: pid}
""",
}
METRICS = {"ad_cost": ("ads", "_.cost.sum()"), "revenue": ("purchases", "_.price.sum()"), "views_seen": ("views", "_.count()")}


class Ads:
    def __init__(self, folder: Path) -> None:
        self.connection, self.folder = duckdb.connect(), folder
        self.connection.execute(DATA)
        (folder / "models").mkdir()
        for name, text in MODELS.items():
            self.model(name, text)
        for name, (model, measure) in METRICS.items():
            (folder / f"{name}.yml").write_text(
                f"description: {name}\nformat: count\nunit: x\nmodel: {model}\nmeasure: {measure}\n"
            )

    def model(self, name: str, text: str) -> None:
        (self.folder / "models" / f"{name}.yml").write_text(text)

    def ask(self, *metrics: str, by: str = "", where: str | None = None) -> list[tuple[Any, ...]]:
        load.cache_clear()
        declared = load(self.folder)
        star = Star(declared, tables_of(self.connection, declared))
        return answer(self.connection, star, question(declared, metrics, by.split(","), where)).rows()[1]


@pytest.fixture
def ads(tmp_path: Path) -> Iterator[Ads]:
    made = Ads(tmp_path)
    yield made
    made.connection.close()
    load.cache_clear()


def test_11_not_16(ads: Ads) -> None:
    naive = "SELECT sum(cost) FROM shop.views JOIN shop.users USING (uid) JOIN shop.ads USING (aid)"
    assert ads.connection.execute(naive).fetchall() == [(1600,)]
    assert ads.ask("ad_cost") == [(1100,)]
    assert ads.ask("ad_cost", by="source") == [("Facebook", 600), ("Google", 500)]


def test_70_not_40_a_purchase_without_payment_or_item_counts(ads: Ads) -> None:
    naive = "SELECT sum(items.price) FROM shop.purchases JOIN shop.items USING (iid) JOIN shop.payments USING (pid)"
    assert ads.connection.execute(naive).fetchall() == [(40,)]
    assert ads.ask("revenue") == [(70,)]
    assert ads.ask("revenue", by="payment") == [("Paypal", 40), ("Visa", 0), ("none", 30)]
    assert ads.ask("revenue", by="user") == [("Joe", 20), ("Mary", 50)]


def test_two_facts_of_one_member_are_summed_apart(ads: Ads) -> None:
    """A chasm: Joe has one purchase and two views, which joined are two purchases."""
    naive = "SELECT name, sum(price), count(*) FROM shop.users JOIN shop.purchases USING (uid) JOIN shop.views USING (uid)"
    assert ads.connection.execute(f"{naive} GROUP BY 1 ORDER BY 1").fetchall() == [("Joe", 40, 2), ("Mary", 50, 3)]
    assert ads.ask("revenue", "views_seen", by="user") == [("Joe", 20, 2), ("Mary", 50, 1)]
    assert ads.ask("revenue", "views_seen", "ad_cost") == [(70, 3, 1100)]


@pytest.mark.parametrize(
    ("metrics", "by", "line"),
    [
        (
            ["revenue"],
            "source",
            r"purchases leads to a source; only by way of views, where one row of purchases may meet several",
        ),
        (["ad_cost"], "user", r"ad_cost cannot be cut by user: .*only by way of views.*It can be cut by source"),
        (["views_seen", "ad_cost"], "user", r"ad_cost cannot be cut by user"),
        (["revenue", "views_seen"], "size", r"views_seen cannot be cut by size: .*It can be cut by user, source"),
    ],
)
def test_what_would_count_twice_is_refused_with_the_reason(ads: Ads, metrics: list[str], by: str, line: str) -> None:
    with pytest.raises(UsageError, match=line):
        ads.ask(*metrics, by=by)
    with pytest.raises(UsageError, match=line):
        ads.ask(*metrics, where=f"{by} = 'x'")


def test_a_join_to_many_cannot_be_declared(ads: Ads) -> None:
    ads.model("users", MODELS["users"] + "\njoins: {views: {model: views, type: many, left_on: uid, right_on: uid}}")
    with pytest.raises(
        UsageError, match=r"users.yml: joins.views.type: only `one`; a join to many rows would count a row several times"
    ):
        ads.ask("revenue")


def test_a_member_that_is_there_twice_stops_the_question_that_joins_it(ads: Ads) -> None:
    ads.connection.execute("INSERT INTO shop.users VALUES (1, 'Joseph')")
    with pytest.raises(PermanentFailure, match=r'model users: 1 values of "uid" are in shop.users more than once'):
        ads.ask("revenue", by="user")
    with pytest.raises(PermanentFailure, match="more than once"):
        ads.ask("revenue", where="user = 'Joe'")
    assert ads.ask("revenue") == [(70,)]
    ads.model("users", MODELS["users"] + "\nfilter: _.name != 'Joseph'")
    assert ads.ask("revenue", by="user") == [("Joe", 20), ("Mary", 50)]


def test_revenue_and_returns_of_a_product_meet_only_on_the_product(shop: Any) -> None:
    """Each product was sold often and came back seldom: joined line by line, returns would count once a sale."""
    found = {row[0]: row[1:] for row in shop.ask("revenue", "returned_units", by="sku")}
    assert found["L1"] == (shop.sql("SELECT sum(net_amount) FROM gold.fact_sales WHERE product_key = 1")[0][0], 1)
    assert found["P1"][1] == 2
    assert found["B1"][1] == 2
    assert sum(row[0] for row in found.values()) == shop.sql("SELECT sum(net_amount) FROM gold.fact_sales")[0][0]
    assert isinstance(found["L1"][0], Decimal)
