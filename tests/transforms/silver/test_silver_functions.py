"""Silver's functions on rows as bronze has them, on both engines."""

import hashlib
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from transforms.silver.customers import customers
from transforms.silver.products import products
from transforms.silver.sales import sales

UTC_US = pa.timestamp("us", tz="UTC")
LINEAGE = [("_sequence", pa.int64()), ("_source_ts", UTC_US)]
SOON = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)
LINEAGE_VALUES = {"_sequence": 7, "_source_ts": SOON}


def rows_of(engine: Any, frame: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = engine.arrow(frame).to_pylist()
    return found


def flattened(engine: Any, document: dict[str, Any]) -> dict[str, Any]:
    schema = pa.schema([("_id", pa.string()), ("document", pa.string()), *LINEAGE])
    rows = pa.Table.from_pylist(
        [{"_id": '{"$numberInt": "1"}', "document": json.dumps(document), **LINEAGE_VALUES}], schema=schema
    )
    (row,) = rows_of(engine, products(engine.frame(rows)))
    return row


def test_a_document_becomes_columns(engine: Any) -> None:
    row = flattened(
        engine,
        {
            "_id": {"$numberInt": "1"},
            "product_id": {"$numberLong": "42"},
            "sku": "TV-1",
            "name": "Télé",
            "type": "Television",
            "category": "Electronics",
            "brand": "B",
            "price": {"list": {"$numberDecimal": "499.90"}, "cost": {"$numberDecimal": "300.05"}, "currency": "eur"},
            "attributes": {"screen size": {"$numberInt": "55"}, "RAM": "2GB", "storage": "512 MB", "color": "black"},
            "tags": ["new", "big screen"],
            "launched_at": {"$date": {"$numberLong": "1700000000000"}},
            "updated_at": {"$date": {"$numberLong": "1700000000123"}},
        },
    )
    assert row == {
        "document_id": '{"$numberInt": "1"}',
        "product_id": 42,
        "sku": "TV-1",
        "name": "Télé",
        "type": "television",
        "category": "Electronics",
        "brand": "B",
        "list_price": Decimal("499.90"),
        "cost": Decimal("300.05"),
        "currency": "EUR",
        "screen_size_inches": Decimal("55.00"),
        "ram_gb": Decimal("2.000"),
        "storage_gb": Decimal("0.500"),
        "color": "black",
        "attributes": '{"screen size":{"$numberInt":"55"},"RAM":"2GB","storage":"512 MB","color":"black"}',
        "tags": '["new","big screen"]',
        "launched_at": datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC),
        "discontinued_at": None,
        "updated_at": datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=UTC),
        **LINEAGE_VALUES,
    }


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ({"$numberInt": "6"}, Decimal("6.00")),
        ({"$numberDouble": "6.5"}, Decimal("6.50")),
        ({"$numberDouble": "NaN"}, None),
        ("6.1", Decimal("6.10")),
        ("large", None),
        (None, None),
        ([], None),
    ],
)
def test_a_number_of_any_kind(engine: Any, size: Any, expected: Decimal | None) -> None:
    assert flattened(engine, {"attributes": {"screen size": size}})["screen_size_inches"] == expected


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        ("16GB", "16.000"),
        ("16 gb", "16.000"),
        ("1.5TB", "1536.000"),
        ("512MB", "0.500"),
        ("8", "8.000"),
        ("lots", None),
        ("", None),
    ],
)
def test_units(engine: Any, memory: str, expected: str | None) -> None:
    assert flattened(engine, {"attributes": {"RAM": memory}})["ram_gb"] == (None if expected is None else Decimal(expected))


def test_an_empty_document(engine: Any) -> None:
    row = flattened(engine, {})
    assert {value for column, value in row.items() if column not in ("document_id", *LINEAGE_VALUES)} == {None}


def test_an_email_is_one_person_however_it_is_written(engine: Any) -> None:
    kinds = [("name", "city", "country"), ("birth_date",), ("created_at", "updated_at")]
    schema = pa.schema(
        [("customer_id", pa.int64()), ("email", pa.string()), ("marketing_consent", pa.bool_())]
        + [(name, kind) for names, kind in zip(kinds, (pa.string(), pa.date32(), UTC_US), strict=True) for name in names]
        + LINEAGE
    )
    emails = ["Ann@Example.ORG ", "ann@example.org", None]
    given = pa.Table.from_pylist(
        [{"customer_id": n, "email": email, **LINEAGE_VALUES} for n, email in enumerate(emails)], schema=schema
    )
    found = rows_of(engine, customers(engine.frame(given), engine.frame(pa.table({"salt": ["s"], "time_zone": ["UTC"]}))))
    by_id = {row["customer_id"]: row for row in found}
    assert by_id[0]["email"] == by_id[1]["email"] == "ann@example.org"
    assert by_id[0]["email_hash"] == by_id[1]["email_hash"] == hashlib.sha256(b"sann@example.org").hexdigest()
    assert by_id[2]["email_hash"] is None


def test_a_line_without_an_order(engine: Any) -> None:
    schema = pa.schema(
        [(name, pa.int64()) for name in ("rowid", "product_id", "customer_id", "order_id")]
        + [("price", pa.decimal128(12, 2)), ("quantity", pa.int32()), ("timestamp", UTC_US)]
        + LINEAGE
    )
    line = {
        "rowid": 1,
        "product_id": 2,
        "customer_id": 3,
        "price": Decimal("9.99"),
        "quantity": 3,
        "timestamp": SOON,
        **LINEAGE_VALUES,
    }
    given = pa.Table.from_pylist([line, {**line, "rowid": 2, "order_id": 77}], schema=schema)
    found = sorted(rows_of(engine, sales(engine.frame(given))), key=lambda row: row["sale_id"])
    assert [(row["order_id"], row["amount"]) for row in found] == [
        ("c-3-20250102T030405", Decimal("29.97")),
        ("77", Decimal("29.97")),
    ]
