"""How each table stands, against the servers of the sandbox: behind after a change, level after a capture."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import cartlake
from lake import bronze, positions
from lake.capture import capture
from lake.config import Settings
from lake.delta import Lake
from lake.errors import UsageError
from lake.sources.mysql.lag import bytes_behind
from lake.status import TableStatus, status


@pytest.fixture
def shop(servers: Any, make_settings: Callable[..., Settings]) -> tuple[Settings, Callable[..., Any]]:
    """Settings of one MySQL database with a table of three goods, and a function that runs statements in it."""
    database = servers.new_database("status")

    def execute(*statements: str) -> Any:
        return servers.execute(*statements, database=database)

    execute("CREATE TABLE goods (id INT PRIMARY KEY, name VARCHAR(20))", "INSERT INTO goods VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    return make_settings(MYSQL_URL=servers.url_of(database), MONGO_URL=servers.mongo_url), execute


def only(settings: Settings, source: str = "shop") -> TableStatus:
    (found,) = status(settings, source)
    return found


def test_a_table_is_behind_after_a_change_and_level_after_a_capture(shop: Any) -> None:
    settings, execute = shop
    capture(settings, "shop")
    level = only(settings)
    assert (level.table.split(".")[1], level.mode, level.state, level.rows, level.bronze_rows) == ("goods", "cdc", "ok", 3, 3)
    assert (level.lag_seconds, level.lag_bytes, level.error) == (0, 0, "")
    assert level.last_change is None  # a snapshot does not know when its rows were made
    execute("UPDATE goods SET name = 'z' WHERE id = 1", "DELETE FROM goods WHERE id = 2")
    behind = only(settings)
    assert behind.lag_bytes is not None
    assert behind.lag_bytes > 50
    assert behind.lag_seconds is not None
    assert 0 < behind.lag_seconds < 60
    capture(settings, "shop")
    after = only(settings)
    assert (after.lag_seconds, after.lag_bytes, after.rows, after.bronze_rows) == (0, 0, 2, 5)
    assert after.last_change is not None
    assert after.last_capture is not None
    assert level.last_capture is not None
    assert after.last_capture > level.last_capture


def test_documents_are_behind_in_seconds(servers: Any, make_settings: Callable[..., Settings]) -> None:
    from pymongo import MongoClient

    database = servers.new_name("status")
    settings = make_settings(MONGO_URL=servers.mongo_url_of(database), MYSQL_URL=servers.mysql_url)
    with MongoClient(servers.mongo_url) as client:
        client[database]["things"].insert_many([{"_id": number} for number in range(3)])
        capture(settings, "catalog")
        assert (only(settings, "catalog").lag_seconds, only(settings, "catalog").rows) == (0, 3)
        client[database]["things"].insert_one({"_id": 4})
        time.sleep(0.2)
        behind = only(settings, "catalog")
        assert behind.lag_seconds is not None
        assert 0.1 < behind.lag_seconds < 60
        assert behind.lag_bytes is None
        capture(settings, "catalog")
        assert only(settings, "catalog").lag_seconds == 0


def test_a_source_that_cannot_be_reached_is_told_in_its_rows(shop: Any) -> None:
    settings, _ = shop
    capture(settings, "shop")
    gone = settings.model_copy(update={"environment": {"MYSQL_URL": "mysql://me:secret@127.0.0.1:1/db"}})
    found = only(gone)
    assert (found.state, found.rows, found.lag_seconds) == ("unreachable", 3, None)
    assert "cannot reach the server" in found.error
    assert "secret" not in found.error


def test_a_paused_table_and_a_failed_one(shop: Any) -> None:
    settings, execute = shop
    execute("CREATE TABLE others (id INT PRIMARY KEY)")
    capture(settings, "shop")
    lake = Lake(settings.lake_root)
    names = {name.rsplit(".", 1)[1]: name for name in lake.names("bronze")}
    number = positions.next_number(positions.facts(lake, "shop"))
    positions.record(lake, "shop", "paused", {names["goods"]: 1}, {}, number=number)
    positions.record(lake, "shop", "failed", {names["others"]: 1}, {"error": "column x is odd"}, number=number + 1)
    found = {table.table.split(".")[1]: table for table in status(settings)}
    assert found["goods"].state == "paused"
    assert (found["others"].state, found["others"].error) == ("failed", "column x is odd")


def test_a_log_that_the_server_has_dropped_is_told(shop: Any) -> None:
    settings, _ = shop
    capture(settings, "shop")
    lake = Lake(settings.lake_root)
    (name,) = lake.names("bronze")
    at = (bronze.state(lake, name).position or {})["at"]
    number = positions.next_number(positions.facts(lake, "shop"))
    positions.record(lake, "shop", "reached", {name: 1}, {**at, "pos": int(at["pos"]) + 10**9}, number=number)
    found = only(settings)
    assert found.state == "failed"
    assert "--resnapshot" in found.error


def test_files_that_wait_are_counted(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    settings = make_settings(CARTLAKE_SOURCES__DROP__KIND="files", CARTLAKE_SOURCES__DROP__URL=str(tmp_path))
    (tmp_path / "sales-1.csv").write_text("id,name\n1,a\n2,b\n")
    capture(settings, "drop")
    level = only(settings, "drop")
    assert (level.table, level.mode, level.rows, level.files_waiting) == ("files.sales", "files", 2, 0)
    (tmp_path / "sales-2.csv").write_text("id,name\n3,c\n")
    (tmp_path / "sales-3.csv").write_text("id,name\n4,d\n")
    assert only(settings, "drop").files_waiting == 2
    capture(settings, "drop")
    assert (only(settings, "drop").rows, only(settings, "drop").files_waiting) == (4, 0)


def test_before_any_capture_there_is_a_clear_line(make_settings: Callable[..., Settings]) -> None:
    config = str(make_settings().home / "cartlake.toml")
    result = CliRunner().invoke(cartlake.main, ["--config", config, "status"])
    assert (result.exit_code, result.stdout) == (0, "")
    assert "cartlake capture" in result.stderr


def test_the_command_prints_a_row_a_table(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, _ = shop
    capture(settings, "shop")
    monkeypatch.setenv("CARTLAKE_CONFIG", str(settings.home / "cartlake.toml"))
    for name in ("MYSQL_URL", "MONGO_URL"):
        monkeypatch.setenv(name, settings.environment[name])
    result = CliRunner().invoke(cartlake.main, ["status"])
    assert result.exit_code == 0, result.output
    assert re.search(r"shop +status_\d+\.goods +cdc +ok +3 ", result.stdout)
    assert '"lag_bytes": 0' in CliRunner().invoke(cartlake.main, ["status", "--format", "json"]).stdout


def test_an_unknown_source_is_refused(make_settings: Callable[..., Settings]) -> None:
    with pytest.raises(UsageError, match="there are: shop, catalog"):
        status(make_settings(), "crm")


@pytest.mark.parametrize(
    ("file", "pos", "bytes_left"), [("b.000001", 100, 1400), ("b.000002", 0, 500), ("b.000002", 500, 0), ("b.000001", 1000, 500)]
)
def test_bytes_of_log_over_its_files(file: str, pos: int, bytes_left: int) -> None:
    assert bytes_behind({"file": file, "pos": pos}, [("b.000001", 1000), ("b.000002", 500)]) == bytes_left
