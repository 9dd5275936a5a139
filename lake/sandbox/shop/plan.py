"""One more day of the shop, decided from what the shop holds now: a list of events, each one transaction.

Pure given `Now`: it reads no database and no clock, and the same seed, state and day give the same events.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from lake.sandbox.shop import customers, demand, documents, names, sales
from lake.sandbox.shop.catalog import Catalog
from lake.sandbox.shop.demand import CATEGORIES, CATEGORY_OF
from lake.sandbox.shop.seeds import stream
from lake.sandbox.shop.world import World

if TYPE_CHECKING:
    import polars as pl

_DAY = timedelta(days=1)
_ORDERS_AT_ONCE = 40  # orders of one transaction when a day is traded at once; live, each has its own


@dataclass(frozen=True)
class Line:
    """A sales line that may still change."""

    rowid: int
    order_id: int
    price: Decimal
    quantity: int
    discount: Decimal  # of its order


@dataclass(frozen=True)
class Now:
    """What the shop holds: the next free numbers, today's catalog (index = product id - 1), rows open to change."""

    numbers: sales.Numbers
    next_customer: int
    next_product: int
    joined: Sequence[int]  # customers who came since the history ended
    catalog: Catalog
    yesterday: Sequence[Line]  # none of them returned
    returnable: "pl.DataFrame"  # rowid, product_id, price, quantity
    ended: Sequence[int]  # discontinued products


@dataclass
class Event:
    """One transaction in MySQL, or a few operations in MongoDB. `counts` says what it does, in the report's words."""

    at: datetime
    counts: dict[str, int]
    sql: list[tuple[str, list[tuple[Any, ...]]]] = field(default_factory=list)
    documents: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)  # collection method, arguments


Clock = Callable[[datetime], datetime]


def day(world: World, now: Now, when: date, clock: Clock = lambda at: at, together: int = _ORDERS_AT_ONCE) -> list[Event]:
    """The events of a day in the order of their times. `clock` maps a moment of the simulated day to the one that is written."""
    # The state is in the seed too: a day that is traded live in two sittings must not repeat itself (nor an ObjectId).
    random = stream(world.seed, "trade", when.toordinal() << 64 | now.numbers.order)
    midnight = datetime.combine(when, datetime.min.time())
    orders, lines = _orders(random, world, now, when)
    events = _joining(random, world, now, midnight, orders.height, clock)
    events += _buying(random, now, midnight, orders, lines, clock, together, events[0].counts["customers"])
    events += (
        _moving_on(clock, midnight) + _corrections(random, now, clock, midnight) + _cancellations(random, now, clock, midnight)
    )
    events += _moves(random, world, clock, midnight) + _coming_back(random, now, clock, midnight)
    events += _catalog(random, world, now, clock, midnight)
    return sorted(events, key=lambda event: event.at)


def _orders(random: np.random.Generator, world: World, now: Now, when: date) -> tuple["pl.DataFrame", "pl.DataFrame"]:
    days = np.array([np.datetime64(when)])
    expected = world.lines_per_weight * demand.weights(world.timeline, days).sum() * demand.noise(random, 1)
    counts = np.maximum(random.poisson(expected), 1)
    made = sales.trade(random, world.timeline, days, counts, now.catalog, world.customers, now.numbers)
    return made.orders, made.lines


