"""Orders, their lines and returns, month by month, so that memory does not grow with the history.

Laws that hold at any instant, for the rows that are not planted dirt:
- an order has 1 to 5 lines, all of its customer and its time; its discount is at most the sum of its lines;
- a customer exists before the first order, a product is sold only between launch and end, at its list price less the promotion;
- a return comes after the sale, takes back at most what was sold, and refunds price x quantity.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lake.sandbox.shop import demand
from lake.sandbox.shop.catalog import Catalog
from lake.sandbox.shop.customers import Customers
from lake.sandbox.shop.demand import TYPES, Timeline
from lake.sandbox.shop.seeds import choose, stream

if TYPE_CHECKING:
    import polars as pl

CHANNELS = ("web", "app", "store", "marketplace")
_LINES = np.array([0.42, 0.28, 0.16, 0.09, 0.05])
_QUANTITY = np.array([0.80, 0.13, 0.04, 0.02, 0.01])
_TOGETHER = 0.45  # chance that a further line is of the first one's bundle
_RETURNED = np.array([0.06, 0.065, 0.05, 0.028, 0.038, 0.06, 0.012])
_HOURS = np.array(
    [1.2, 0.6, 0.3, 0.2, 0.2, 0.3, 0.8, 1.8, 2.8, 3.6, 4.2, 4.6, 5.0, 4.4, 4.1, 4.2, 4.6, 5.2, 6.0, 7.2, 8.0, 7.0, 4.6, 2.4]
)
_DAY = 86_400


@dataclass(frozen=True)
class Month:
    """Rows of one month as they go into the tables; times are without zone, in UTC. `returns` may lie in later months."""

    orders: "pl.DataFrame"
    lines: "pl.DataFrame"
    returns: "pl.DataFrame"


@dataclass(frozen=True)
class Numbers:
    """The next free number of each table."""

    order: int = 1
    line: int = 1
    back: int = 1


def lines_a_day(seed: int, timeline: Timeline, scale: int) -> np.ndarray:
    """Sales lines of each day; they add up to `scale` exactly."""
    days = timeline.days
    random = stream(seed, "days")
    expected = demand.weights(timeline, days).sum(axis=1) * demand.noise(random, len(days))
    return np.asarray(random.multinomial(scale, expected / expected.sum()))


def history(seed: int, timeline: Timeline, scale: int, catalog: Catalog, customers: Customers) -> Iterator[Month]:
    """The months of the whole timeline, in order."""
    days, counts = timeline.days, lines_a_day(seed, timeline, scale)
    numbers, months = Numbers(), timeline.month_of(timeline.days)
    for month in range(timeline.months):
        inside = months == month
        made = trade(stream(seed, "sales", month), timeline, days[inside], counts[inside], catalog, customers, numbers)
        numbers = Numbers(
            numbers.order + made.orders.height, numbers.line + made.lines.height, numbers.back + made.returns.height
        )
        yield made


def trade(
    random: np.random.Generator,
    timeline: Timeline,
    days: np.ndarray,
    counts: np.ndarray,
    catalog: Catalog,
    customers: Customers,
    numbers: Numbers,
) -> Month:
    """`counts[i]` sales lines on `days[i]`; all days must be of one month."""
    import polars as pl

    month = int(timeline.month_of(days[:1])[0])
    order_of_line, day_of_order = _orders(random, counts)
    orders, first_line = len(day_of_order), np.flatnonzero(np.diff(order_of_line, prepend=-1))
    second = np.sort(day_of_order * _DAY + choose(random, _HOURS, orders) * 3600 + random.integers(0, 3600, orders))
    placed = days[0].astype("datetime64[s]") + second
    customer = _customers(random, customers, month, placed)
    day = day_of_order[order_of_line]
    product = _products(random, demand.weights(timeline, days), catalog, month, day, order_of_line, first_line)
    cents = _prices(catalog, min(month, len(catalog.cents) - 1), product, demand.percent_off(days)[day, catalog.kind[product]])
    quantity = choose(random, _QUANTITY, len(product)) + 1
    total = np.add.reduceat(cents * quantity, first_line) if orders else np.zeros(0, dtype=np.int64)
    coupon = np.where(random.random(orders) < 0.12, random.integers(1, 4, orders) * 5, 0)
    age = (np.datetime64(timeline.until) - placed.astype("datetime64[D]")).astype(np.int64)
    status = np.where(age <= 1, 0, np.where(age <= 4, 1, 2))
    end = np.maximum(np.datetime64(timeline.until, "s") + _DAY - 1, placed)
    updated = np.minimum(
        placed + np.array([0, 1, 4])[status] * _DAY + np.where(status > 0, random.integers(0, _DAY // 2, orders), 0), end
    )
    made_orders = pl.DataFrame(
        {
            "order_id": np.arange(numbers.order, numbers.order + orders),
            "customer_id": customer + 1,
            "channel": pl.Series(CHANNELS).gather(_channel(random, timeline, placed)),
            "discount": decimals(total * coupon // 100),
            "status": pl.Series(("paid", "shipped", "completed")).gather(status),
            "created_at": pl.Series(placed.astype("datetime64[us]")),
            "updated_at": pl.Series(updated.astype("datetime64[us]")),
        }
    )
    made_lines = pl.DataFrame(
        {
            "rowid": np.arange(numbers.line, numbers.line + len(product)),
            "product_id": product + 1,
            "customer_id": customer[order_of_line] + 1,
            "price": decimals(cents),
            "quantity": quantity,
            "timestamp": pl.Series(placed[order_of_line].astype("datetime64[us]")),
            "order_id": numbers.order + order_of_line,
        }
    )
    back = returns(
        random, numbers, catalog.kind[product], made_lines["rowid"].to_numpy(), cents, quantity, placed[order_of_line], end[:1]
    )
    return Month(made_orders, made_lines, back)


def returns(
    random: np.random.Generator,
    numbers: Numbers,
    kind: np.ndarray,
    rowid: np.ndarray,
    cents: np.ndarray,
    quantity: np.ndarray,
    sold: np.ndarray,
    end: np.ndarray,
) -> "pl.DataFrame":
    """What comes back of these lines up to `end`: about 4 %, 2 to 30 days after the sale."""
    import polars as pl

    from lake.sandbox.shop.names import REASONS

    at = sold + (2 * _DAY + (random.beta(1.5, 4, len(rowid)) * 28 * _DAY)).astype(np.int64)
    kept = np.flatnonzero((random.random(len(rowid)) < _RETURNED[kind]) & (at <= end))
    kept = kept[np.argsort(at[kept], kind="stable")]
    taken = np.minimum(quantity[kept], random.integers(1, 4, len(kept)))
    return pl.DataFrame(
        {
            "return_id": np.arange(numbers.back, numbers.back + len(kept)),
            "rowid": rowid[kept],
            "quantity": taken,
            "reason": pl.Series(REASONS).gather(random.integers(0, len(REASONS), len(kept))),
            "returned_at": pl.Series(at[kept].astype("datetime64[us]")),
            "refund": decimals(cents[kept] * taken),
        }
    )


def _orders(random: np.random.Generator, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(order of each line, day of each order), both as positions: lines are cut into orders of 1 to 5 that stay within a day."""
    lines = int(counts.sum())
    day_of_line = np.repeat(np.arange(len(counts)), counts)
    starts = np.cumsum(choose(random, _LINES, lines) + 1)  # at least as many as are needed
    first = np.zeros(lines, dtype=bool)
    first[starts[starts < lines]] = True
    first |= np.diff(day_of_line, prepend=-1) > 0
    return np.cumsum(first) - 1, day_of_line[first]


