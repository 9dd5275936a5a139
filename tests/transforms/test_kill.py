"""A build that is killed anywhere, or that finds the disk full, and is run again, ends as one that was not."""

import json
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# Each kind of update: by key with quarantine, by key without a key of the source, groups, history, a rebuild.
CHOSEN = ("silver.sales", "silver.web_hits", "silver.web_sessions", "silver.customers", "gold.dim_customer", "gold.dim_country")
# What a build visits at least, whatever the tables.
POINTS = {"transforms.committed", "transforms.settled", "progress.recorded"}
FIRST = {"delta.created", "delta.staged", "delta.staged_committed", "transforms.staged"} | POINTS
LATER = {"transforms.computed", "delta.merged"} | POINTS
Content = dict[str, list[dict[str, Any]]]


@pytest.fixture
def copy(make_settings: Callable[..., Any]) -> Callable[[Any], Any]:
    """Makes a lake that is a copy of another: the same bronze, salt and tables."""

    def make(shop: Any) -> Any:
        other = type(shop)(make_settings(), shop.engine)
        shutil.copytree(shop.settings.lake_root, other.settings.lake_root)
        return other

    return make


def fill(shop: Any, rows: Any) -> Any:
    """Sales that are good, that break a rule and that no customer, product or order is known of; and a web log."""
    shop.snapshot("customers", [rows.customer(1), rows.customer(2)])
    shop.snapshot("products", [rows.product(1), rows.product(2)])
    shop.snapshot("orders", [rows.order(1), rows.order(2)])
    shop.snapshot("returns", [rows.sent_back(1)])
    unknown = rows.sale(4, customer_id=7, product_id=7)
    shop.snapshot("sales_data", [rows.sale(1), rows.sale(2), rows.sale(3, quantity=-1), unknown])
    shop.lines(rows.hit(rows.at(1)), rows.hit(rows.at(2), host="10.0.0.2"))
    return shop


def change(shop: Any, rows: Any) -> None:
    """Rows come, change, move, mend and go; dimensions get versions and the member that a sale waits for."""
    shop.change("customers", ("u", rows.customer(1, country="Japan", updated_at=rows.at(3))), ("c", rows.customer(7)))
    shop.change("products", ("u", rows.product(1, category="Toys", day=3)))
    shop.change("orders", ("u", rows.order(1, channel="app")))
    shop.change("returns", ("c", rows.sent_back(2, rowid=2)), ("d", {"return_id": 1}))
    shop.change(
        "sales_data",
        ("c", rows.sale(5, order_id=1)),
        ("u", rows.sale(2, timestamp=rows.at(9))),
        ("u", rows.sale(3, quantity=2)),
        ("d", {"rowid": 1}),
        ("c", rows.sale(6, quantity=0)),
    )
    shop.lines(rows.hit(rows.at(1), "/product/1", _line=2), rows.hit(rows.at(3), "/cart", _line=3))


def content(shop: Any) -> Content:
    """All rows of all tables; but for the moment when one was put into quarantine, and a quarantine that is empty."""
    names = [name for layer in ("silver", "gold", "quarantine") for name in shop.lake.names(layer)]
    found = {name: [{k: v for k, v in row.items() if k != "quarantined_at"} for row in shop.rows(name)] for name in names}
    return {name: rows for name, rows in found.items() if rows or not name.startswith("quarantine.")}


def visits(nursery: Any, shop: Any, ledger: Path, **how: Any) -> list[str]:
    """The crash points of one undisturbed build, in the order of its visits."""
    assert nursery.build(shop, ledger=str(ledger), **how) == 0
    return [json.loads(line)["point"] for line in ledger.read_text().splitlines()]


def sweep(nursery: Any, shop: Any, copy: Callable[[Any], Any], tmp_path: Path, expected: set[str], **how: Any) -> None:
    """Kill a build of a copy of `shop` at every point; each time the next build gives what one from scratch does."""
    undisturbed = copy(shop)
    points = visits(nursery, undisturbed, tmp_path / "ledger", **how)
    assert set(points) >= expected
    scratch = copy(shop)
    for layer in ("silver", "gold", "quarantine", "meta/progress"):
        shutil.rmtree(Path(scratch.settings.lake_root) / layer, ignore_errors=True)
    select = how.get("select") or None
    scratch.build(select=select)
    truth = content(scratch)
    assert content(undisturbed) == truth
    for number, point in enumerate(points, 1):
        killed = copy(shop)
        assert nursery.build(killed, f"*:{number}", **how) == -signal.SIGKILL, (number, point)
        killed.build(select=select)
        assert content(killed) == truth, (number, point)
        shutil.rmtree(killed.settings.lake_root)


@pytest.fixture
def filled(new_shop: Any, rows: Any) -> Any:
    """A bronze, with the shop's settings (and salt) beside it as a first build leaves them."""
    from transforms import ref

    shop = fill(new_shop(), rows)
    ref.refresh(shop.lake, shop.settings)
    return shop


def test_a_kill_at_any_point_of_a_first_build(nursery: Any, filled: Any, copy: Any, tmp_path: Path) -> None:
    sweep(nursery, filled, copy, tmp_path, FIRST, select=CHOSEN, large=True)


def test_a_kill_at_any_point_of_a_build_of_changes(nursery: Any, filled: Any, rows: Any, copy: Any, tmp_path: Path) -> None:
    filled.build(select=CHOSEN)
    change(filled, rows)
    sweep(nursery, filled, copy, tmp_path, LATER, select=CHOSEN)


@pytest.mark.parametrize("changed", [False, True])
def test_a_disk_that_takes_no_more(filled: Any, rows: Any, copy: Any, changed: bool) -> None:
    """Every file ends at so many bytes, in the engine's process too: logs, Parquet, change feeds, wherever that strikes."""
    if changed:
        filled.build(select=CHOSEN)
        change(filled, rows)
    whole = copy(filled)
    whole.build(select=CHOSEN)
    truth, failed = content(whole), 0
    for most in (400, 1600, 2800, 4000):
        cut = copy(filled)
        config = str(cut.settings.home / "cartlake.toml")
        command = [sys.executable, "-c", "from cartlake import main; main()", "--config", config, "build", *CHOSEN]
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))  # noqa: B023, E731
        build = subprocess.run(command, preexec_fn=limit, capture_output=True, text=True, check=False)
        assert build.returncode in (0, 1)
        assert "Traceback" not in build.stderr
        failed += build.returncode
        cut.build(select=CHOSEN)
        assert content(cut) == truth, most
    assert failed >= 2


@pytest.mark.soak
@pytest.mark.parametrize("large", [False, True])
def test_a_kill_at_any_point_with_every_table(
    nursery: Any, filled: Any, rows: Any, copy: Any, tmp_path: Path, large: bool
) -> None:
    sweep(nursery, filled, copy, tmp_path, POINTS, large=large)
    filled.build()
    change(filled, rows)
    (tmp_path / "ledger").unlink()
    sweep(nursery, filled, copy, tmp_path, LATER, large=large)
