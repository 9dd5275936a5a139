"""What a table can be told, and what it tells: paused, shrunk, wider, failed, behind the others of its source, followed live."""

import threading
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from lake import bronze, positions
from lake.capture import capture, pause, resume
from lake.config import Settings, load
from lake.delta import Lake
from lake.errors import PermanentFailure, TransientFailure, UsageError
from lake.live import live

Fold = Callable[[Settings, str], list[dict[str, Any]]]


@pytest.fixture
def shop(servers: Any, make_settings: Callable[..., Settings]) -> tuple[Settings, Callable[..., list[tuple[Any, ...]]]]:
    """Settings of one empty database, and a function that runs statements in it as the administrator."""
    database = servers.new_database("states")
    settings = make_settings(MYSQL_URL=servers.url_of(database), CARTLAKE_CAPTURE__CHUNK_ROWS="4")

    def execute(*statements: str) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = servers.execute(*statements, database=database)
        return rows

    return settings, execute


def ids(fold: Fold, settings: Settings, table: str) -> list[int]:
    return sorted(row["id"] for row in fold(settings, f".{table}"))


def test_a_paused_table_waits_and_loses_nothing(shop: Any, fold: Fold) -> None:
    settings, execute = shop
    execute("CREATE TABLE a (id INT PRIMARY KEY)", "CREATE TABLE b (id INT PRIMARY KEY)", "INSERT INTO a VALUES (1)")
    capture(settings, "shop")
    (name,) = pause(settings, ["*.a"])
    execute("INSERT INTO a VALUES (2)", "INSERT INTO b VALUES (2)")
    report = capture(settings, "shop")
    assert [table.paused for table in report.tables] == [True, False]
    assert (ids(fold, settings, "a"), ids(fold, settings, "b")) == ([1], [2])
    execute("DELETE FROM a WHERE id = 1")
    assert resume(settings, ["*.a"]) == [name]
    capture(settings, "shop")
    assert ids(fold, settings, "a") == [2]
    with pytest.raises(UsageError, match=r"no captured table matches '\*\.nope'"):
        pause(settings, ["*.nope"])


def test_a_table_that_shrank_keeps_its_old_rows_until_told_so(shop: Any, fold: Fold) -> None:
    settings, execute = shop
    execute("CREATE TABLE goods (id INT PRIMARY KEY)", "INSERT INTO goods SELECT seq FROM seq_1_to_10")
    capture(settings, "shop")
    execute("INSERT INTO goods SELECT seq FROM seq_11_to_20")
    capture(settings, "shop")
    execute("TRUNCATE TABLE goods", "INSERT INTO goods SELECT seq FROM seq_1_to_15")
    for _ in range(2):
        (error,) = capture(settings, "shop").errors.values()
        assert "15 rows where the last load had 20, below 80 %" in error
        assert len(ids(fold, settings, "goods")) == 20
    assert not capture(settings, "shop", allow_shrink=True).errors
    assert ids(fold, settings, "goods") == list(range(1, 16))
    execute("DELETE FROM goods WHERE id > 1")
    assert not capture(settings, "shop").errors, "deletes that the log tells of are no mistake"
    assert ids(fold, settings, "goods") == [1]


def test_a_table_without_a_key_that_shrank_is_not_read_again_for_nothing(shop: Any, fold: Fold, commits: Any) -> None:
    settings, execute = shop
    execute("CREATE TABLE log (id INT)", "INSERT INTO log SELECT seq FROM seq_1_to_20")
    capture(settings, "shop")
    execute("DELETE FROM log WHERE id > 10")
    (error,) = capture(settings, "shop").errors.values()
    before = commits(settings)
    assert capture(settings, "shop").errors == {next(iter(capture(settings, "shop").errors)): error}
    assert commits(settings) == before
    assert len(ids(fold, settings, "log")) == 20
    assert not capture(settings, "shop", allow_shrink=True).errors
    assert len(ids(fold, settings, "log")) == 10


def test_a_wider_column_is_followed_and_its_rows_stay(shop: Any, fold: Fold) -> None:
    settings, execute = shop
    execute("CREATE TABLE goods (id INT PRIMARY KEY, price DECIMAL(6,2))", "INSERT INTO goods VALUES (1, 9.99), (2, NULL)")
    capture(settings, "shop")
    execute(
        "ALTER TABLE goods MODIFY id BIGINT, MODIFY price DECIMAL(12,4)", "INSERT INTO goods VALUES (5000000000, 123456.7891)"
    )
    assert not capture(settings, "shop").errors
    found = {row["id"]: str(row["price"]) for row in fold(settings, ".goods")}
    assert found == {1: "9.9900", 2: "None", 5_000_000_000: "123456.7891"}
    lake = Lake(settings.lake_root)
    (name,) = (table.name for table in bronze.captured(lake))
    assert lake.schema(name).field("price").type == pa.decimal128(12, 4)


