"""A known number of wrong rows of each kind, all of them extra rows: the clean shop's laws hold without them.

`dirty.json` lists them: {kind: {"table", "count", "keys", "quarantined"}}; `quarantined`: whether silver's rules catch the kind.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from lake.sandbox.shop import sales
from lake.sandbox.shop.demand import Timeline
from lake.sandbox.shop.seeds import stream

if TYPE_CHECKING:
    import polars as pl

_SALES = {
    "sale_quantity_not_positive": 12,
    "sale_price_negative": 8,
    "sale_customer_missing": 10,
    "sale_customer_impossible": 6,
    "sale_in_the_future": 7,
    "sale_before_the_shop": 5,
    "sale_product_unknown": 15,
}
_CUSTOMERS = {"customer_email_broken": 9, "customer_born_in_the_future": 5, "customer_country_empty": 8}
_PRODUCTS = {"product_list_price_missing": 6, "product_list_price_text": 4}
_ORDERS = {"order_discount_negative": 6}
_RETURNS = {"return_of_more_than_sold": 5}
# Wrong, but no rule of silver turns the row away: the sale belongs to the unknown member, the value is what the source says.
_LET_THROUGH = frozenset({"sale_product_unknown"})  # it joins the unknown member
_BROKEN_EMAILS = ("no-at-sign.example.com", "", "nobody@", "@example.com")
_FUTURE, _PAST = np.datetime64("2099-01-01T12:00:00", "us"), np.datetime64("1970-01-02T03:00:00", "us")
UNKNOWN_PRODUCT = 900_001  # and the numbers after it are in no catalog


@dataclass
class Dirt:
    """The planted rows, by table, and the list of them."""

    rows: dict[str, "pl.DataFrame"] = field(default_factory=dict)
    documents: list[dict[str, Any]] = field(default_factory=list)
    planted: dict[str, dict[str, Any]] = field(default_factory=dict)

    def note(self, counts: dict[str, int], table: str, first_key: int) -> list[str]:
        """Record keys from `first_key` on for these kinds; the kind of each row, in order."""
        kinds: list[str] = []
        for kind, count in counts.items():
            keys = list(range(first_key + len(kinds), first_key + len(kinds) + count))
            self.planted[kind] = {"table": table, "count": count, "keys": keys, "quarantined": kind not in _LET_THROUGH}
            kinds += [kind] * count
        return kinds


def plant(
    seed: int,
    timeline: Timeline,
    numbers: sales.Numbers,
    customers: int,
    documents: list[dict[str, Any]],
    unreturned: "pl.DataFrame",
) -> Dirt:
    """The dirt of a shop: `numbers` are its next free ones, `customers` its highest customer, `unreturned` lines still sold."""
    random, dirt = stream(seed, "dirt"), Dirt()
    dirt.rows["sales_data"] = _sales(random, dirt, timeline, numbers.line, len(documents), customers)
    dirt.rows["customers"] = _customers(random, dirt, timeline, customers + 1)
    dirt.rows["orders"] = _orders(random, dirt, timeline, numbers.order, customers)
    dirt.rows["returns"] = _returns(dirt, numbers.back, unreturned)
    kinds = dirt.note(_PRODUCTS, "catalog.products", len(documents) + 1)
    for number, kind in enumerate(kinds):
        copy = {**documents[number], "_id": len(documents) + 1 + number, "product_id": len(documents) + 1 + number}
        copy |= {"sku": f"XX-{copy['product_id']:05d}", "price": dict(copy["price"])}
        copy.pop("discontinued_at", None)
        if kind == "product_list_price_missing":
            del copy["price"]["list"]
        else:
            copy["price"]["list"] = ("on request", "12,90 €", "TBD", "n/a")[number % 4]
        dirt.documents.append(copy)
    return dirt


def _times(random: np.random.Generator, timeline: Timeline, count: int) -> np.ndarray:
    """Moments of the history except its last month, so that the clean last day stays the last."""
    seconds = random.integers(0, (len(timeline.days) - 30) * 86_400, count)
    return np.asarray((np.datetime64(timeline.opening, "s") + seconds).astype("datetime64[us]"))


def _sales(
    random: np.random.Generator, dirt: Dirt, timeline: Timeline, first: int, products: int, customers: int
) -> "pl.DataFrame":
    import polars as pl

    kinds = np.array(dirt.note(_SALES, "softcart.sales_data", first))
    count, number = len(kinds), np.arange(len(kinds))
    quantity = np.where(kinds == "sale_quantity_not_positive", -(number % 3), 1 + number % 2)
    cents = random.integers(500, 20_000, count) * np.where(kinds == "sale_price_negative", -1, 1)
    product = np.where(kinds == "sale_product_unknown", UNKNOWN_PRODUCT + number, random.integers(1, products + 1, count))
    customer = np.where(kinds == "sale_customer_impossible", -(number % 2), random.integers(1, max(customers // 10, 2), count))
    at = _times(random, timeline, count)
    at = np.where(kinds == "sale_in_the_future", _FUTURE + number * np.timedelta64(3600, "s"), at)
    at = np.where(kinds == "sale_before_the_shop", _PAST + number * np.timedelta64(60, "s"), at)
    return pl.DataFrame(
        {
            "rowid": first + number,
            "product_id": product,
            "customer_id": pl.select(pl.when(pl.Series(kinds != "sale_customer_missing")).then(pl.Series(customer))).to_series(),
            "price": sales.decimals(cents),
            "quantity": quantity,
            "timestamp": pl.Series(at),
            "order_id": pl.Series([None] * count, dtype=pl.Int64),
        }
    )


def _customers(random: np.random.Generator, dirt: Dirt, timeline: Timeline, first: int) -> "pl.DataFrame":
    import polars as pl

    from lake.sandbox.shop.customers import frame

    kinds = dirt.note(_CUSTOMERS, "softcart.customers", first)
    created = _times(random, timeline, len(kinds)).astype("datetime64[s]")
    rows = frame(int(random.integers(1 << 30)), created, first, timeline.until).to_dicts()
    for number, (kind, row) in enumerate(zip(kinds, rows, strict=True)):
        if kind == "customer_email_broken":
            row["email"] = _BROKEN_EMAILS[number % len(_BROKEN_EMAILS)]
        elif kind == "customer_born_in_the_future":
            row["birth_date"] = date(2090 + number % 9, 6, 15)
        else:
            row["country"] = "" if number % 2 else None
    return pl.DataFrame(rows, infer_schema_length=None)


def _orders(random: np.random.Generator, dirt: Dirt, timeline: Timeline, first: int, customers: int) -> "pl.DataFrame":
    import polars as pl

    count, number = len(dirt.note(_ORDERS, "softcart.orders", first)), np.arange(_ORDERS["order_discount_negative"])
    at = pl.Series(_times(random, timeline, count))
    return pl.DataFrame(
        {
            "order_id": first + number,
            "customer_id": random.integers(1, max(customers // 10, 2), count),
            "channel": ["web"] * count,
            "discount": sales.decimals(-(number + 1) * 250),
            "status": ["completed"] * count,
            "created_at": at,
            "updated_at": at,
        }
    )


def _returns(dirt: Dirt, first: int, unreturned: "pl.DataFrame") -> "pl.DataFrame":
    import polars as pl

    chosen = unreturned.head(len(dirt.note(_RETURNS, "softcart.returns", first)))
    return chosen.select(
        return_id=pl.int_range(first, first + chosen.height),
        rowid="rowid",
        quantity=pl.col("quantity") + 7,
        reason=pl.lit("changed mind"),
        returned_at=pl.col("timestamp") + timedelta(days=9),
        refund=pl.col("price"),
    )
