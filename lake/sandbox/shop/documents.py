"""The catalog as MongoDB documents: nested and ragged like the course's, keys with spaces, numbers now int, now double.

Made one by one: there are two thousand at any scale. About a tenth carry an int `_id` (taken over from an older shop),
the rest an ObjectId.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from bson import Decimal128, ObjectId

from lake.sandbox.shop import names
from lake.sandbox.shop.catalog import Catalog
from lake.sandbox.shop.demand import CATEGORIES, CATEGORY_OF, TYPES, Timeline
from lake.sandbox.shop.seeds import stream

Document = dict[str, Any]
_COLOURS = ("black", "white", "silver", "blue", "red", "green")
_LANGUAGES = ("en", "fr", "de", "es", "it")


def make(seed: int, timeline: Timeline, catalog: Catalog) -> list[Document]:
    """The products' documents as of the end of the timeline, in product order."""
    random = stream(seed, "documents")
    return [document(random, index + 1, timeline, catalog, index) for index in range(len(catalog))]


def document(random: np.random.Generator, product_id: int, timeline: Timeline, catalog: Catalog, like: int) -> Document:
    """Product `product_id`, of the type, brand and price of the catalog's entry `like`."""
    kind = TYPES[catalog.kind[like]]
    brand = names.BRANDS[kind][catalog.brand[like]]
    cents = catalog.cents[:, like]
    changed = np.flatnonzero(np.diff(cents))
    start, end = int(catalog.start[like]), int(catalog.end[like])
    launched = _at(timeline, start) if start else _at(timeline, 0) - timedelta(days=int(random.integers(30, 700)))
    updated = max(_at(timeline, int(changed[-1]) + 1) if len(changed) else launched, launched)
    made: Document = {
        "_id": product_id if random.random() < 0.1 else ObjectId(random.bytes(12)),
        "product_id": product_id,
        "sku": f"{kind[:2].upper()}-{product_id:05d}",
        "name": _name(random, kind, brand),
        "type": kind,
        "category": CATEGORIES[CATEGORY_OF[catalog.kind[like]]],
        "brand": brand,
        "price": {"list": money(int(cents[-1])), "cost": money(int(catalog.cost[like])), "currency": "EUR"},
        "attributes": _ATTRIBUTES[kind](random),
        "launched_at": launched,
        "updated_at": updated,
    }
    if random.random() < 0.8:
        made["tags"] = _some(random, ("new", "bestseller", "gift", "eco", "pro", "family"), 0, 3)
    if end < timeline.months:
        made["discontinued_at"] = made["updated_at"] = _at(timeline, end)
    return made


def money(cents: int) -> Decimal128:
    return Decimal128(f"{cents // 100}.{cents % 100:02d}")


def _at(timeline: Timeline, month: int) -> datetime:
    start = datetime.combine(timeline.month_start(month).astype("datetime64[D]").astype(object), datetime.min.time(), UTC)
    return start + timedelta(hours=6)


def _pick(random: np.random.Generator, values: Any) -> Any:
    value = values[int(random.integers(len(values)))]
    return value.item() if isinstance(value, np.generic) else value


def _some(random: np.random.Generator, values: tuple[str, ...], least: int, most: int) -> list[str]:
    return [str(value) for value in random.permutation(values)[: random.integers(least, most + 1)]]


def _name(random: np.random.Generator, kind: str, brand: str) -> str:
    if kind == "book":
        return f"The {_pick(random, names.ADJECTIVES)} {_pick(random, names.NOUNS)}"
    return f"{brand} {_pick(random, names.NOUNS)} {int(random.integers(2, 99))}"


def _maybe(random: np.random.Generator, target: Document, key: str, value: Any, chance: float) -> None:
    if random.random() < chance:
        target[key] = value


def _phone(random: np.random.Generator) -> Document:
    made: Document = {
        "screen size": _pick(random, (5.5, 6, 6.1, 6.5, 6.7, 7)),
        "RAM": _pick(random, ("4GB", "6GB", "8GB", "12GB")),
    }
    _maybe(
        random,
        made,
        "storage",
        {"size": _pick(random, ("64GB", "128GB", "256GB", "1TB")), "expandable": bool(random.random() < 0.4)},
        0.9,
    )
    _maybe(
        random,
        made,
        "battery",
        {"mAh": int(random.integers(30, 61)) * 100, "wireless charging": bool(random.random() < 0.5)},
        0.8,
    )
    _maybe(random, made, "colors", _some(random, _COLOURS, 1, 3), 0.7)
    _maybe(random, made, "5G", True, 0.6)
    return made


