"""A small gold in DuckDB with rows of every awkward kind, its rollups made of it by hand, and a way to ask metrics of it."""

import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from warehouse.semantic.answers import Answer, answer, tables_of
from warehouse.semantic.asked import question
from warehouse.semantic.loaded import load
from warehouse.semantic.star import Star

HERE = Path(__file__).parent


def fill(connection: duckdb.DuckDBPyConnection, more: int = 200) -> None:
    """The rows of gold.sql, `more` sales drawn with a seed, and the rollups of both."""
    connection.execute((HERE / "gold.sql").read_text())
    chance = random.Random(7)
    for number in range(1000, 1000 + more):
        amount = chance.randint(1, 9999)
        discount = chance.randint(0, amount)
        row = {
            "sale_id": number,
            "order_id": number // 3,
            "date_key": int(f"{chance.choice([2024, 2025])}{chance.randint(1, 12):02}{chance.randint(1, 28):02}"),
            "customer_id": chance.randint(1, 9),
            "product_key": chance.choice([-1, 1, 2, 31, 32, 4]),
            "country_key": chance.choice([-1, 1, 2, 3]),
            "channel_key": chance.choice([-1, 1, 2]),
            "customer_key": -1,
            "quantity": chance.randint(1, 4),
            "amount": Decimal(amount) / 100,
            "discount": Decimal(discount) / 100,
            "net_amount": Decimal(amount - discount) / 100,
            "cost": chance.choice([None, Decimal(chance.randint(10, 9999)) / 100]),
        }
        connection.execute(
            f"INSERT INTO gold.fact_sales ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", [*row.values()]
        )
    connection.execute((HERE / "rollups.sql").read_text())


class Shop:
    """The small gold, and metrics asked of it."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection

    @property
    def star(self) -> Star:
        return Star(load(), tables_of(self.connection, load()))

    def answer(self, *metrics: str, by: str = "", **asked: Any) -> Answer:
        return answer(self.connection, self.star, question(load(), metrics, by.split(","), **asked))

    def ask(self, *metrics: str, by: str = "", **asked: Any) -> list[tuple[Any, ...]]:
        return self.answer(*metrics, by=by, **asked).rows()[1]

    def sql(self, text: str) -> list[tuple[Any, ...]]:
        """Rows of hand-written SQL."""
        return self.connection.execute(text).fetchall()


@pytest.fixture(scope="session")
def shop() -> Iterator[Shop]:
    with duckdb.connect() as connection:
        fill(connection)
        # What hand-written SQL asks: each fact with the names that it is cut by.
        for view, fact in {"sold": "fact_sales", "back": "fact_returns"}.items():
            connection.execute(
                f"CREATE VIEW {view} AS SELECT f.*, date, strftime(date, '%Y-%m') AS month, year(date) AS year, "
                "coalesce(p.category, 'Unknown') AS category, coalesce(c.country, 'Unknown') AS country, "
                f"coalesce(h.channel, 'Unknown') AS channel FROM gold.{fact} f LEFT JOIN gold.dim_date d USING (date_key) "
                "LEFT JOIN gold.dim_product p USING (product_key) LEFT JOIN gold.dim_country c USING (country_key) "
                "LEFT JOIN gold.dim_channel h USING (channel_key)"
            )
        yield Shop(connection)


@pytest.fixture
def make_shop() -> Callable[[], Shop]:
    def make() -> Shop:
        connection = duckdb.connect()
        fill(connection, more=0)
        return Shop(connection)

    return make
