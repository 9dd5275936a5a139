"""Captured tables that nobody declared, with the types of their source."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from lake import bronze
from lake.bronze import Captured, join
from lake.errors import PermanentFailure
from transforms.build import BuildFailed, BuildReport

UTC_US = pa.timestamp("us", tz="UTC")
COLUMNS = {
    "id": pa.int64(),
    "part": pa.string(),
    "amount": pa.decimal128(20, 4),
    "day": pa.date32(),
    "seen": UTC_US,
    "blob": pa.binary(),
    "ratio": pa.float64(),
    "Größe in cm": pa.int16(),
}
ROW = {
    "id": 1,
    "part": "a",
    "amount": Decimal("1.5000"),
    "day": datetime(2024, 2, 29).date(),
    "seen": datetime(2024, 2, 29, 1, 2, 3, 456789, UTC),
    "blob": b"\x00\xff",
    "ratio": 0.1,
    "Größe in cm": 7,
}
Write = Callable[..., None]


@pytest.fixture
def write(shop: Any) -> Write:
    """Writes rows of a table of any shape: (rows, op, order); an order from 2**32 on is a change."""

    def write(
        rows: Sequence[Mapping[str, Any]],
        *,
        op: str = "r",
        order: int = 0,
        key: tuple[str, ...] = ("id", "part"),
        epoch: int = 1,
        generation: int = 0,
        **more: pa.DataType,
    ) -> None:
        name = join("bronze", "other", "my.shop", "Some Things")
        bronze.register(shop.lake, [Captured(name, "other", "my.shop", "Some Things", key, "cdc" if key else "snapshot", MIRROR)])
        schema = pa.schema([*{**COLUMNS, **more}.items(), ("_op", pa.string()), ("_order", pa.int64()), ("_source_ts", UTC_US)])
        filled = [{**row, "_op": op, "_order": order + place, "_source_ts": None} for place, row in enumerate(rows)]
        position = {"generation": generation or epoch, "epoch": epoch, "complete": True, "base": epoch - 1, "at": {}}
        bronze.write(shop.lake, name, pa.Table.from_pylist(filled, schema=schema), epoch, position)

    return write


MIRROR = join("silver", "other__my.shop__Some Things")
CHANGE = 1 << 32


def how(report: BuildReport) -> tuple[str, str, int]:
    (step,) = [step for step in report.steps if step.table == MIRROR]
    return step.how, step.why, step.changed


def test_a_mirror_has_the_source_s_rows_and_types(shop: Any, write: Write) -> None:
    write([ROW, {**ROW, "part": "b"}])
    assert how(shop.build()) == ("rebuild", "first build", 2)
    assert shop.rows(MIRROR) == [ROW, {**ROW, "part": "b"}]
    assert dict(zip(shop.lake.schema(MIRROR).names, shop.lake.schema(MIRROR).types, strict=True)) == COLUMNS


def test_a_mirror_follows_changes(shop: Any, write: Write) -> None:
    write([ROW, {**ROW, "part": "b"}])
    shop.build()
    write([{**ROW, "ratio": None}], op="u", order=CHANGE)
    write([{"id": 1, "part": "b"}], op="d", order=CHANGE + 1)
    write([{**ROW, "id": 2}, {**ROW, "id": 2, "blob": b""}], op="c", order=CHANGE + 2)
    assert how(shop.build())[::2] == ("by_key", 3)
    assert shop.rows(MIRROR) == [{**ROW, "ratio": None}, {**ROW, "id": 2, "blob": b""}]


def test_a_new_column_is_taken_up(shop: Any, write: Write) -> None:
    write([ROW])
    shop.build()
    write([{**ROW, "id": 2, "extra": "x"}], op="c", order=CHANGE, extra=pa.string())
    shop.build()
    assert [row["extra"] for row in shop.rows(MIRROR)] == [None, "x"]


def test_a_wider_column_is_followed(shop: Any, write: Write) -> None:
    write([ROW])
    shop.build()
    write(
        [{**ROW, "id": 2, "amount": Decimal("12345678901234567890.1234567")}], op="c", order=CHANGE, amount=pa.decimal128(30, 7)
    )
    assert how(shop.build())[1] == "its columns changed"
    assert [row["amount"] for row in shop.rows(MIRROR)] == [Decimal("1.5000000"), Decimal("12345678901234567890.1234567")]
    assert shop.lake.schema(MIRROR).field("amount").type == pa.decimal128(30, 7)
    write([{**ROW, "ratio": 9.0}], op="u", order=CHANGE + 1, amount=pa.decimal128(30, 7))
    assert how(shop.build())[::2] == ("by_key", 1)


def test_numbers_that_no_float_holds_arrive_exactly(shop: Any, write: Write) -> None:
    """Sail gives a file's bound for a whole column where its minimum and maximum are the same float (see lake/parquet.py)."""
    wide = [Decimal(2**64 - 1), Decimal(2**64 - 2)]
    write([{**ROW, "part": str(n), "wide": value} for n, value in enumerate(wide)], wide=pa.decimal128(20, 0))
    shop.build()
    assert [row["wide"] for row in shop.rows(MIRROR)] == wide