def _joining(random: np.random.Generator, world: World, now: Now, midnight: datetime, orders: int, clock: Clock) -> list[Event]:
    count = max(1, orders // 12)
    at = clock(midnight + timedelta(minutes=1))
    created = np.full(count, np.datetime64(at, "s"))
    rows = customers.frame(world.seed, created, now.next_customer, midnight.date())
    return [Event(at, {"customers": count}, [(_insert("customers", rows.columns), rows.rows())])]


def _buying(
    random: np.random.Generator,
    now: Now,
    midnight: datetime,
    orders: "pl.DataFrame",
    lines: "pl.DataFrame",
    clock: Clock,
    together: int,
    joining: int,
) -> list[Event]:
    """The orders in their transactions. Some are of those who joined lately, and some of those who joined today."""
    import polars as pl

    who = orders["customer_id"].to_numpy().copy()
    late = np.flatnonzero((orders["created_at"].dt.hour() >= 1).to_numpy())
    if now.joined:
        chosen = late[random.random(len(late)) < 0.10]
        who[chosen] = np.array(now.joined)[random.integers(0, len(now.joined), len(chosen))]
    first = random.permutation(late)[: joining // 2 + 1]
    who[first] = now.next_customer + random.integers(0, joining, len(first))
    times = [clock(at) for at in orders["created_at"].to_list()]
    orders = orders.with_columns(customer_id=pl.Series(who), created_at=pl.Series(times), updated_at=pl.Series(times))
    theirs = orders.select("order_id", customer="customer_id", at="created_at")
    lines = (
        lines.join(theirs, on="order_id", maintain_order="left")
        .with_columns(customer_id="customer", timestamp="at")
        .drop("customer", "at")
    )
    events = []
    for start in range(0, orders.height, together):
        some = orders.slice(start, together)
        low, high = some["order_id"][0], some["order_id"][-1]
        its = lines.filter(pl.col("order_id").is_between(low, high))
        sql = [(_insert("orders", some.columns), some.rows()), (_insert("sales_data", its.columns), its.rows())]
        events.append(Event(some["created_at"][-1], {"orders": some.height, "lines": its.height}, sql))
    return events


def _moving_on(clock: Clock, midnight: datetime) -> list[Event]:
    """Paid orders are shipped after a day, shipped ones completed after four."""
    update = "UPDATE orders SET status = %s, updated_at = %s WHERE created_at >= %s AND created_at < %s AND status = %s"
    at = clock(midnight + timedelta(hours=7))
    shipped = ("shipped", at, midnight - 8 * _DAY, midnight - _DAY, "paid")
    completed = ("completed", at, midnight - 12 * _DAY, midnight - 4 * _DAY, "shipped")
    return [Event(at, {}, [(update, [completed]), (update, [shipped])])]


def _corrections(random: np.random.Generator, now: Now, clock: Clock, midnight: datetime) -> list[Event]:
    """One in fifty of yesterday's lines was one more than written down (never less: a discount stays below the order's total)."""
    draws = random.random(len(now.yesterday))
    chosen = [line for line, draw in zip(now.yesterday, draws, strict=True) if draw < 0.02] or list(now.yesterday[:1])
    at = clock(midnight + timedelta(hours=8))
    update = "UPDATE sales_data SET quantity = %s WHERE rowid = %s"
    return [Event(at, {"corrected": 1}, [(update, [(line.quantity + 1, line.rowid)])]) for line in chosen]


def _cancellations(random: np.random.Generator, now: Now, clock: Clock, midnight: datetime) -> list[Event]:
    """A few of yesterday's orders lose a line, or all: a cancelled order keeps its row, without lines and without discount."""
    of_order: dict[int, list[Line]] = {}
    for line in now.yesterday:
        of_order.setdefault(line.order_id, []).append(line)
    numbers = sorted(of_order)
    count = min(len(numbers), max(1, len(numbers) // 40))
    events = []
    for position in sorted(random.choice(len(numbers), count, replace=False)) if numbers else []:
        lines, at = of_order[numbers[position]], clock(midnight + timedelta(hours=9))
        gone = lines if len(lines) == 1 or random.random() < 0.4 else lines[:1]
        left = sum((line.price * line.quantity for line in lines if line not in gone), Decimal(0))
        sql: list[tuple[str, list[tuple[Any, ...]]]] = [
            ("DELETE FROM sales_data WHERE rowid = %s", [(line.rowid,) for line in gone])
        ]
        if left < lines[0].discount or not left:
            sql.append(("UPDATE orders SET discount = 0, updated_at = %s WHERE order_id = %s", [(at, numbers[position])]))
        if len(gone) == len(lines):
            sql.append(("UPDATE orders SET status = 'cancelled', updated_at = %s WHERE order_id = %s", [(at, numbers[position])]))
        events.append(Event(at, {"cancelled": len(gone)}, sql))
    return events


def _moves(random: np.random.Generator, world: World, clock: Clock, midnight: datetime) -> list[Event]:
    """Customers who move (to another country now and then), change their address of mail, or their consent."""
    places = list(names.COUNTRIES.items())
    events = []
    for customer in sorted(random.choice(len(world.customers), 6, replace=False) + 1):
        at = clock(midnight + timedelta(hours=10, minutes=int(random.integers(0, 500))))
        country, (_, cities) = places[int(random.integers(len(places)))]
        city, what = cities[int(random.integers(len(cities)))], random.random()
        if what < 0.6:
            sql: tuple[str, list[tuple[Any, ...]]] = (
                "UPDATE customers SET city = %s, country = %s, updated_at = %s WHERE customer_id = %s",
                [(city, country, at, int(customer))],
            )
        elif what < 0.85:
            address = f"moved.{customer}.{midnight:%y%m%d}@{names.MAIL_DOMAINS[0]}"
            sql = "UPDATE customers SET email = %s, updated_at = %s WHERE customer_id = %s", [(address, at, int(customer))]
        else:
            sql = (
                "UPDATE customers SET marketing_consent = 1 - marketing_consent, updated_at = %s WHERE customer_id = %s",
                [(at, int(customer))],
            )
        events.append(Event(at, {"moved": 1}, [sql]))
    return events


def _coming_back(random: np.random.Generator, now: Now, clock: Clock, midnight: datetime) -> list[Event]:
    """Returns of what was sold ten days ago."""
    rows = now.returnable.rows()
    chosen = [row for row, draw in zip(rows, random.random(len(rows)), strict=True) if draw < 0.04] or rows[:1]
    events = []
    for number, (rowid, _, price, quantity) in enumerate(chosen, now.numbers.back):
        at = clock(midnight + timedelta(hours=11, minutes=int(random.integers(0, 600))))
        taken = int(random.integers(1, quantity + 1))
        row = (number, rowid, taken, names.REASONS[int(random.integers(len(names.REASONS)))], at, price * taken)
        insert = _insert("returns", ("return_id", "rowid", "quantity", "reason", "returned_at", "refund"))
        events.append(Event(at, {"returns": 1}, [(insert, [row])]))
    return events


def _catalog(random: np.random.Generator, world: World, now: Now, clock: Clock, midnight: datetime) -> list[Event]:
    """Prices that change, a tag more, new products, one that ends, and one that is deleted long after its end."""
    sold = np.flatnonzero(now.catalog.sold_in(world.timeline.months) > 0)
    picked = [int(index) for index in random.choice(sold, 8, replace=False)]
    at = clock(midnight + timedelta(hours=6))
    stamp = {"updated_at": at}
    operations: list[tuple[str, tuple[Any, ...]]] = []
    for index in picked[:4]:
        cents = max(int(now.catalog.cents[0, index] * random.uniform(0.9, 1.12)) // 100 * 100 + 99, 199)
        operations.append(("update_one", ({"product_id": index + 1}, {"$set": {"price.list": documents.money(cents), **stamp}})))
    operations.append(
        ("update_one", ({"product_id": picked[4] + 1}, {"$addToSet": {"tags": f"week {midnight:%V}"}, "$set": stamp}))
    )
    made = int(random.integers(1, 3))
    for number in range(made):
        like = picked[5 + number]
        fresh = documents.document(random, now.next_product + number, world.timeline, now.catalog, like)
        operations.append(
            (
                "insert_one",
                (fresh | {"launched_at": at, "updated_at": at, "category": CATEGORIES[CATEGORY_OF[now.catalog.kind[like]]]},),
            )
        )
    ends = int(random.random() < 0.3)
    if ends:
        operations.append(("update_one", ({"product_id": picked[7] + 1}, {"$set": {"discontinued_at": at, **stamp}})))
    gone = int(bool(now.ended) and random.random() < 0.3)
    if gone:
        operations.append(("delete_one", ({"product_id": now.ended[int(random.integers(len(now.ended)))]},)))
    return [Event(at, {"prices": 4, "products": made + ends + gone + 1}, documents=operations)]


def _insert(table: str, columns: Sequence[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(f'`{name}`' for name in columns)}) VALUES ({', '.join(['%s'] * len(columns))})"
