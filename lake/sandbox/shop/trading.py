"""The shop goes on: day by day at once, or live at a rate, in ordinary transactions of the application's own account."""

import signal
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from lake.config import Settings
from lake.errors import TransientFailure
from lake.lock import hold
from lake.sandbox import mariadb
from lake.sandbox.shop import plan, sales, weblog
from lake.sandbox.shop.catalog import Catalog
from lake.sandbox.shop.demand import TYPES
from lake.sandbox.shop.making import Progress, description, server, silent
from lake.sandbox.shop.world import World

_WORDS = ("customers", "orders", "lines", "corrected", "cancelled", "moved", "returns", "prices", "products")
_NEVER = 10_000


def trade(
    settings: Settings, days: int | None = None, rate: float | None = None, on_progress: Progress = silent
) -> list[dict[str, Any]]:
    """Trade `days` days after the last one in the database, or live with `rate` events a second until Ctrl-C.

    One row a day says what happened. Live trading writes the present time and no web log; days continue the shop's own calendar.
    """
    import pymysql
    from pymongo.errors import PyMongoError

    if (days is None) == (rate is None):
        raise ValueError("trade takes either days or rate")
    with hold(settings.data, "shop"), ExitStack() as stack:
        try:
            shop = stack.enter_context(_Shop(settings))
            return _days(shop, days, on_progress) if days else _live(shop, float(rate or 1), on_progress)
        except (pymysql.err.OperationalError, PyMongoError) as error:
            raise TransientFailure(
                f"shop: the sandbox failed in the middle of a trade: {error}; see `cartlake sandbox status`"
            ) from error


def _days(shop: "_Shop", days: int, on_progress: Progress) -> list[dict[str, Any]]:
    report = []
    for number in range(1, days + 1):
        when = shop.last_day() + timedelta(days=1)
        counts: Counter[str] = Counter()
        for event in plan.day(shop.world, shop.now(when), when):
            shop.apply(event)
            counts.update(event.counts)
        shop.log(when)
        report.append({"day": when} | {word: counts[word] for word in _WORDS})
        on_progress("days", number, days)
    return report


def _live(shop: "_Shop", rate: float, on_progress: Progress) -> list[dict[str, Any]]:
    """The events of a day, in its order, evenly at the rate; then those of another. One order a transaction."""
    counts: Counter[str] = Counter()
    done = 0
    with _until_interrupted() as stopped:
        while not stopped.is_set():
            begin = max(datetime.now(UTC).replace(tzinfo=None, microsecond=0), shop.last_moment() + timedelta(seconds=1))
            started, now = time.monotonic(), shop.now(begin.date())
            moments = [event.at for event in plan.day(shop.world, now, begin.date(), together=1)]
            for event in plan.day(shop.world, now, begin.date(), _evenly(begin, moments, rate), together=1):
                # Relative to `begin`, not to the present: a shop that traded days ahead goes on from there.
                if stopped.wait(max(0.0, (event.at - begin).total_seconds() - (time.monotonic() - started))):
                    break
                shop.apply(event)
                counts.update(event.counts)
                done += 1
                on_progress("events", done, 0)
    return [{"day": date.today()} | {word: counts[word] for word in _WORDS}]


@contextmanager
def _until_interrupted() -> Iterator[threading.Event]:
    """Set by Ctrl-C: an exception would end an event in its midst, and one raised in a driver's clean-up is lost."""
    stopped = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: stopped.set())
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)


def _evenly(begin: datetime, moments: list[datetime], rate: float) -> plan.Clock:
    """Maps each of the sorted moments to its place in a row that starts at `begin`, `rate` a second."""
    return lambda at: begin + timedelta(seconds=bisect_left(moments, at) / rate)


