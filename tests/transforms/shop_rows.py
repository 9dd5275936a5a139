"""Rows of a small shop, with defaults for what a test does not care about."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

FIRST = datetime(2025, 1, 1, tzinfo=UTC)


def at(day: int, hour: int = 12) -> datetime:
    """A moment `day` days after the shop opened."""
    return FIRST + timedelta(days=day, hours=hour)


def sale(rowid: int, **more: Any) -> dict[str, Any]:
    return {
        "rowid": rowid,
        "product_id": 1,
        "customer_id": 1,
        "price": Decimal("10.00"),
        "quantity": 1,
        "timestamp": at(rowid),
        "order_id": rowid,
        **more,
    }


def order(order_id: int, **more: Any) -> dict[str, Any]:
    moments = {"created_at": at(order_id), "updated_at": at(order_id)}
    return {"order_id": order_id, "customer_id": 1, "channel": "web", "discount": Decimal(0), "status": "paid", **moments, **more}


def customer(customer_id: int, **more: Any) -> dict[str, Any]:
    return {
        "customer_id": customer_id,
        "name": f"Customer {customer_id}",
        "email": f"c{customer_id}@example.org",
        "city": "Lyon",
        "country": "France",
        "birth_date": None,
        "marketing_consent": 1,
        "created_at": at(0),
        "updated_at": at(0),
        **more,
    }


def sent_back(return_id: int, **more: Any) -> dict[str, Any]:
    return {
        "return_id": return_id,
        "rowid": 1,
        "quantity": 1,
        "reason": "broken",
        "returned_at": at(40),
        "refund": Decimal("5.00"),
        **more,
    }


def hit(moment: datetime, path: str = "/", **more: Any) -> dict[str, Any]:
    """A line of the web log."""
    return {
        "_file": "access.log",
        "_line": 1,
        "host": "10.0.0.1",
        "ident": None,
        "user": None,
        "at": moment,
        "method": "GET",
        "path": path,
        "protocol": "HTTP/1.1",
        "status": 200,
        "bytes": 512,
        "referer": None,
        "agent": "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
        **more,
    }


def product(
    product_id: int, *, id: int | None = None, list_price: str = "12.50", cost: str = "7.25", day: int = 0, **more: Any
) -> dict[str, Any]:
    """A document of the catalog in canonical extended JSON."""
    document = {
        "_id": {"$numberInt": str(product_id if id is None else id)},
        "product_id": {"$numberInt": str(product_id)},
        "sku": f"SKU-{product_id}",
        "name": f"Product {product_id}",
        "type": "laptop",
        "category": "Electronics",
        "brand": "Brand",
        "price": {"list": {"$numberDecimal": list_price}, "cost": {"$numberDecimal": cost}, "currency": "eur"},
        "attributes": {"screen size": {"$numberDouble": "15.6"}, "RAM": "16GB"},
        "tags": ["new"],
        "launched_at": {"$date": {"$numberLong": str(int(at(0).timestamp() * 1000))}},
        "updated_at": {"$date": {"$numberLong": str(int(at(day).timestamp() * 1000))}},
        **more,
    }
    return {"_id": json.dumps(document["_id"]), "document": json.dumps(document)}
