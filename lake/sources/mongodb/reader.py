"""MongoDB as a source: each collection is `_id` and `document`, both canonical extended JSON, lossless whatever their shape.

Not captured: views, time series and the system's collections. A position is `{token, time, order}`: the resume token, the
cluster time [seconds, increment] that it stands for, and the highest `_order` given so far. Batches end only where the cluster
time changes, so a transaction stays whole and a table skips what it has by its time.
"""

import logging
import time
from collections.abc import Iterator, Mapping
from typing import Any

import bsonjs
import pyarrow as pa
from bson import decode, encode
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from pymongo import MongoClient
from pymongo.uri_parser import parse_uri

from lake.errors import PermanentFailure, UsageError
from lake.sources.base import OP, ORDER, SOURCE_TS, TIMESTAMP, Batch, Change, Failed, Mark, Position, Reset, Table, TableId
from lake.sources.mongodb.errors import translated
from lake.sources.mongodb.events import Events
from lake.sources.mongodb.json import id_text, split_batch, text
from lake.sources.strings import strings

logger = logging.getLogger(__name__)

SCHEMA = pa.schema([("_id", pa.string()), ("document", pa.string())])
_SYSTEM = ("admin", "local", "config")
_OPS = {"insert": "c", "update": "u", "replace": "u", "delete": "d"}
_CONNECT_MS = 5_000
_STUCK_SECONDS = 60.0
_FETCH = 5_000  # documents per network batch; the server also stops at 16 MB


class MongoDB:
    """One deployment, or the one database that the URL names. `limits`: documents of a chunk, documents and bytes of a batch."""

    def __init__(self, source: str, url: str, limits: tuple[int, int, int]) -> None:
        self._source, (self._chunk_rows, self._batch_rows, self._batch_bytes) = source, limits
        try:
            parsed = parse_uri(url)
        except Exception as error:  # InvalidURI quotes the URL, which holds the password
            raise UsageError(
                f"source {source}: expected a URL such as mongodb://user:password@host:27017/database ({type(error).__name__})"
            ) from None
        host, port = parsed["nodelist"][0]
        self._where = f"source {source} ({host}:{port})"
        self._database: str | None = parsed["database"]
        self._user = parsed["username"] or "the account"
        with self._translated():
            self._client: MongoClient[Any] = MongoClient(
                url, document_class=RawBSONDocument, serverSelectionTimeoutMS=_CONNECT_MS, appname="cartlake"
            )
            self._client.admin.command("ping")

    def close(self) -> None:
        self._client.close()

    def tables(self) -> list[Table]:
        found = []
        with self._translated():
            names = [self._database] if self._database else [n for n in self._client.list_database_names() if n not in _SYSTEM]
            for database in names:
                for entry in self._client[database].list_collections(filter={"type": "collection"}):
                    if not entry["name"].startswith("system."):
                        count = self._client[database][entry["name"]].estimated_document_count()
                        found.append(Table((database, entry["name"]), SCHEMA, ("_id",), count))
        return sorted(found, key=lambda table: table.id)

    def position(self) -> Position:
        with self._translated("change stream"):
            now = self._now()
            with self._watch(None) as stream:
                event = stream.try_next()
                # An event that is already here came before the snapshot, which will see what it did.
                at = event["clusterTime"] if event else now
                return {"token": stream.token, "time": [at.time, at.inc], "order": 0}

    def probe(self, position: Position) -> None:
        """Opening the stream for `position` was the probe."""

    def snapshot(self, table: Table, after: Position | None) -> Iterator[Batch]:
        collection = self._client[table.id[0]][table.id[1]]
        number, done = (int(after["chunk"]), after["after"]) if after else (0, None)
        documents: list[bytes] = []
        held, pending = 0, None
        with self._translated(table.name):
            cursor = collection.find_raw_batches({}, batch_size=_FETCH).sort("_id", 1).hint([("_id", 1)])
            if done is not None:
                # `min` compares in the order of the index, across types; `$gt` would stay within the type of its operand.
                cursor = cursor.min([("_id", decode(bsonjs.loads(done))["_id"])])
            for raw in cursor:
                for document in split_batch(raw):
                    if done is not None:
                        seen, done = _key(document) == done, None
                        if seen:
                            continue
                    documents.append(document)
                    held += len(document)
                    if len(documents) >= self._chunk_rows or held >= self._batch_bytes:
                        if pending:
                            yield pending
                        number += 1
                        pending, documents, held = _chunk(table.id, documents, number), [], 0
            if pending and documents:
                yield pending
                pending = None
        yield Batch(pending.table, pending.rows, pending.end, True) if pending else _chunk(table.id, documents, number + 1, True)

    def fingerprint(self, table: Table) -> str:
        raise PermanentFailure(f"{table.name}: every collection has a key")

    def changes(self, since: Mapping[TableId, Position]) -> Iterator[Change]:
        if not since:
            return
        start = min(since.values(), key=_time)
        with self._translated("change stream"):
            now = self._now()
            goal = (now.time, now.inc)
            with self._watch(start["token"]) as stream:
                yield from _Fold(since, (self._batch_rows, self._batch_bytes)).read(stream, start, goal)

    def later(self, one: Position, other: Position) -> Position:
        return max(one, other, key=_time)

    def _watch(self, token: str | None) -> Events:
        return Events(self._client, self._database, token)

    def _now(self) -> Timestamp:
        """Time of the newest operation. PermanentFailure on a standalone server, which has none and no change streams."""
        reply = self._client[self._database or "admin"].command("ping")
        if "operationTime" not in reply:
            raise PermanentFailure(
                f"{self._where}: a standalone server has no change streams; start mongod with --replSet and run rs.initiate()"
            )
        stamp: Timestamp = reply["operationTime"]
        return stamp

    def _translated(self, doing: str = "") -> Any:
        return translated(self._where, self._user, doing)