def test_changes_after_a_failover_are_in_a_higher_epoch_of_the_same_generation(shop: Any, write: Write) -> None:
    write([ROW, {**ROW, "part": "b"}])
    shop.build()
    write([{**ROW, "ratio": 2.0}], op="u", order=CHANGE + 900)
    write([{**ROW, "ratio": 3.0}], op="u", order=CHANGE + 1, epoch=2, generation=1)
    assert how(shop.build())[::2] == ("by_key", 1)
    assert shop.rows(MIRROR) == [{**ROW, "ratio": 3.0}, {**ROW, "part": "b"}]


def test_a_table_without_a_key_keeps_duplicates_and_follows_whole_snapshots(shop: Any, write: Write) -> None:
    write([ROW, ROW], key=())
    shop.build()
    assert shop.rows(MIRROR) == [ROW, ROW]
    before = shop.versions()[MIRROR]
    write([ROW, ROW], key=(), epoch=2)
    assert how(shop.build())[2] == 0
    assert shop.versions()[MIRROR] == before
    write([ROW, ROW, ROW], key=(), epoch=3)
    shop.build()
    assert shop.rows(MIRROR) == [ROW, ROW, ROW]


def test_documents(shop: Any, rows: Any) -> None:
    """A collection that nobody declared: `_id` and the document, as captured."""
    name, mirror = "bronze.catalog.other.things", "silver.catalog__other__things"
    bronze.register(shop.lake, [Captured(name, "catalog", "other", "things", ("_id",), "cdc", mirror)])
    lines = pa.Table.from_pylist([{**rows.product(1), "_op": "r", "_order": 0}]).append_column("_source_ts", pa.nulls(1, UTC_US))
    bronze.write(shop.lake, name, lines, 1, {"generation": 1, "complete": True, "base": 0, "at": {}})
    shop.build()
    assert shop.rows(mirror) == [rows.product(1)]


def test_a_column_that_goes_missing_stops_the_table_that_needs_it(shop: Any, rows: Any) -> None:
    shop.snapshot("orders", [rows.order(1)])
    shop.snapshot("customers", [rows.customer(1)])
    shop.build()
    orders = "bronze.shop.softcart.orders"
    shop.lake.overwrite(orders, shop.lake.read(orders).drop_columns(["discount"]), schema_change=True)
    shop.change("customers", ("c", rows.customer(2)))
    with pytest.raises(BuildFailed, match=r"orders has no column discount, which is needed as decimal\(12,2\)") as failure:
        shop.build()
    assert isinstance(failure.value, PermanentFailure)
    assert set(failure.value.report.errors) == {"silver.orders"}
    assert shop.lake.count("silver.customers") == 2