class _Shop:
    """The shop's two databases, through the application's account."""

    def __init__(self, settings: Settings) -> None:
        told = description(settings)
        self.world = World(told["seed"], told["scale"], date.fromisoformat(told["until"]))
        self._history_customers = told["customers"]
        self._weblog = settings.sandbox.folder / "weblog"
        sandbox, self._stack = server(settings), ExitStack()
        self._connection = self._stack.enter_context(closing(mariadb.connect(sandbox.shop_mysql_url)))
        import pymongo

        self._client = self._stack.enter_context(pymongo.MongoClient[dict[str, Any]](sandbox.mongo_url))
        self._products = self._client.get_default_database()["products"]

    def __enter__(self) -> "_Shop":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def last_moment(self) -> datetime:
        """Of the last order; `sales_data` has planted rows of the year 2099."""
        (moment,) = self._rows("SELECT MAX(created_at) FROM orders")[0]
        return moment if isinstance(moment, datetime) else datetime.combine(self.world.until, datetime.min.time())

    def last_day(self) -> date:
        return self.last_moment().date()

    def apply(self, event: plan.Event) -> None:
        """One transaction; then the documents. A kill between them leaves a shop that is right, only a little poorer in news."""
        if event.sql:
            with self._connection.cursor() as cursor:
                for statement, rows in event.sql:
                    cursor.executemany(statement, rows)
            self._connection.commit()
        for method, arguments in event.documents:
            getattr(self._products, method)(*arguments)

    def log(self, when: date) -> None:
        """Write the web log of a day that is over."""
        import polars as pl

        midnight = datetime.combine(when, datetime.min.time())
        day = "created_at >= %s AND created_at < %s"
        span = midnight, midnight + timedelta(days=1)
        orders = self._rows(f"SELECT order_id, customer_id, channel, created_at FROM orders WHERE {day}", *span)
        lines = self._rows(f"SELECT order_id, product_id FROM sales_data JOIN orders USING (order_id) WHERE {day}", *span)
        weblog.write_day(
            self.world.seed,
            self.world.catalog,
            when,
            pl.DataFrame(
                orders,
                schema=[("order_id", pl.Int64), ("customer_id", pl.Int64), ("channel", pl.String), ("created_at", pl.Datetime)],
                orient="row",
            ),
            pl.DataFrame(lines, schema=[("order_id", pl.Int64), ("product_id", pl.Int64)], orient="row"),
            self._weblog,
        )

    def now(self, when: date) -> plan.Now:
        """What a day starts from."""
        import polars as pl

        midnight = datetime.combine(when, datetime.min.time())
        tables = (("orders", "order_id"), ("sales_data", "rowid"), ("returns", "return_id"), ("customers", "customer_id"))
        order, line, back, customer = (
            self._rows(f"SELECT COALESCE(MAX({key}), 0) + 1 FROM {name}")[0][0] for name, key in tables
        )
        joined = self._rows(
            "SELECT customer_id FROM customers WHERE customer_id > %s AND created_at >= %s ORDER BY customer_id",
            self._history_customers, datetime.combine(self.world.until, datetime.min.time()) + timedelta(days=1),
        )  # fmt: skip
        open_lines = self._rows(
            "SELECT s.rowid, s.order_id, s.price, s.quantity, o.discount FROM orders o JOIN sales_data s USING (order_id) "
            "LEFT JOIN returns r ON r.rowid = s.rowid "
            "WHERE o.created_at >= %s AND o.created_at < %s AND r.rowid IS NULL ORDER BY s.rowid",
            midnight - timedelta(days=1), midnight,
        )  # fmt: skip
        back_lines = self._rows(
            "SELECT s.rowid, s.product_id, s.price, s.quantity FROM sales_data s LEFT JOIN returns r ON r.rowid = s.rowid "
            "WHERE s.timestamp >= %s AND s.timestamp < %s AND r.rowid IS NULL AND s.order_id IS NOT NULL ORDER BY s.rowid",
            midnight - timedelta(days=10), midnight - timedelta(days=9),
        )  # fmt: skip
        catalog, ended, top = self._catalog()
        return plan.Now(
            sales.Numbers(order, line, back),
            customer,
            top + 1,
            [row[0] for row in joined],
            catalog,
            [plan.Line(*row) for row in open_lines],
            pl.DataFrame(back_lines, schema=["rowid", "product_id", "price", "quantity"], orient="row"),
            ended,
        )

    def _catalog(self) -> tuple[Catalog, list[int], int]:
        """(catalog by product id - 1 with present prices, discontinued products, highest product id)."""
        from bson import Decimal128

        wanted = {"product_id": 1, "type": 1, "price.list": 1, "discontinued_at": 1}
        known = list(self._products.find({}, wanted).sort("product_id", 1))
        top, base = int(known[-1]["product_id"]), self.world.catalog
        more = top - len(base)
        cents, end = np.full(top, 199), np.zeros(top, dtype=np.int64)
        kind, popularity = np.append(base.kind, np.zeros(more, np.int64)), np.append(base.popularity, np.full(more, 1.0))
        ended = []
        for product in known:
            index, price = int(product["product_id"]) - 1, product.get("price", {}).get("list")
            kind[index] = TYPES.index(product["type"])
            if product.get("discontinued_at"):
                ended.append(index + 1)
            elif isinstance(price, Decimal128):
                cents[index], end[index] = int(price.to_decimal() * 100), _NEVER
        numbers = np.arange(len(base), top)
        catalog = Catalog(
            kind,
            np.append(base.brand, np.zeros(more, np.int64)),
            np.append(base.bundle, numbers),
            np.zeros(top, np.int64),
            end,
            cents[None, :],
            np.append(base.cost, cents[numbers] * 6 // 10),
            np.append(base.promoted, np.zeros(more, bool)),
            popularity,
        )
        return catalog, ended, top

    def _rows(self, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(query, arguments)
            rows = list(cursor.fetchall())
        self._connection.commit()  # the next look sees what was written since
        return rows
