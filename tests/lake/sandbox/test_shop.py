"""The simulated shop: the same from the same numbers, true to its laws, dirty exactly where it says so, and alive."""

import gzip
import json
import os
import re
import signal
import threading
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pymongo
import pytest
from bson import Decimal128, ObjectId

from lake.errors import UsageError
from lake.sandbox import shop
from lake.sandbox.shop import customers, demand, dirt, documents, sales, weblog
from lake.sandbox.shop.demand import Timeline
from lake.sandbox.shop.world import World

UNTIL = date(2026, 3, 15)
SCALE = 10_000


@pytest.fixture(scope="module")
def world():
    return World(7, SCALE, UNTIL)


@pytest.fixture(scope="module")
def history(world):
    """(orders, lines, returns) of the whole history."""
    months = list(sales.history(7, world.timeline, SCALE, world.catalog, world.customers))
    return tuple(pl.concat([getattr(month, name) for month in months]) for name in ("orders", "lines", "returns"))


@pytest.fixture(scope="module")
def trading(servers):
    """A small shop in the suite's servers; (settings, rows asked of MySQL, product collection)."""
    settings = servers.settings.model_copy(
        update={"sandbox": servers.settings.sandbox.model_copy(update={"scale": SCALE, "until": UNTIL})}
    )
    shop.create(settings)
    with pymongo.MongoClient(servers.mongo_url) as client:
        yield settings, lambda query: servers.execute(query, database="softcart"), client.catalog.products


def _content(world, folder):
    """Every byte that the shop is made of."""
    parts = list(sales.history(world.seed, world.timeline, world.scale, world.catalog, world.customers))
    frames = [frame for month in parts for frame in (month.orders, month.lines, month.returns)]
    frames.append(customers.frame(world.seed, world.customers.created, 1, world.until))
    made = documents.make(world.seed, world.timeline, world.catalog)
    planted = dirt.plant(world.seed, world.timeline, sales.Numbers(), 1000, made, parts[0].lines)
    weblog.write(world.seed, world.timeline, world.catalog, parts[-1].orders, parts[-1].lines, folder)
    logs = [file.read_bytes() for file in sorted(folder.iterdir())]
    return [frame.write_csv() for frame in [*frames, *planted.rows.values()]], repr(made), repr(planted.documents), logs


def test_the_same_numbers_give_the_same_shop_and_others_another(world, tmp_path):
    first = _content(world, tmp_path / "first")

    assert first == _content(World(7, SCALE, UNTIL), tmp_path / "again")
    assert first != _content(World(8, SCALE, UNTIL), tmp_path / "other")


def test_three_years_end_with_the_last_day():
    assert Timeline.ending(date(2026, 11, 21)) == Timeline(date(2023, 11, 22), date(2026, 11, 21))
    assert Timeline.ending(date(2024, 2, 29)).opening == date(2021, 3, 1)


@pytest.mark.parametrize("year", [2023, 2024, 2025])
def test_black_friday_is_the_day_after_the_fourth_thursday_of_november(year):
    days = np.arange(f"{year}-11-01", f"{year}-12-01", dtype="datetime64[D]")
    off = demand.percent_off(days)[:, 0]
    known = {2023: "2023-11-24", 2024: "2024-11-29", 2025: "2025-11-28"}[year]
    assert days[off == 25].tolist() == [
        date.fromisoformat(known) + timedelta(days=n) for n in range(4) if days[-1] >= np.datetime64(known) + n
    ]


def test_history_has_the_size_that_was_asked_for(history):
    orders, lines, returns = history
    assert lines.height == SCALE
    assert lines["rowid"].to_list() == list(range(1, SCALE + 1))
    assert 1.8 < SCALE / orders.height < 2.3
    assert 0.03 < returns.height / SCALE < 0.05
    assert lines["timestamp"].dt.date().max() == UNTIL