def _customers(random: np.random.Generator, customers: Customers, month: int, placed: np.ndarray) -> np.ndarray:
    """A customer for each order, of those who exist since the day before."""
    cumulative = np.cumsum(customers.active_in(month))
    exist = np.searchsorted(customers.created, placed.astype("datetime64[D]").astype("datetime64[s]"))
    limit = cumulative[exist - 1]
    drawn = np.searchsorted(cumulative, random.random(len(placed)) * limit, side="right")
    return np.asarray(np.minimum(drawn, exist - 1))


def _products(
    random: np.random.Generator,
    weights: np.ndarray,
    catalog: Catalog,
    month: int,
    day: np.ndarray,
    order: np.ndarray,
    first_line: np.ndarray,
) -> np.ndarray:
    """A product for each line: a type by the day's demand, then one of it by popularity, or one of the first line's bundle."""
    share = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)
    kind = np.minimum((random.random(len(day))[:, None] > share[day]).sum(axis=1), len(TYPES) - 1)
    sold = catalog.sold_in(month)
    product = np.zeros(len(day), dtype=np.int64)
    for number in range(len(TYPES)):
        mine = np.flatnonzero(kind == number)
        product[mine] = choose(random, np.where(catalog.kind == number, sold, 0.0), len(mine))
    leader = product[first_line][order]
    partner = catalog.bundle[leader] + random.integers(0, 8, len(day))
    possible = (partner < len(catalog)) & (partner != leader)
    partner = np.minimum(partner, len(catalog) - 1)
    possible &= (catalog.bundle[partner] == catalog.bundle[leader]) & (sold[partner] > 0) & (random.random(len(day)) < _TOGETHER)
    possible[first_line] = False
    return np.where(possible, partner, product)


def _prices(catalog: Catalog, month: int, product: np.ndarray, off: np.ndarray) -> np.ndarray:
    listed = catalog.cents[month, product]
    return np.asarray(np.where(catalog.promoted[product], listed * (100 - off) // 100, listed))


def _channel(random: np.random.Generator, timeline: Timeline, placed: np.ndarray) -> np.ndarray:
    """The app takes over from the shops as the years pass."""
    years = (placed - np.datetime64(timeline.opening, "s")).astype(np.float64) / (365.25 * _DAY)
    app = np.minimum(0.18 + 0.07 * years, 0.5)
    draw = random.random(len(placed))
    return np.where(draw < 0.12, 3, np.where(draw < 0.12 + app, 1, np.where(draw < 0.56 + app / 2, 0, 2)))


def decimals(cents: np.ndarray) -> "pl.Series":
    """Whole cents as DECIMAL(10,2), exactly."""
    import polars as pl
    import pyarrow as pa

    words = np.empty((len(cents), 2), dtype=np.int64)  # an Arrow decimal is a 128-bit integer: low word, then the sign's
    words[:, 0], words[:, 1] = cents, np.asarray(cents) >> 63
    return pl.Series(pl.from_arrow(pa.Array.from_buffers(pa.decimal128(10, 2), len(cents), [None, pa.py_buffer(words)])))
