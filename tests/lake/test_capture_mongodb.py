"""Capture from the MongoDB protocol (SecantusDB stands in): whatever shape the documents have, bronze holds them."""

import json
import random
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bson
import bson.json_util
import bsonjs
import pymongo
import pytest

from lake.capture import capture
from lake.config import Settings
from lake.delta import Lake
from lake.errors import PermanentFailure, TransientFailure, UsageError
from lake.sandbox import mongo, process
from lake.sources.mongodb.reader import MongoDB

DATA = Path(__file__).parents[3] / "shared" / "data"

Fold = Callable[[Settings, str], list[dict[str, Any]]]


@pytest.fixture
def catalog(servers: Any, make_settings: Callable[..., Settings]) -> Iterator[tuple[Settings, Any]]:
    """Settings of one empty database, and that database."""
    name = servers.new_name("catalog")
    settings = make_settings(MONGO_URL=servers.mongo_url_of(name), CARTLAKE_CAPTURE__CHUNK_ROWS="4")
    with pymongo.MongoClient(servers.mongo_url_of(name), directConnection=True) as client:
        yield settings, client[name]


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """`own_server("--auth")` starts a server of this test's own in one folder, instead of the one before; gives its URL."""

    def start(*options: str) -> str:
        mongo.stop(tmp_path)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(mongo, "_OPTIONS", (*mongo._OPTIONS, *options))
            patch.setattr(mongo, "_answers_as", lambda _pid, port: process.listens(port))  # it may ask for an account
            return mongo.start(tmp_path).url("shop")

    yield start
    mongo.stop(tmp_path)


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, and its key."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    options = ["-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(["openssl", "req", "-x509", *options, "-out", certificate, "-keyout", key], check=True, capture_output=True)
    return certificate, key


def canonical(document: dict[str, Any]) -> Any:
    return json.loads(bsonjs.dumps(bson.encode(document), mode=bsonjs.CANONICAL))


def source_documents(collection: Any) -> list[str]:
    return sorted(json.dumps(canonical(document)) for document in collection.find({}))


def bronze_documents(fold: Fold, settings: Settings, name: str) -> list[str]:
    rows = fold(settings, f".{name}")
    for row in rows:
        assert json.loads(row["_id"]) == json.loads(row["document"])["_id"]
    return sorted(json.dumps(json.loads(row["document"])) for row in rows)


ANY_SHAPE: list[dict[str, Any]] = [
    {"_id": 1, "n": None, "nested": {"a b": [1, 2.5, {"$odd": "x"}]}, "screen size": 6},
    {"_id": 2.5, "price": bson.Decimal128("1234567890123456789012345678.901234")},
    {"_id": "text ☃", "big": bson.Int64(2**62), "nan": float("inf"), "bytes": b"\x00\xff"},
    {"_id": bson.ObjectId("6b035ff007d6db8a701e6ca3"), "when": datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)},
    {"_id": {"a": 1, "b": "x"}, "re": bson.Regex("^a", "i"), "stamp": bson.Timestamp(5, 6)},
    {"_id": bson.Int64(2**40), "old": datetime(1, 1, 1, tzinfo=UTC), "max": bson.MaxKey(), "code": bson.Code("x")},
    {"_id": True},
    {"_id": datetime(2026, 1, 1, tzinfo=UTC), "empty": {}, "list": []},
]


def test_any_document_arrives_as_it_is_by_snapshot_and_by_stream(catalog: Any, fold: Fold) -> None:
    settings, database = catalog
    database.things.insert_many(ANY_SHAPE)
    assert capture(settings, "catalog").total == len(ANY_SHAPE)
    database.stream.insert_one({"_id": 0})
    capture(settings, "catalog")
    database.stream.insert_many(ANY_SHAPE)
    capture(settings, "catalog")
    database.stream.delete_one({"_id": 0})
    capture(settings, "catalog")
    assert bronze_documents(fold, settings, "things") == source_documents(database.things)
    things, stream = fold(settings, ".things"), fold(settings, ".stream")
    assert things == stream, "both paths give the same text"


def test_random_changes_fold_to_the_source(catalog: Any, fold: Fold, commits: Any) -> None:
    settings, database = catalog
    seed = random.randrange(10**6)
    print("seed", seed)
    rng = random.Random(seed)
    ids: list[Any] = [*range(8), "a", "b", 2.5, bson.ObjectId()]
    database.goods.insert_one({"_id": 0})
    for _ in range(5):
        for _ in range(rng.randrange(1, 15)):
            key = rng.choice(ids)
            match rng.randrange(4):
                case 0:
                    database.goods.replace_one({"_id": key}, {"v": rng.randrange(9)}, upsert=True)
                case 1:
                    database.goods.update_one({"_id": key}, {"$set": {"w": rng.random()}})
                case 2:
                    database.goods.delete_one({"_id": key})
                case 3:
                    database.goods.update_many({}, {"$inc": {"v": 1}})
        capture(settings, "catalog")
        assert bronze_documents(fold, settings, "goods") == source_documents(database.goods)
    before = commits(settings)
    assert capture(settings, "catalog").total == 0
    assert commits(settings) == before


