"""Capture from the MongoDB protocol (SecantusDB stands in): whatever shape the documents have, bronze holds them."""

import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import bson
import bsonjs
import pymongo
import pytest

from lake.capture import capture
from lake.config import Settings
from lake.delta import Lake
from lake.errors import PermanentFailure, TransientFailure, UsageError

Fold = Callable[[Settings, str], list[dict[str, Any]]]


@pytest.fixture
def catalog(servers: Any, make_settings: Callable[..., Settings]) -> Iterator[tuple[Settings, Any]]:
    """Settings of one empty database, and that database."""
    name = servers.new_name("catalog")
    settings = make_settings(MONGO_URL=servers.mongo_url_of(name), CARTLAKE_CAPTURE__CHUNK_ROWS="4")
    with pymongo.MongoClient(servers.mongo_url_of(name), directConnection=True) as client:
        yield settings, client[name]


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
        capture(make_settings(MONGO_URL="mongodb://127.0.0.1:9/x"), "catalog")
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
