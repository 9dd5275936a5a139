"""The main job on the real servers: a shop trades, every layer follows, and every row can be found again at its source."""

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pymongo
import pytest

from flows.steps import STEPS, silent
from lake.capture import capture
from lake.config import Settings
from lake.delta import Lake
from lake.sandbox import shop
from transforms.build import build
from warehouse import query
from warehouse.publish import publish
from warehouse.vacuum import vacuum

ROOT = Path(__file__).parent.parent
SOFTCART = {
    # silver table -> source table, and silver's name of each of its columns, the key first
    "silver.sales": ("sales_data", {"rowid": "sale_id", "product_id": "product_id", "price": "price", "quantity": "quantity"}),
    "silver.orders": ("orders", {"order_id": "order_id", "channel": "channel", "discount": "discount", "status": "status"}),
    "silver.customers": ("customers", {"customer_id": "customer_id", "name": "name", "city": "city", "country": "country"}),
    "silver.returns": ("returns", {"return_id": "return_id", "quantity": "quantity", "refund": "refund"}),
}


@pytest.fixture(scope="module")
def settings(servers: Any) -> Settings:
    """A small shop with a fixed seed and last day, captured, built and published once."""
    changed = servers.settings.sandbox.model_copy(update={"scale": 10_000, "seed": 3, "until": date(2026, 10, 31)})
    settings: Settings = servers.settings.model_copy(update={"sandbox": changed})
    shop.create(settings)
    run(settings)
    return settings


def run(settings: Settings) -> int | None:
    """Capture, build, publish; the number of the release."""
    report = capture(settings)
    assert report.errors == {}
    assert build(settings).errors == {}
    return publish(settings).release


def silver(settings: Settings, name: str, columns: dict[str, str]) -> dict[Any, tuple[Any, ...]]:
    rows = Lake(settings.lake_root).read(name, columns=list(columns.values()))
    return {str(row[0]): row[1:] for row in zip(*(rows[column].to_pylist() for column in columns.values()), strict=True)}


def source(servers: Any, table: str, columns: dict[str, str]) -> dict[Any, tuple[Any, ...]]:
    names = ", ".join(f"`{column}`" for column in columns)
    return {str(row[0]): row[1:] for row in servers.execute(f"SELECT {names} FROM `{table}`", database="softcart")}


def quarantined(settings: Settings, name: str) -> int:
    lake, table = Lake(settings.lake_root), f"quarantine.{name.split('.')[1]}"
    if not lake.exists(table):
        return 0
    return pl.from_arrow(lake.read(table, columns=["key"]))["key"].n_unique()  # type: ignore[union-attr,index,return-value]


def assert_silver_is_the_source(settings: Settings, servers: Any) -> None:
    for name, (table, columns) in SOFTCART.items():
        there, here = source(servers, table, columns), silver(settings, name, columns)
        assert here.items() <= there.items(), f"{name} has rows that {table} has not"
        assert len(here) + quarantined(settings, name) == len(there), f"{name} lacks rows of {table}"
    with pymongo.MongoClient(servers.mongo_url) as client:
        documents = {
            str(document["product_id"]): (document["name"],) for document in client.get_default_database().products.find()
        }
    here = silver(settings, "silver.products", {"product_id": "product_id", "name": "name"})
    assert here.items() <= documents.items()
    assert len(here) + quarantined(settings, "silver.products") == len(documents)


def assert_revenue_is_exact(settings: Settings, servers: Any) -> None:
    """The sum over the fact equals MySQL's own, less the quarantined lines, to the cent."""
    lake = Lake(settings.lake_root)
    kept = set(lake.read("silver.sales", columns=["sale_id"])["sale_id"].to_pylist())
    lines = servers.execute("SELECT rowid, price * quantity FROM sales_data", database="softcart")
    expected = sum((amount for rowid, amount in lines if rowid in kept), Decimal(0))
    with query.connect(settings) as connection:
        assert connection.execute("select sum(amount) from gold.fact_sales").fetchone() == (expected,)
        assert connection.execute("select sum(amount) from gold.agg_sales_daily").fetchone() == (expected,)


def test_every_row_of_the_source_is_in_silver_or_in_quarantine(settings: Settings, servers: Any) -> None:
    assert_silver_is_the_source(settings, servers)


def test_revenue_is_exact_to_the_cent(settings: Settings, servers: Any) -> None:
    assert_revenue_is_exact(settings, servers)


def test_all_planted_dirt_and_nothing_else_is_in_quarantine(settings: Settings) -> None:
    planted = json.loads((settings.sandbox.folder / "dirty.json").read_text())
    tables = {
        "softcart.sales_data": "sales",
        "softcart.customers": "customers",
        "softcart.orders": "orders",
        "softcart.returns": "returns",
    }
    tables["catalog.products"] = "products"
    for at_source, name in tables.items():
        expected = sum(kind["count"] for kind in planted.values() if kind["table"] == at_source and kind["quarantined"])
        assert quarantined(settings, f"silver.{name}") == expected, name