def test_what_stopped_a_table_is_kept_and_cleared_when_it_goes_on(shop: Any) -> None:
    settings, execute = shop
    execute("CREATE TABLE a (id INT PRIMARY KEY, v INT)", "INSERT INTO a VALUES (1, 1)")
    capture(settings, "shop")
    execute("ALTER TABLE a MODIFY v VARCHAR(9)", "INSERT INTO a VALUES (2, 'x')")
    lake = Lake(settings.lake_root)
    for _ in range(2):
        (error,) = capture(settings, "shop").errors.values()
        failures = positions.failures(positions.facts(lake, "shop"))
        assert [fact.position["error"] for fact in failures.values()] == [error]
    assert sum(fact.kind == "failed" for fact in positions.facts(lake, "shop")) == 1, "once, however often it is met"
    execute("DELETE FROM a WHERE id = 2", "ALTER TABLE a MODIFY v INT")
    capture(settings, "shop", resnapshot=["*.a"])
    assert positions.failures(positions.facts(lake, "shop")) == {}


def test_a_source_that_cannot_be_reached_is_tried_again_and_then_kept_as_a_failure(
    make_settings: Callable[..., Settings],
) -> None:
    settings = make_settings(MYSQL_URL="mysql://nobody:secret@127.0.0.1:1/none", CARTLAKE_CAPTURE__RETRIES="1")
    with pytest.raises(TransientFailure, match="cannot reach the server"):
        capture(settings, "shop")
    failed = positions.failures(positions.facts(Lake(settings.lake_root), "shop"))[""]
    assert "cannot reach the server" in failed.position["error"]
    assert "secret" not in failed.position["error"]


def test_silver_sees_the_tables_of_a_source_where_all_had_reached_the_same_position(
    shop: Any, killed: Callable[[Settings, str], int]
) -> None:
    settings, execute = shop
    execute("CREATE TABLE a (id INT PRIMARY KEY)", "CREATE TABLE b (id INT PRIMARY KEY)")
    execute("INSERT INTO a VALUES (1)", "INSERT INTO b VALUES (1)")
    file = settings.home / "cartlake.toml"
    file.write_text('[sources.shop]\nkind = "mysql"\nurl = "${MYSQL_URL}"\n')
    settings = load(file, settings.environment)
    capture(settings, "shop")
    lake = Lake(settings.lake_root)
    before = {name: version for name, (version, _) in bronze.consistent(lake, positions.facts(lake)).items()}
    execute("BEGIN", "INSERT INTO a VALUES (2)", "INSERT INTO b VALUES (2)", "COMMIT")
    assert killed(settings, "bronze.commit.after") == -9
    ahead = {name: lake.version(name) for name in before}
    assert sum(ahead[name] > before[name] for name in before) == 1, "one table was committed, the other was not"
    assert {name: version for name, (version, _) in bronze.consistent(lake, positions.facts(lake)).items()} == before
    capture(settings, "shop")
    after = {name: version for name, (version, _) in bronze.consistent(lake, positions.facts(lake)).items()}
    assert all(after[name] > before[name] for name in before)


def test_live_capture_follows_until_it_is_told_to_stop(shop: Any, fold: Fold) -> None:
    settings, execute = shop
    execute("CREATE TABLE goods (id INT PRIMARY KEY)", "INSERT INTO goods VALUES (1)")
    stop, rounds, seen = threading.Event(), list[int](), threading.Event()

    def on_round(_source: str, tables: Any) -> None:
        rounds.append(sum(table.rows.total() for table in tables))
        seen.set()

    follower = threading.Thread(target=lambda: live(settings, "shop", stop=stop, on_round=on_round))
    follower.start()
    try:
        for number in (2, 3):
            assert seen.wait(30)
            seen.clear()
            execute(f"INSERT INTO goods VALUES ({number})")
        assert seen.wait(30)
    finally:
        stop.set()
        follower.join()
    assert rounds == [1, 1, 1]
    assert ids(fold, settings, "goods") == [1, 2, 3]


def test_a_live_capture_ends_with_what_no_retry_can_mend(servers: Any, make_settings: Callable[..., Settings]) -> None:
    url = servers.url_of(servers.new_database("states")).replace("cartlake:", "cartlake:wrong")
    with pytest.raises(PermanentFailure):
        live(make_settings(MYSQL_URL=url), "shop")
