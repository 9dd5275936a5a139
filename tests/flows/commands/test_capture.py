"""`cartlake capture` with its options, as a user types them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import cartlake
from lake.config import Settings
from lake.delta import Lake


@pytest.fixture
def shop(servers: Any, make_settings: Callable[..., Settings]) -> tuple[Settings, str]:
    """Settings of one MySQL database with a table of ten goods, and the database's name."""
    database = servers.new_database("typed")
    servers.execute("CREATE TABLE goods (id INT PRIMARY KEY)", "INSERT INTO goods SELECT seq FROM seq_1_to_10", database=database)
    return make_settings(MYSQL_URL=servers.url_of(database), MONGO_URL=servers.mongo_url), database


def typed(settings: Settings, *arguments: str) -> Result:
    config = str(settings.home / "cartlake.toml")
    return CliRunner().invoke(cartlake.main, ["--config", config, *arguments], env=dict(settings.environment))


def test_a_paused_table_is_left_out_until_it_is_resumed(shop: Any, servers: Any) -> None:
    settings, database = shop
    capture = ("capture", "--source", "shop")
    assert typed(settings, *capture).exit_code == 0
    paused = typed(settings, "capture", "--pause", f"{database}.goods")
    assert (paused.exit_code, paused.stdout.splitlines()[2].split()) == (0, [f"bronze.shop.{database}.goods", "paused"])
    servers.execute("INSERT INTO goods VALUES (11)", database=database)
    assert "paused" in typed(settings, *capture).stdout
    lake, name = Lake(settings.lake_root), f"bronze.shop.{database}.goods"
    assert lake.count(name) == 10
    assert typed(settings, "capture", "--resume", f"{database}.*").exit_code == 0
    assert typed(settings, *capture).exit_code == 0
    assert lake.count(name) == 11


def test_a_table_that_shrank_is_taken_when_told_so(shop: Any, servers: Any) -> None:
    settings, database = shop
    typed(settings, "capture", "--source", "shop")
    servers.execute("TRUNCATE TABLE goods", "INSERT INTO goods VALUES (1)", database=database)
    refused = typed(settings, "capture", "--source", "shop")
    assert refused.exit_code == 1
    assert "--allow-shrink" in refused.stderr
    assert typed(settings, "capture", "--source", "shop", "--resnapshot", "*.goods", "--allow-shrink").exit_code == 0


@pytest.mark.parametrize("also", [["--resnapshot", "*"], ["--live"], ["--allow-shrink"]])
def test_pausing_captures_nothing_and_says_so(make_settings: Callable[..., Settings], also: list[str]) -> None:
    result = typed(make_settings(), "capture", "--pause", "*", *also)
    assert result.exit_code == 2
    assert "run them alone" in result.stderr


def test_live_follows_until_it_is_ended(shop: Any, servers: Any) -> None:
    settings, database = shop
    command = [sys.executable, str(Path(cartlake.__file__)), "--config", str(settings.home / "cartlake.toml")]
    with subprocess.Popen(
        [*command, "capture", "--source", "shop", "--live"],
        env={**os.environ, **settings.environment, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().endswith(f"shop: {database}.goods 10\n")
            servers.execute("INSERT INTO goods VALUES (11), (12)", database=database)
            began = time.monotonic()
            assert process.stdout.readline().endswith(f"shop: {database}.goods 2\n")
            assert time.monotonic() - began < 20
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
        assert process.stderr is not None
        assert "nothing is lost" in process.stderr.read()
    assert process.returncode == 0


def test_help_is_instant() -> None:
    """Nothing heavy is imported: pydantic alone takes as long as the rest of the command line."""
    heavy = ("pydantic", "pyarrow", "polars", "deltalake", "duckdb", "prefect", "pymysql", "pymongo", "rich")
    code = f"import sys, cartlake; print(*(name for name in {heavy!r} if name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"
