"""A small gold of its own for each test: Delta tables made with Lake, described by plain data."""

import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from lake.config import Settings
from lake.delta import Lake
from warehouse.describe import Published, pin
from warehouse.publish import PublishReport, make_release

SALES = pa.schema(
    [
        ("sale_id", pa.int64()),
        ("date_key", pa.int32()),
        ("country", pa.string()),
        ("amount", pa.decimal128(18, 2)),
        ("sold_at", pa.timestamp("us", "UTC")),
        ("sale_month", pa.string()),
    ]
)


@dataclass
class Gold:
    """A lake with gold tables, and the warehouse made of it."""

    settings: Settings
    tables: list[Published] = field(default_factory=list)

    @property
    def lake(self) -> Lake:
        return Lake(self.settings.lake_root)

    def sale(self, number: int, amount: str = "1.00", country: str | None = "France", month: int = 1) -> dict[str, Any]:
        """A row of the test fact."""
        return {
            "sale_id": number,
            "date_key": 20260000 + month * 100 + 1 + number % 28,
            "country": country,
            "amount": Decimal(amount),
            "sold_at": 1_760_000_000_000_000 + number,
            "sale_month": f"2026-{month:02}",
        }

    def sales(self, *rows: dict[str, Any]) -> pa.Table:
        return pa.Table.from_pylist(list(rows), schema=SALES)

    def add(self, name: str, rows: pa.Table, key: Sequence[str] = (), partition_by: Sequence[str] = (), **described: Any) -> None:
        """Make a table with these rows."""
        self.lake.create(name, rows.schema, partition_by=partition_by)
        self.lake.append(name, rows)
        self.tables.append(Published(name, tuple(key), **described))

    def add_sales(self, count: int = 60) -> None:
        rows = [self.sale(number, month=1 + number % 3) for number in range(count)]
        described = {"grain": "one row per sale", "doc": "Each sale's own amount.", "comments": {"amount": "price * quantity"}}
        self.add("gold.fact_sales", self.sales(*rows), ["sale_id"], ["sale_month"], **described)

    def publish(self, run: str | None = None) -> PublishReport:
        return make_release(self.settings, self.lake, pin(self.lake, self.tables), run)

    def how(self, report: PublishReport, table: str = "gold.fact_sales") -> str:
        return next(step.how for step in report.steps if step.name == table)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the file that the bare `duckdb` command would open."""
        with duckdb.connect(str(self.settings.warehouse.path), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return connection.execute(sql).fetchall()

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Content of a table in the warehouse, sorted."""
        with duckdb.connect(str(self.settings.warehouse.path), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return _sorted(connection.execute(f"FROM {Published(name).sql_name}").to_arrow_table())

    def lake_rows(self, name: str) -> list[dict[str, Any]]:
        """Content of a table in the lake, by another way than the one that publishes (delta-rs, not DuckDB)."""
        return _sorted(self.lake.read(name))

    def assert_equal(self) -> None:
        for table in self.tables:
            assert self.rows(table.name) == self.lake_rows(table.name)


def _sorted(rows: pa.Table) -> list[dict[str, Any]]:
    columns = sorted(rows.column_names)
    return sorted(rows.select(columns).to_pylist(), key=lambda row: [repr(row[column]) for column in columns])


@pytest.fixture(scope="session")
def make_gold(make_settings: Callable[..., Settings]) -> Callable[[], Gold]:
    return lambda: Gold(make_settings())


@pytest.fixture
def gold(make_gold: Callable[[], Gold]) -> Gold:
    return make_gold()


@pytest.fixture
def small_disk(gold: Any) -> Iterator[Path]:
    """The data folder on a file system of 24 MiB."""
    folder = gold.settings.data
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root may mount a small file system here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