def test_orders_keep_their_laws(history, world):
    orders, lines, _ = history
    totals = lines.group_by("order_id").agg(
        total=(pl.col("price") * pl.col("quantity")).sum(),
        lines=pl.len(),
        who=pl.col("customer_id").unique(),
        at=pl.col("timestamp").unique(),
    )
    joined = orders.join(totals, on="order_id", how="full", coalesce=True)

    assert joined.null_count().transpose().sum().item() == 0
    assert joined.filter(pl.col("discount") > pl.col("total")).is_empty()
    assert set(joined["lines"]) == {1, 2, 3, 4, 5}
    assert joined.filter((pl.col("who").list.len() > 1) | (pl.col("at").list.len() > 1)).is_empty()
    assert joined.filter(pl.col("who").list.first() != pl.col("customer_id")).is_empty()
    created = pl.Series(world.customers.created.astype("datetime64[us]"))
    assert (orders["created_at"] > created.gather(orders["customer_id"].to_numpy() - 1)).all()


def test_prices_keep_their_cents_and_returns_their_sales(history):
    _, lines, returns = history
    assert lines["price"].dtype == pl.Decimal(10, 2)
    assert lines.filter(pl.col("price") % 1 != 0).height > SCALE * 0.9
    back = returns.join(lines, on="rowid", suffix="_sold")
    assert back.height == returns.height
    assert back.filter(pl.col("quantity") > pl.col("quantity_sold")).is_empty()
    assert back.filter(pl.col("refund") != pl.col("price") * pl.col("quantity")).is_empty()
    assert back.filter(pl.col("returned_at") <= pl.col("timestamp")).is_empty()


def test_a_phone_line_is_launched_and_a_line_of_toys_ends(history, world):
    _, lines, _ = history
    made = documents.make(7, world.timeline, world.catalog)
    month = world.timeline.month_of(lines["timestamp"].to_numpy().astype("datetime64[D]"))
    for kind, brand, first, last in (
        ("smart phone", "Aurora", world.timeline.launch_month, world.timeline.months - 1),
        ("toy", "Retrix", 0, world.timeline.end_month - 1),
    ):
        line = [product["product_id"] for product in made if (product["type"], product["brand"]) == (kind, brand)]
        sold = month[lines["product_id"].is_in(line).to_numpy()]
        assert first <= sold.min() <= first + 1
        assert last - 1 <= sold.max() <= last


def test_the_calendar_explains_the_sales_better_than_last_week_does():
    """Daily units at the default scale: the expectation against the naive same-weekday-last-week."""
    timeline = Timeline.ending(UNTIL)
    sold = sales.lines_a_day(7, timeline, 200_000).astype(float)
    shape = demand.weights(timeline, timeline.days).sum(axis=1)
    expected = shape * 200_000 / shape.sum()
    assert np.abs(sold - expected).mean() < 0.6 * np.abs(sold[7:] - sold[:-7]).mean()


def test_customers_come_back_and_leave(history):
    orders, _, _ = history
    per_customer = orders.group_by("customer_id").agg(pl.len(), last=pl.col("created_at").max())
    assert per_customer.filter(pl.col("len") >= 10).height > 50
    gone = per_customer.filter((pl.col("len") >= 3) & (pl.col("last") < datetime(2025, 3, 15)))
    assert gone.height > 20


def test_the_documents_are_ragged_like_the_courses(world):
    made = documents.make(7, world.timeline, world.catalog)
    sizes = {type(product["attributes"]["screen size"]) for product in made if "screen size" in product["attributes"]}

    assert sizes == {int, float}
    assert {type(product["_id"]) for product in made} == {int, ObjectId}
    assert len({frozenset(product["attributes"]) for product in made if product["type"] == "laptop"}) > 3
    assert all(isinstance(product["price"]["list"], Decimal128) for product in made)
    assert {product["category"] for product in made} == set(demand.CATEGORIES)