def _laptop(random: np.random.Generator) -> Document:
    made: Document = {
        "screen size": _pick(random, (13.3, 14, 15, 15.6, 16, 17)),
        "RAM": _pick(random, ("8GB", "16GB", "32GB", "64 GB")),
    }
    made["CPU"] = {"cores": int(_pick(random, (4, 6, 8, 12, 16))), "clock GHz": _pick(random, (2, 2.4, 3, 3.2, 3.6))}
    _maybe(
        random,
        made,
        "storage",
        {"kind": _pick(random, ("SSD", "NVMe", "HDD")), "size": _pick(random, ("256GB", "512GB", "1TB", "2TB"))},
        0.95,
    )
    _maybe(random, made, "weight kg", round(float(random.uniform(0.9, 3.1)), 2), 0.7)
    _maybe(random, made, "ports", {"USB-C": int(random.integers(1, 5)), "HDMI": _pick(random, (0, 1, None))}, 0.6)
    return made


def _television(random: np.random.Generator) -> Document:
    made: Document = {
        "screen size": _pick(random, (32, 40, 43, 50, 55, 64.5, 65, 75)),
        "resolution": _pick(random, ("1920x1080", "3840x2160")),
    }
    _maybe(random, made, "panel", _pick(random, ("LED", "QLED", "OLED")), 0.9)
    _maybe(random, made, "smart", {"system": _pick(random, ("Tiles", "Stream OS")), "apps": int(random.integers(10, 400))}, 0.7)
    _maybe(
        random,
        made,
        "energy",
        {"class": _pick(random, ("C", "D", "E", "F", "G")), "kWh per 1000h": _pick(random, (44, 58.5, 71, 96.2))},
        0.5,
    )
    return made


def _book(random: np.random.Generator) -> Document:
    authors = [f"{_pick(random, names.FIRST)} {_pick(random, names.LAST)}" for _ in range(int(random.integers(1, 4)))]
    made: Document = {
        "pages": int(random.integers(60, 1200)),
        "language": _pick(random, _LANGUAGES),
        "format": _pick(random, ("hardback", "paperback", "e-book")),
    }
    made["author" if len(authors) == 1 else "authors"] = authors[0] if len(authors) == 1 else authors
    _maybe(random, made, "ISBN", f"978{int(random.integers(10**9, 10**10))}", 0.9)
    _maybe(
        random,
        made,
        "series",
        {"name": f"{_pick(random, names.ADJECTIVES)} {_pick(random, names.NOUNS)}", "volume": int(random.integers(1, 9))},
        0.3,
    )
    return made


def _toy(random: np.random.Generator) -> Document:
    made: Document = {"age from": _pick(random, (0, 1.5, 3, 5, 8, 12))}
    _maybe(random, made, "pieces", int(random.integers(2, 2000)), 0.6)
    _maybe(random, made, "material", _pick(random, ("wood", "plastic", "textile", ["wood", "metal"])), 0.8)
    _maybe(
        random,
        made,
        "batteries",
        {"type": _pick(random, ("AA", "AAA")), "count": int(random.integers(1, 5)), "included": False},
        0.3,
    )
    return made


def _sports(random: np.random.Generator) -> Document:
    made: Document = {"sport": _pick(random, ("running", "football", "tennis", "climbing", "cycling", "yoga"))}
    _maybe(random, made, "size", _pick(random, ("S", "M", "L", "XL", 38, 40, 42, 44.5)), 0.8)
    _maybe(random, made, "weight kg", _pick(random, (1, 2.5, 5, 0.35, 12)), 0.5)
    _maybe(random, made, "gender", _pick(random, ("women", "men", "unisex")), 0.6)
    return made


def _software(random: np.random.Generator) -> Document:
    made: Document = {
        "version": f"{int(random.integers(1, 20))}.{int(random.integers(0, 10))}",
        "delivery": _pick(random, ("download", "box")),
    }
    made["license"] = {"kind": _pick(random, ("perpetual", "subscription")), "seats": int(_pick(random, (1, 3, 5, 10)))}
    if made["license"]["kind"] == "subscription":
        made["license"]["months"] = int(_pick(random, (1, 12, 24)))
    _maybe(random, made, "platforms", _some(random, ("Windows", "macOS", "Linux"), 1, 3), 0.9)
    return made


_ATTRIBUTES = {
    "smart phone": _phone,
    "laptop": _laptop,
    "television": _television,
    "book": _book,
    "toy": _toy,
    "sports": _sports,
    "software": _software,
}
