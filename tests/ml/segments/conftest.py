"""Customers of four plain kinds, by way of rows as gold.feature_customer has them."""

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from ml.errors import TooLittleData

AS_OF = date(2026, 3, 1)
# Days since the last purchase, purchases, net of each: regulars, new ones, lapsed regulars, one purchase long ago.
KINDS = ((10, 20, 150.0), (30, 2, 40.0), (300, 12, 90.0), (600, 1, 25.0))
Rows = Callable[..., pl.DataFrame]


def history(each: int, seed: int = 3, kinds: tuple[tuple[int, int, float], ...] = KINDS) -> pl.DataFrame:
    """Rows of gold.feature_customer with `each` customers of each kind, numbered kind by kind from 1."""
    random, rows = np.random.default_rng(seed), []
    for kind, (recency, orders, net) in enumerate(kinds):
        for place in range(each):
            count = max(1, round(orders * random.lognormal(0, 0.15)))
            last = AS_OF - timedelta(days=max(1, round(recency * random.lognormal(0, 0.15))))
            gaps = [int(gap) for gap in random.integers(5, 30, count - 1)]
            days = [last - timedelta(days=sum(gaps[number:])) for number in range(count)]
            spent = np.round(net * random.lognormal(0, 0.15, count), 2).cumsum()
            for number, day in enumerate(days):
                rows.append(
                    {"customer_id": kind * each + place + 1, "date": day, "first_date": days[0], "last_date": day}
                    | {"orders": number + 1, "units": number + 1, "purchase_days": number + 1, "products": 1, "categories": 1}
                    | {"gap_days": sum(gaps[:number]), "gap_days_squared": sum(gap * gap for gap in gaps[:number])}
                    | {"amount": spent[number], "net_amount": spent[number], "discount": 0.0, "returned_amount": 0.0}
                )
    return pl.DataFrame(rows).sort("customer_id", "date")


class Gold:
    """Fulfils ml.model.Reader with tables in memory."""

    def __init__(self, **tables: pl.DataFrame) -> None:
        self.versions = {f"gold.{name}": 0 for name in tables}
        self._tables = {f"gold.{name}": rows for name, rows in tables.items()}

    def table(self, name: str, columns: list[str] | None = None) -> pl.DataFrame:
        if name not in self._tables:
            raise TooLittleData(f"{name} is not built yet")
        return self._tables[name].select(columns or pl.all())


@pytest.fixture(scope="session", name="history")
def _history() -> Rows:
    return history


@pytest.fixture(scope="session")
def gold() -> Callable[..., Gold]:
    """Makes a reader of the tables given."""
    return Gold
