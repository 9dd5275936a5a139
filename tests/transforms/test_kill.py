"""A build that is killed anywhere, and run again, ends as one that was not."""

import os
import subprocess
import sys
from typing import Any

import pytest

SCRIPT = """
import sys
from pathlib import Path
from lake.config import load
from transforms import update
from transforms.build import build
update.FEW = 0  # small tables take the large ones' way, where there is more to interrupt
build(load(Path(sys.argv[1]), {}))
"""
POINTS = (
    "delta.created:4",
    "transforms.staged:2",
    "delta.staged_committed:6",
    "transforms.committed:8",
    "transforms.settled:3",
    "progress.recorded:5",
    "delta.merged:1",
)


def run(shop: Any, crash: str = "") -> int:
    env = {**os.environ, "CARTLAKE_CRASH": crash}
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, str(shop.settings.home / "cartlake.toml")], env=env, check=False
    ).returncode


# Of each lake's own clock and salt.
HIDDEN = ("email_hash", "quarantined_at", "customer_key")


def fill(shop: Any, rows: Any) -> Any:
    shop.snapshot("customers", [rows.customer(1)])
    shop.snapshot("products", [rows.product(1)])
    shop.snapshot("orders", [rows.order(1), rows.order(2)])
    shop.snapshot("sales_data", [rows.sale(1), rows.sale(2), rows.sale(3, quantity=-1)])
    return shop


def content(shop: Any) -> dict[str, Any]:
    names = [name for layer in ("silver", "gold", "quarantine") for name in shop.lake.names(layer)]
    # When bronze was written is of each lake too.
    hidden = (*HIDDEN, "_source_ts", "raw")
    return {name: [{k: v for k, v in row.items() if k not in hidden} for row in shop.rows(name)] for name in names}


@pytest.fixture(scope="module")
def undisturbed(make_settings: Any, sail: Any, new_shop_of: Any, rows: Any) -> dict[str, Any]:
    """What a build that nobody kills gives."""
    shop = fill(new_shop_of(make_settings(), sail), rows)
    shop.build()
    return content(shop)


@pytest.mark.parametrize("point", POINTS)
def test_killed_and_run_again(shop: Any, rows: Any, undisturbed: dict[str, Any], point: str) -> None:
    assert run(fill(shop, rows), point) == -9
    shop.build()
    assert content(shop) == undisturbed
