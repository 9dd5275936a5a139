"""A run with any kills equals a run with none: SIGKILL at every named point, once each, then go on."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymongo
import pytest

from lake import bronze, positions
from lake.capture import capture
from lake.config import Settings, load
from lake.delta import Lake

CHUNK = {"CARTLAKE_CAPTURE__CHUNK_ROWS": "3", "CARTLAKE_CAPTURE__BATCH_ROWS": "4"}
POINTS = {
    "bronze.commit.before",
    "bronze.commit.after",
    "capture.snapshot.chunk_done",
    "capture.changes.group_done",
    "capture.positions.written",
    "capture.tables.registered",
}


@pytest.fixture
def mysql(servers: Any) -> tuple[dict[str, str], Callable[[], None]]:
    database = servers.new_database("kill")
    servers.execute(
        "CREATE TABLE goods (id INT PRIMARY KEY, v INT)",
        "INSERT INTO goods SELECT seq, 0 FROM seq_1_to_5",
        "CREATE TABLE log (line INT)",
        "INSERT INTO log VALUES (1), (1), (2), (3)",
        "CREATE TABLE none (id INT PRIMARY KEY)",
        "CREATE TABLE other (id INT PRIMARY KEY, v INT)",
        "INSERT INTO other VALUES (1, 0), (2, 0)",
        database=database,
    )

    def change() -> None:
        servers.execute(
            "UPDATE goods SET v = v + 1 WHERE id < 4",
            "DELETE FROM goods WHERE id = 5",
            "INSERT INTO goods VALUES (5, 50)",
            "UPDATE goods SET id = 104 - id WHERE id IN (4, 100)",
            "UPDATE other SET v = v + 1",
            "TRUNCATE TABLE none",
            "INSERT INTO none VALUES (1), (2)",
            "UPDATE log SET line = line + 1",
            database=database,
        )

    return {"MYSQL_URL": servers.url_of(database)}, change


def sweep(
    killed: Any, make: Callable[[], Settings], change: Callable[[], None], check: Callable[[Settings], None], ledger: Path
) -> None:
    """Kill at every point of a first capture, and at every point of one that has changes to read; each time go on and compare."""
    undisturbed = make()
    killed(undisturbed, "", str(ledger))
    change()
    killed(undisturbed, "", str(ledger))
    visits = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert {visit["point"] for visit in visits} >= POINTS
    processes = Counter(visit["pid"] for visit in visits)
    assert len(processes) == 2
    for later, points in enumerate(processes.values()):
        for number in range(1, points + 1):
            settings = make()
            if later:
                capture(settings)
                change()
            killed(settings, f"*:{number}")
            if not later:
                change()
            for _ in range(1 if later else 2):  # the second sees what changed while the first one took a snapshot
                assert not capture(settings).errors
            check(settings)


def test_mysql_survives_a_kill_at_every_point(
    mysql: Any, servers: Any, make_settings: Callable[..., Settings], killed: Any, fold: Any, tmp_path: Path
) -> None:
    env, change = mysql
    database = env["MYSQL_URL"].rsplit("/", 1)[1]

    def check(settings: Settings) -> None:
        for table, columns in (("goods", ("id", "v")), ("log", ("line",)), ("none", ("id",)), ("other", ("id", "v"))):
            source = sorted(servers.execute(f"SELECT {', '.join(columns)} FROM {table}", database=database))
            assert sorted(tuple(row[c] for c in columns) for row in fold(settings, f".{table}")) == source

    one_source = {**env, **CHUNK}
    sweep(killed, lambda: only("shop", make_settings, one_source), change, check, tmp_path / "ledger")


def test_mongodb_survives_a_kill_at_every_point(
    servers: Any, make_settings: Callable[..., Settings], killed: Any, fold: Any, tmp_path: Path
) -> None:
    name = servers.new_name("kill")
    env = {"MONGO_URL": servers.mongo_url_of(name), **CHUNK}
    with pymongo.MongoClient(env["MONGO_URL"], directConnection=True) as client:
        database = client[name]
        database.goods.insert_many([{"_id": i, "v": 0} for i in range(5)])
        database.other.insert_many([{"_id": str(i)} for i in range(2)])

        def change() -> None:
            database.goods.update_many({"_id": {"$lt": 4}}, {"$inc": {"v": 1}})
            database.goods.delete_one({"_id": 4})
            database.goods.insert_one({"_id": 4, "v": 50})
            database.other.update_many({}, {"$inc": {"n": 1}})

        def check(settings: Settings) -> None:
            for collection in ("goods", "other"):
                documents = {row["_id"]: row["document"] for row in fold(settings, f".{collection}")}
                found = sorted(json.dumps(json.loads(text)) for text in documents.values())
                expected = [{key: number(value) for key, value in document.items()} for document in database[collection].find({})]
                assert found == sorted(json.dumps(document) for document in expected)
                lake = Lake(settings.lake_root)
                (bronze,) = [name for name in lake.names("bronze") if name.endswith(f".{collection}")]
                # Each change makes a document that never was before, so the same one twice is the same event twice.
                events = [
                    (r["_id"], r["_op"], r["document"], r["_source_ts"]) for r in lake.read(bronze).to_pylist() if r["_op"] != "r"
                ]
                assert len(events) == len(set(events))

        sweep(killed, lambda: only("catalog", make_settings, env), change, check, tmp_path / "ledger")


def number(value: Any) -> Any:
    return {"$numberInt": str(value)} if isinstance(value, int) else value


def only(source: str, make_settings: Callable[..., Settings], env: dict[str, str]) -> Settings:
    """Settings whose file names one source, so that the killed process captures nothing else."""
    settings = make_settings(**env)
    kind, url = ("mysql", "${MYSQL_URL}") if source == "shop" else ("mongodb", "${MONGO_URL}")
    file = settings.home / "cartlake.toml"
    file.write_text(f'[sources.{source}]\nkind = "{kind}"\nurl = "{url}"\n')
    return load(file, settings.environment)


@pytest.mark.parametrize("kind", ["mysql", "mongodb"])
def test_what_was_committed_before_a_kill_is_for_silver_after_the_next_capture(
    kind: str, servers: Any, make_settings: Callable[..., Settings], killed: Any
) -> None:
    """Even if that finds nothing new: the fact that all tables have reached a position was still owed."""
    if kind == "mysql":
        database = servers.new_database("owed")
        servers.execute("CREATE TABLE goods (id INT PRIMARY KEY)", "INSERT INTO goods VALUES (1)", database=database)
        settings = only("shop", make_settings, {"MYSQL_URL": servers.url_of(database)})
        capture(settings)
        servers.execute("INSERT INTO goods VALUES (2)", database=database)
    else:
        name = servers.new_name("owed")
        settings = only("catalog", make_settings, {"MONGO_URL": servers.mongo_url_of(name)})
        with pymongo.MongoClient(servers.mongo_url_of(name), directConnection=True) as client:
            client[name].goods.insert_one({"_id": 1})
            capture(settings)
            client[name].goods.insert_one({"_id": 2})
    assert killed(settings, "bronze.commit.after") == -9
    lake = Lake(settings.lake_root)
    (table,) = [one.name for one in bronze.captured(lake)]
    capture(settings)
    assert bronze.consistent(lake, positions.facts(lake))[table][0] == lake.version(table)


def test_a_mode_that_changes_compares_no_positions_of_the_last(servers: Any, make_settings: Callable[..., Settings]) -> None:
    database = servers.new_database("mode")
    servers.execute("CREATE TABLE goods (id INT PRIMARY KEY)", "INSERT INTO goods VALUES (1)", database=database)
    settings = only("shop", make_settings, {"MYSQL_URL": servers.url_of(database)})
    file = settings.home / "cartlake.toml"
    followed = file.read_text()
    for number, text in enumerate((followed, followed + 'mode = "cursor"\ncursor = ["id"]\n', followed), start=2):
        file.write_text(text)
        changed = load(file, settings.environment)
        assert not capture(changed).errors
        servers.execute(f"INSERT INTO goods VALUES ({number})", database=database)
        assert not capture(changed).errors
        (table,) = [one.name for one in bronze.captured(Lake(changed.lake_root))]
        assert number in Lake(changed.lake_root).read(table, columns=["id"])["id"].to_pylist()
