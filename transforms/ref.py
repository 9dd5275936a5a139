"""`ref.shop`: the settings that tables depend on, as a table of one row: a change of a setting is a change of an input."""

from __future__ import annotations

import secrets

import pyarrow as pa

from lake.config import Settings
from lake.delta import Lake

SHOP = "ref.shop"
_SCHEMA = pa.schema([("time_zone", pa.string()), ("salt", pa.string())])
_COMMENTS = {
    "time_zone": "a day in gold is a day in this zone",
    "salt": "goes into the hash of e-mail addresses; made at random with the lake, and moves with it",
}


def refresh(lake: Lake, settings: Settings) -> int:
    """Write the settings if they are not what the table says. Returns its version."""
    if stale(lake, settings):
        lake.create(SHOP, _SCHEMA, comment="Settings that tables depend on", comments=_COMMENTS)
        row = {"time_zone": settings.shop.time_zone, "salt": _salt(lake) or secrets.token_hex(16)}
        lake.overwrite(SHOP, pa.Table.from_pylist([row], schema=_SCHEMA))
    return lake.version(SHOP)


def stale(lake: Lake, settings: Settings) -> bool:
    """Whether the table does not say what the settings say."""
    rows = lake.read(SHOP).to_pylist() if lake.exists(SHOP) else []
    return not rows or rows[0]["time_zone"] != settings.shop.time_zone


def _salt(lake: Lake) -> str:
    rows = lake.read(SHOP).to_pylist() if lake.exists(SHOP) else []
    return str(rows[0]["salt"]) if rows else ""