def test_the_web_log_leads_to_the_sales(history, world, tmp_path):
    orders, lines, _ = history
    cut = weblog.write(7, world.timeline, world.catalog, orders, lines, tmp_path)
    text = [line for file in sorted(tmp_path.iterdir()) for line in gzip.decompress(file.read_bytes()).decode().splitlines()]
    bought = [line for line in text if "/checkout/complete?order=" in line]

    assert len(cut) == 3
    assert sum(not line.endswith('"') for line in text) == 3
    recent = orders.filter(pl.col("channel").is_in(["web", "app"]) & (pl.col("created_at") >= datetime(2026, 2, 14)))
    assert {int(line.partition("order=")[2].split()[0]) for line in bought} == set(recent["order_id"])
    assert len(bought) < len(text) / 5
    assert any("ExampleBot" in line for line in text)
    terms = {line.partition("/search?q=")[2].split()[0].lower() for line in text if "/search?q=" in line}
    assert {"smart+phone", "laptop", "%c3%89ditions+du+lac+book"} <= terms
    assert any('"GET /?utm_source=search&utm_medium=cpc' in line for line in text)


def test_the_database_holds_the_shop_and_the_listed_dirt(trading):
    settings, ask, products = trading
    planted = json.loads((settings.sandbox.folder / "dirty.json").read_text())
    of = {table: sum(kind["count"] for kind in planted.values() if kind["table"] == table) for table in
          ("softcart.sales_data", "softcart.customers", "softcart.orders", "softcart.returns", "catalog.products")}  # fmt: skip

    assert all(kind["count"] == len(set(kind["keys"])) for kind in planted.values())
    assert ask("SELECT COUNT(*) FROM sales_data") == [(SCALE + of["softcart.sales_data"],)]
    assert ask("SELECT COUNT(*) FROM customers") == [(SCALE // 10 + of["softcart.customers"],)]
    assert products.count_documents({}) == 1800 + of["catalog.products"]
    dirty = {
        "sale_quantity_not_positive": "SELECT rowid FROM sales_data WHERE quantity <= 0",
        "sale_price_negative": "SELECT rowid FROM sales_data WHERE price < 0",
        "sale_customer_missing": "SELECT rowid FROM sales_data WHERE customer_id IS NULL",
        "sale_customer_impossible": "SELECT rowid FROM sales_data WHERE customer_id <= 0",
        "sale_in_the_future": "SELECT rowid FROM sales_data WHERE timestamp >= '2099-01-01'",
        "sale_before_the_shop": "SELECT rowid FROM sales_data WHERE timestamp < '2000-01-01'",
        "sale_product_unknown": "SELECT rowid FROM sales_data WHERE product_id > 900000",
        "customer_email_broken": r"SELECT customer_id FROM customers WHERE email NOT RLIKE '^[a-z0-9.]+@[a-z0-9.]+$'",
        "customer_born_in_the_future": "SELECT customer_id FROM customers WHERE birth_date > '2080-01-01'",
        "customer_country_empty": "SELECT customer_id FROM customers WHERE COALESCE(country, '') = ''",
        "order_discount_negative": "SELECT order_id FROM orders WHERE discount < 0",
        "return_of_more_than_sold": "SELECT return_id FROM returns r JOIN sales_data s USING (rowid) "
        "WHERE r.quantity > s.quantity",
    }
    for kind, query in dirty.items():
        assert sorted(key for (key,) in ask(query)) == planted[kind]["keys"], kind
    for kind, wrong in (("missing", {"$exists": False}), ("text", {"$type": "string"})):
        found = sorted(product["product_id"] for product in products.find({"price.list": wrong}))
        assert found == planted[f"product_list_price_{kind}"]["keys"]


def test_a_day_of_trade_does_what_it_says(trading):
    settings, ask, products = trading
    count = {name: ask(f"SELECT COUNT(*) FROM {name}")[0][0] for name in ("orders", "sales_data", "customers", "returns")}
    (before,) = ask("SELECT MAX(created_at) FROM orders")[0]
    log = ask("SHOW MASTER STATUS")[0]

    report = shop.trade(settings, days=3)

    done = {word: sum(row[word] for row in report) for word in report[0] if word != "day"}
    assert [row["day"] for row in report] == [before.date() + timedelta(days=number) for number in (1, 2, 3)]
    assert ask("SELECT COUNT(*) FROM orders") == [(count["orders"] + done["orders"],)]
    assert ask("SELECT COUNT(*) FROM sales_data") == [(count["sales_data"] + done["lines"] - done["cancelled"],)]
    assert ask("SELECT COUNT(*) FROM customers") == [(count["customers"] + done["customers"],)]
    assert ask("SELECT COUNT(*) FROM returns") == [(count["returns"] + done["returns"],)]
    assert products.count_documents({"updated_at": {"$gt": before}}) >= done["prices"]
    assert all(done[word] for word in ("corrected", "cancelled", "moved", "returns", "prices", "products"))
    assert ask("SHOW MASTER STATUS")[0] != log
    for row in report:
        lines = gzip.decompress((settings.sandbox.folder / "weblog" / f"access-{row['day']}.log.gz").read_bytes()).decode()
        online = ask(f"SELECT order_id FROM orders WHERE channel IN ('web', 'app') AND DATE(created_at) = '{row['day']}'")
        assert {int(number) for number in re.findall(r"complete\?order=(\d+)", lines)} == {order for (order,) in online}
        assert lines.endswith('"\n')


def test_the_laws_still_hold_after_trade(trading):
    settings, ask, _ = trading
    shop.trade(settings, days=2)
    broken = {
        "discount above the total": "SELECT o.order_id FROM orders o LEFT JOIN sales_data s USING (order_id) "
        "WHERE o.discount > 0 GROUP BY o.order_id, o.discount HAVING COALESCE(SUM(s.price * s.quantity), 0) < o.discount",
        "line of another customer or time": "SELECT rowid FROM sales_data s JOIN orders o USING (order_id) "
        "WHERE s.customer_id <> o.customer_id OR s.timestamp <> o.created_at",
        "line without an order": "SELECT rowid FROM sales_data s LEFT JOIN orders o USING (order_id) "
        "WHERE s.order_id IS NOT NULL AND o.order_id IS NULL",
        "customer came after the order": "SELECT order_id FROM orders o JOIN customers c USING (customer_id) "
        "WHERE c.created_at > o.created_at AND o.discount >= 0",
        "order without a customer": "SELECT order_id FROM orders o LEFT JOIN customers c USING (customer_id) "
        "WHERE c.customer_id IS NULL",
        "return of a line that is gone": "SELECT return_id FROM returns r LEFT JOIN sales_data s USING (rowid) "
        "WHERE s.rowid IS NULL",
        "cancelled order with lines": "SELECT order_id FROM orders JOIN sales_data USING (order_id) WHERE status = 'cancelled'",
    }
    assert {law: rows for law, query in broken.items() if (rows := ask(query))} == {}


def test_the_same_shop_trades_the_same_day(trading):
    settings, ask, _ = trading
    days = []
    for _ in range(2):
        shop.create(settings)
        shop.trade(settings, days=1)
        tables = ("orders", "sales_data", "customers", "returns")
        days.append([ask(f"SELECT * FROM {name} ORDER BY 1") for name in tables])
    assert days[0] == days[1]


def test_live_trade_goes_on_at_its_rate_until_it_is_interrupted(trading):
    settings, ask, _ = trading
    events = []
    timer = threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    (row,) = shop.trade(settings, rate=30, on_progress=lambda _what, done, _total: events.append(done))
    assert 10 <= len(events) <= 60
    (newest,) = ask("SELECT MAX(created_at) FROM orders")[0]
    assert row["orders"] > 0
    assert newest.date() >= datetime.now().date() - timedelta(days=1)


def test_a_shop_that_was_there_is_replaced_through_the_binlog(trading):
    """What captured the old shop must see each of its rows go."""
    settings, ask, _ = trading
    before = ask("SHOW MASTER STATUS")[0]
    shop.create(settings)
    shop.ensure(settings)  # it is there: nothing happens
    after = ask("SHOW MASTER STATUS")[0]
    assert shop.exists(settings)
    assert after[0] > before[0] or after[1] > before[1] + 500_000


def test_without_a_sandbox_the_shop_says_how_to_start_it(make_settings):
    with pytest.raises(UsageError, match="cartlake sandbox start"):
        shop.create(make_settings())