def test_the_lines_that_were_cut_and_no_others_are_missing_from_the_web_log(settings: Settings) -> None:
    planted = json.loads((settings.sandbox.folder / "dirty.json").read_text())["weblog_line_cut"]["keys"]
    lake = Lake(settings.lake_root)
    kept_out = [json.loads(key) for key in lake.read("quarantine.weblog__files__access", columns=["key"])["key"].to_pylist()]
    assert sorted(f"{file}:{line}" for file, line in kept_out) == sorted(planted)
    files = list((settings.sandbox.folder / "weblog").glob("access-*.log.gz"))
    written = sum(len(gzip.decompress(file.read_bytes()).splitlines()) for file in files)
    assert lake.count("silver.web_hits") == written - len(planted)


def test_revenue_by_country_and_month_adds_up(settings: Settings) -> None:
    by = "select country, year(date), month(date), sum(net_amount) from gold.agg_sales_daily group by all"
    with query.connect(settings) as connection:
        rows = connection.execute(by).fetchall()
        total = connection.execute("select sum(net_amount) from gold.fact_sales").fetchone()
    assert len({row[0] for row in rows}) > 5
    assert len({row[1:3] for row in rows}) >= 36
    assert (sum(row[3] for row in rows),) == total


def examples() -> list[str]:
    """The blocks without a language of two pages, and the queries of README with their answers left away."""
    pages = [(ROOT / "docs" / name).read_text() for name in ("warehouse.md", "metrics.md")]
    fenced = [block for page in pages for block in re.findall(r"^```(\w*)\n(.*?)^```$", page, flags=re.M | re.S)]
    return [block for language, block in fenced if not language] + re.findall(
        r'^\$ (cartlake sql "[^"]+")$', (ROOT / "README.md").read_text(), flags=re.M
    )


@pytest.mark.parametrize("example", examples())
def test_the_examples_of_the_docs_run(settings: Settings, tmp_path: Path, example: str) -> None:
    (tmp_path / "report.sql").write_text("select 1 as one")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "CARTLAKE_CONFIG": str(settings.home / "cartlake.toml")}
    # -o pipefail: a query that fails in the middle of a block, or of a pipe, fails the example.
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", example],
        cwd=tmp_path,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert len((done.stdout + done.stderr).splitlines()) >= 2


def test_nothing_new_commits_nothing(settings: Settings) -> None:
    lake = Lake(settings.lake_root)
    names = [name for layer in ("bronze", "silver", "gold", "quarantine") for name in lake.names(layer)]
    before = {name: lake.version(name) for name in names}
    assert run(settings) is None
    assert {name: lake.version(name) for name in names} == before


def test_a_day_of_trade_with_a_kill_in_each_step_ends_as_one_without(settings: Settings, servers: Any) -> None:
    shop.trade(settings, days=1)
    for step, point in (
        ("capture", "bronze.commit.after"),
        ("build", "transforms.committed"),
        ("publish", "publish.before_swap"),
    ):
        assert killed(settings, step, point) == -signal.SIGKILL, f"{step} never came to {point}"
        if step != "publish":
            STEPS[step](settings, silent)
    assert publish(settings).release is not None
    assert_silver_is_the_source(settings, servers)
    assert_revenue_is_exact(settings, servers)


def test_a_build_goes_on_from_what_changed_after_a_vacuum(settings: Settings, servers: Any) -> None:
    shop.trade(settings, days=1)
    assert capture(settings).errors == {}
    long_ago = time.time() - 400 * 86400
    for file in Path(settings.lake_root).rglob("*"):
        os.utime(file, (long_ago, long_ago))
    report = vacuum(settings)
    assert report.errors == {}
    assert sum(removed.files for removed in report.tables.values())
    steps = {step.table: step.how for step in build(settings).steps}
    assert {steps[name] for name in ("silver.sales", "gold.fact_sales")} == {"by_key"}
    assert steps["gold.agg_sales_daily"] == "by_group"
    assert publish(settings).release is not None
    assert_silver_is_the_source(settings, servers)
    assert_revenue_is_exact(settings, servers)


def killed(settings: Settings, step: str, point: str) -> int:
    """Run one step in a process of its own that kills itself at a crash point; its exit status."""
    env = {**os.environ, "CARTLAKE_CONFIG": str(settings.home / "cartlake.toml"), "CARTLAKE_CRASH": point}
    cartlake = Path(sys.executable).parent / "cartlake"
    done = subprocess.run([cartlake, "run", step], env=env, capture_output=True, check=False)
    return done.returncode