def test_what_changes_during_the_snapshot_is_seen(catalog: Any, fold: Fold) -> None:
    settings, database = catalog
    database.goods.insert_many([{"_id": i, "v": 0} for i in range(20)])

    def meanwhile(_table: str, done: int, _expected: int) -> None:
        database.goods.update_one({"_id": done % 20}, {"$inc": {"v": 1}})
        database.goods.delete_one({"_id": 19 - done // 4})
        database.goods.insert_one({"v": done})

    capture(settings, "catalog", on_progress=meanwhile)
    capture(settings, "catalog")
    assert bronze_documents(fold, settings, "goods") == source_documents(database.goods)


def test_collections_come_and_go(catalog: Any, fold: Fold) -> None:
    settings, database = catalog
    assert capture(settings, "catalog").tables == ()
    database.a.insert_one({"_id": 1})
    capture(settings, "catalog")
    database.b.insert_one({"_id": 1})
    database.a.drop()
    capture(settings, "catalog")
    assert len(fold(settings, ".a")) == 1, "a dropped collection keeps its last documents"
    assert len(fold(settings, ".b")) == 1
    database.a.insert_many([{"_id": 2}, {"_id": 3}])
    capture(settings, "catalog")
    assert bronze_documents(fold, settings, "a") == source_documents(database.a)
    database.b.rename("c")
    database.c.insert_one({"_id": 2})
    capture(settings, "catalog")
    assert bronze_documents(fold, settings, "c") == source_documents(database.c)


def test_a_url_without_a_database_means_all_of_them(servers: Any, make_settings: Callable[..., Settings], fold: Fold) -> None:
    name, other = servers.new_name("all"), servers.new_name("all")
    url = servers.mongo_url_of(name)
    chosen = {"CARTLAKE_SOURCES__CATALOG__TABLES": f"{name}.*,{other}.*"}
    settings = make_settings(MONGO_URL=url.replace(f"/{name}", "/"), **chosen)
    with pymongo.MongoClient(url, directConnection=True) as client:
        client[name].goods.insert_one({"_id": 1})
        client[other].things.insert_one({"_id": 1})
        assert capture(settings, "catalog").total == 2
        client[name].goods.insert_one({"_id": 2, "v": {"a": 1}})
        client[other].things.update_one({"_id": 1}, {"$set": {"v": [1]}})
        assert capture(settings, "catalog").total == 2
        assert bronze_documents(fold, settings, "goods") == source_documents(client[name].goods)
        assert bronze_documents(fold, settings, "things") == source_documents(client[other].things)


def test_documents_as_large_as_they_can_be(catalog: Any, fold: Fold) -> None:
    settings, database = catalog
    largest = 16 * 2**20 - 40
    database.goods.insert_many([{"_id": 1, "v": "a" * largest}, {"_id": "two"}])
    assert capture(settings, "catalog").total == 2
    database.goods.update_one({"_id": "two"}, {"$set": {"v": 1}})
    for key in (3, {"n": 4}, 5):
        # Three together are more than one message of the server may hold.
        database.goods.insert_one({"_id": key, "v": "b" * (largest - 40)})
    database.goods.replace_one({"_id": 1}, {"v": "c" * largest})
    database.goods.delete_one({"_id": 5})
    database.goods.insert_one({"_id": "last"})
    capture(settings, "catalog")
    assert bronze_documents(fold, settings, "goods") == source_documents(database.goods)
    before = Lake(settings.lake_root).count("bronze.catalog." + database.name + ".goods")
    capture(settings, "catalog")
    assert Lake(settings.lake_root).count("bronze.catalog." + database.name + ".goods") == before


def test_an_event_that_the_server_refuses_as_too_large_is_read_without_its_document(
    own_server: Any, make_settings: Callable[..., Settings], fold: Fold
) -> None:
    url = own_server("--enable-test-commands")
    settings = make_settings(MONGO_URL=url)
    with pymongo.MongoClient(url) as client:
        goods = client.shop.goods
        goods.insert_one({"_id": 1})
        capture(settings, "catalog")
        goods.update_one({"_id": 1}, {"$set": {"v": 1}})
        goods.insert_many([{"_id": 2}, {"_id": 3}])
        goods.delete_one({"_id": 2})
        refusal = {"failCommands": ["aggregate"], "errorCode": 10334}
        client.admin.command("configureFailPoint", "failCommand", mode={"times": 1}, data=refusal)
        assert capture(settings, "catalog").errors == {}
        assert bronze_documents(fold, settings, "goods") == source_documents(goods)


def test_an_account_and_tls_by_url(own_server: Any, make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    url = own_server()
    with pymongo.MongoClient(url) as client:
        client.shop.goods.insert_one({"_id": 1})
        client.admin.command("createUser", "reader", pwd="s3cret", roles=["readAnyDatabase"])
    certificate, key = self_signed(tmp_path)
    url = own_server("--auth", f"--tls-cert-file={certificate}", f"--tls-key-file={key}")
    account = url.replace("://", "://reader:{}@") + f"&authSource=admin&tls=true&tlsCAFile={certificate}"
    assert capture(make_settings(MONGO_URL=account.format("s3cret")), "catalog").total == 1
    with pytest.raises(PermanentFailure, match="wrong user or password for reader") as told:
        capture(make_settings(MONGO_URL=account.format("wr0ng")), "catalog")
    assert "wr0ng" not in str(told.value)
    with pytest.raises(TransientFailure, match="cannot reach the server"):
        capture(make_settings(MONGO_URL=url, CARTLAKE_CAPTURE__RETRIES="0"), "catalog")


def test_a_standalone_server_is_refused_with_the_way_out(own_server: Any, make_settings: Callable[..., Settings]) -> None:
    url = own_server("--standalone")
    with pymongo.MongoClient(url) as client:
        client.shop.goods.insert_one({"_id": 1})
    with pytest.raises(PermanentFailure, match=r"--replSet and run rs.initiate"):
        capture(make_settings(MONGO_URL=url), "catalog")


def test_history_that_the_server_has_dropped_is_never_skipped(
    own_server: Any, make_settings: Callable[..., Settings], fold: Fold
) -> None:
    url = own_server()
    settings = make_settings(MONGO_URL=url)
    with pymongo.MongoClient(url) as client:
        goods = client.shop.goods
        goods.insert_many([{"_id": 1}, {"_id": 2}])
        capture(settings, "catalog")
        goods.delete_one({"_id": 1})
        goods.insert_many([{"_id": 100 + n} for n in range(50)])
    url = own_server("--oplog-max-entries=5")  # the last of the same option holds
    with pymongo.MongoClient(url) as client:
        goods = client.shop.goods
        for n in range(1200):  # it prunes now and then
            goods.insert_one({"_id": 1000 + n})
        with pytest.raises(PermanentFailure, match=r"no longer has what came after .*--resnapshot"):
            capture(make_settings(settings.home, MONGO_URL=url), "catalog")
        again = make_settings(settings.home, MONGO_URL=url)
        capture(again, "catalog", resnapshot=["shop.*"])
        assert bronze_documents(fold, again, "goods") == source_documents(goods)


def test_an_idle_collection_s_position_moves_on(catalog: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a quiet source would one day stand before what the server still has."""
    from lake import capture_run, positions

    settings, database = catalog
    database.a.insert_one({"_id": 1})
    capture(settings, "catalog")
    monkeypatch.setattr(capture_run, "_IDLE", capture_run._IDLE * 0)
    before = positions.facts(Lake(settings.lake_root))[-1].position
    with pymongo.MongoClient(database.client.address[0], database.client.address[1], directConnection=True) as client:
        client["elsewhere_" + database.name].b.insert_one({"_id": 1})
    assert capture(settings, "catalog").total == 0
    after = positions.facts(Lake(settings.lake_root))[-1].position
    assert after["time"] >= before["time"]  # only mongod's own tokens tell their time
    assert after["token"] != before["token"]


def test_a_database_that_is_dropped_keeps_its_last_documents_and_comes_back_anew(catalog: Any, fold: Fold) -> None:
    settings, database = catalog
    database.a.insert_many([{"_id": 1}, {"_id": 2}])
    database.b.insert_one({"_id": 1})
    capture(settings, "catalog")
    database.client.drop_database(database.name)
    capture(settings, "catalog")
    assert [len(fold(settings, f".{name}")) for name in "ab"] == [2, 1]
    database.a.insert_one({"_id": 3})
    capture(settings, "catalog")
    database.a.insert_one({"_id": 4})
    capture(settings, "catalog")
    assert bronze_documents(fold, settings, "a") == source_documents(database.a)
    assert len(fold(settings, ".b")) == 1


def test_a_stream_that_was_invalidated_is_followed_behind_that_event(catalog: Any, fold: Fold) -> None:
    settings, database = catalog
    database.a.insert_many([{"_id": 1}, {"_id": 2}])
    capture(settings, "catalog")
    database.client.drop_database(database.name)
    database.a.insert_many([{"_id": 2, "v": 1}, {"_id": 3}])
    database.new.insert_one({"_id": 1})
    for _ in range(2):  # the second sees what the snapshots of the first began with
        assert not capture(settings, "catalog").errors
    database.a.update_one({"_id": 3}, {"$set": {"v": 2}})
    database.new.insert_one({"_id": 2})
    report = capture(settings, "catalog")
    assert {table.table.rpartition(".")[2]: dict(table.rows) for table in report.tables} == {"a": {"u": 1}, "new": {"c": 1}}
    for name in ("a", "new"):
        assert bronze_documents(fold, settings, name) == source_documents(database[name])


def test_a_collection_that_is_created_and_changed_during_one_capture_is_there_after_the_next(
    catalog: Any, fold: Fold, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, database = catalog
    database.a.insert_one({"_id": 1})
    listed = MongoDB.tables

    def and_then(reader: MongoDB) -> Any:
        tables = listed(reader)
        if "late" not in database.list_collection_names():
            database.late.insert_many([{"_id": 1}, {"_id": 2}])
            database.late.update_one({"_id": 2}, {"$set": {"v": 1}})
        return tables

    monkeypatch.setattr(MongoDB, "tables", and_then)
    capture(settings, "catalog")
    database.late.delete_one({"_id": 1})
    for _ in range(2):
        assert not capture(settings, "catalog").errors
    assert bronze_documents(fold, settings, "late") == source_documents(database.late)
    assert len(fold(settings, ".late")) == 1


@pytest.mark.skipif(not DATA.exists(), reason=f"the public data is not at {DATA}")
def test_other_people_s_documents_come_back_as_they_are(catalog: Any, make_settings: Callable[..., Settings], fold: Fold) -> None:
    database = catalog[1]
    settings = make_settings(MONGO_URL=catalog[0].environment["MONGO_URL"])  # not in chunks of four
    documents = [bson.json_util.loads(line) for line in (DATA / "capstone" / "catalog.json").read_text().splitlines()]
    categories = json.loads((DATA / "bestbuy" / "categories.json").read_text())
    assert (len(documents), len(categories)) == (438, 4584)
    database.electronics.insert_many(documents[:200])
    database.categories.insert_many(categories)
    capture(settings, "catalog")
    database.electronics.insert_many(documents[200:])
    capture(settings, "catalog")
    for name, given in (("electronics", documents), ("categories", categories)):
        back = [bson.json_util.loads(row["document"]) for row in fold(settings, f".{name}")]
        stored = [{"_id": document["_id"], **document} for document in given]  # the server puts the key first
        assert sorted(map(repr, back)) == sorted(map(repr, stored)), name


def test_a_batch_is_bounded_in_bytes(servers: Any, make_settings: Callable[..., Settings], fold: Fold) -> None:
    name = servers.new_name("large")
    settings = make_settings(MONGO_URL=servers.mongo_url_of(name), CARTLAKE_CAPTURE__BATCH_BYTES="20kB")
    with pymongo.MongoClient(servers.mongo_url_of(name), directConnection=True) as client:
        client[name].goods.insert_many([{"_id": i, "text": "x" * 9000} for i in range(9)])
        capture(settings, "catalog")
        lake = Lake(settings.lake_root)
        (table,) = lake.names("bronze")
        assert lake.version(table) == 3, "nine documents of 9 kB in three commits"
        client[name].goods.update_many({}, {"$set": {"v": 1}})
        capture(settings, "catalog")
        assert lake.version(table) == 6
        assert bronze_documents(fold, settings, "goods") == source_documents(client[name].goods)


def test_errors_name_the_thing_and_the_way_out(catalog: Any, make_settings: Callable[..., Settings]) -> None:
    with pytest.raises(TransientFailure, match="cannot reach the server"):
        capture(make_settings(MONGO_URL="mongodb://127.0.0.1:9/x", CARTLAKE_CAPTURE__RETRIES="0"), "catalog")
    with pytest.raises(UsageError, match="expected a URL such as"):
        capture(make_settings(MONGO_URL="mongodb://u:secret@@127.0.0.1:9/x"), "catalog")


def test_a_resume_token_that_the_server_does_not_know_is_said(catalog: Any) -> None:
    settings, database = catalog
    database.a.insert_one({"_id": 1})
    capture(settings, "catalog")
    from lake import positions

    lake = Lake(settings.lake_root)
    known = positions.facts(lake)[-1]
    foreign = {"token": '{"_data": "8263"}', "time": [2**32 - 1, 0], "order": 0}
    positions.record(lake, "catalog", "reached", known.tables, foreign, number=known.number + 1)
    with pytest.raises(PermanentFailure, match="--resnapshot"):
        capture(settings, "catalog")
    assert capture(settings, "catalog", resnapshot=["*"]).total == 1