class _Fold:
    """Events -> batches, for all collections at once."""

    def __init__(self, since: Mapping[TableId, Position], limits: tuple[int, int]) -> None:
        self._times = {table: _time(position) for table, position in since.items()}
        self._orders = {table: int(position["order"]) for table, position in since.items()}
        self._rows, self._bytes = limits
        self._waiting: dict[TableId, list[tuple[str, str, str | None, int, int]]] = {}  # (op, _id, document, order, micros)
        self._held = [0, 0]
        self._notices: list[Change] = []

    def read(self, stream: Events, start: Position, goal: tuple[int, int]) -> Iterator[Change]:
        end, last, heard = dict(start), None, time.monotonic()
        while True:
            event = stream.try_next()
            if event is None:
                reached = _token_time(stream.token)
                # An empty answer may mean that the server is still looking through other databases' operations.
                if reached is None or reached >= goal or time.monotonic() - heard > _STUCK_SECONDS:
                    break
                continue
            heard = time.monotonic()
            stamp = (event["clusterTime"].time, event["clusterTime"].inc)
            if last is not None and stamp != last and self._full():
                yield from self._flush(end)
            if stamp > goal and stamp != last:
                break
            self._take(event, stamp)
            last = stamp
            end = {"token": stream.token, "time": list(stamp), "order": max(self._orders.values(), default=0)}
        if event is None:
            # An idle source's token moves on too, or it would fall out of the server's history.
            end["token"] = stream.token
            end["time"] = list(max(_time(end), _token_time(end["token"]) or (0, 0)))
        yield from self._flush(end)

    def _full(self) -> bool:
        return self._held[0] >= self._rows or self._held[1] >= self._bytes or bool(self._notices)

    def _take(self, event: Any, stamp: tuple[int, int]) -> None:
        kind, ns = event["operationType"], event.get("ns") or {}
        if kind not in _OPS:
            renamed = event.get("to") or {}
            for table in list(self._times):
                whole = kind == "dropDatabase" and table[0] == ns.get("db")
                one = kind in ("drop", "rename") and table in ((ns["db"], ns["coll"]), (renamed.get("db"), renamed.get("coll")))
                if (whole or one) and stamp > self._times[table]:
                    self._drop(table, Reset(table, kind))
            return
        table = ns["db"], ns["coll"]
        if table not in self._times or stamp <= self._times[table]:
            return
        op, body = _OPS[kind], event.get("fullDocument")
        if op != "d" and body is None:
            return  # deleted since; that event comes too
        order = self._orders[table] = max(self._orders[table] + 1, stamp[0] << 20 | stamp[1])
        wall = event.get("wallTime")
        micros = int(wall.timestamp() * 1000) * 1000 if wall else stamp[0] * 1_000_000
        try:
            document = text(body.raw) if body is not None else None
            row = (op, id_text(event["documentKey"].raw), document, order, micros)
        except ValueError as error:
            self._drop(table, Failed(table, f"a document is not valid BSON: {error}"))
            return
        self._waiting.setdefault(table, []).append(row)
        self._held[0] += 1
        self._held[1] += len(document or "")

    def _drop(self, table: TableId, notice: Change) -> None:
        self._notices.append(notice)
        self._waiting.pop(table, None)
        del self._times[table]

    def _flush(self, end: Position) -> Iterator[Change]:
        yield from self._notices
        for table, found in self._waiting.items():
            ops, ids, documents, orders, micros = zip(*found, strict=True)
            yield Batch(table, _table(ids, documents, ops, orders, micros), dict(end))
        self._notices, self._waiting, self._held = [], {}, [0, 0]
        yield Mark(dict(end))


def _chunk(table: TableId, documents: list[bytes], number: int, last: bool = False) -> Batch:
    texts = [text(document) for document in documents]
    ids = [id_text(document, known) for document, known in zip(documents, texts, strict=True)]
    count = len(documents)
    end = {"chunk": number, "after": _key(documents[-1]) if documents else None}
    return Batch(table, _table(ids, texts, ["r"] * count, [number] * count, [None] * count), end, last)


def _key(document: bytes) -> str:
    return text(encode({"_id": RawBSONDocument(document)["_id"]}))


def _table(ids: Any, documents: Any, ops: Any, orders: Any, micros: Any) -> pa.Table:
    return pa.table(
        {
            "_id": strings(ids),
            "document": pa.array(documents, pa.string()) if None in documents else strings(documents),
            OP: pa.array(ops, pa.string()),
            ORDER: pa.array(orders, pa.int64()),
            SOURCE_TS: pa.array(micros, pa.int64()).cast(TIMESTAMP),
        }
    )


def _time(position: Position) -> tuple[int, int]:
    return int(position["time"][0]), int(position["time"][1])


def _token_time(token: str) -> tuple[int, int] | None:
    """The cluster time within a token of mongod (a key string: 82, seconds, increment); None for one of another make."""
    data = decode(bsonjs.loads(token)).get("_data")
    if not isinstance(data, str) or not data.startswith("82"):
        return None
    return int(data[2:10], 16), int(data[10:18], 16)
