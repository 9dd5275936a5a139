"""Faults at random, for as long as `make soak` lets them: whatever happened, bronze folds to exactly the source.

Each round lets the source change in the ways that have hurt other tools, captures under a fault, and now and then drains and
compares every row. The seed is printed and replays the faults (not their timing).
"""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pymongo
import pymysql
import pytest

from lake.capture import capture
from lake.config import Settings, load
from lake.errors import CartlakeError, TransientFailure

SECONDS = int(os.environ.get("SOAK_SECONDS", "3600"))
LIMITS = {"CARTLAKE_CAPTURE__CHUNK_ROWS": "40", "CARTLAKE_CAPTURE__BATCH_ROWS": "60", "CARTLAKE_CAPTURE__BATCH_BYTES": "20000"}
Fold = Callable[[Settings, str], list[dict[str, Any]]]


@dataclass
class Tally:
    """What was tried, and what came out."""

    faults: Counter[str] = field(default_factory=Counter)
    compared: int = 0
    rows: int = 0

    def __str__(self) -> str:
        tried = ", ".join(f"{count} {what}" for what, count in sorted(self.faults.items()))
        return f"{tried}; {self.compared} comparisons of {self.rows:,} rows in all"


class Shop:
    """A MySQL database that changes in unkind ways."""

    TABLES = ("goods", "stock", "log", "`odd name`", "parents", "children")

    def __init__(self, servers: Any, rng: random.Random) -> None:
        self._servers, self._rng, self.pid = servers, rng, servers.sandbox.mysql.pid
        self.database = servers.new_database("soak")
        self.run(
            "CREATE TABLE goods (id INT PRIMARY KEY, v INT, w VARCHAR(40))",
            "INSERT INTO goods SELECT seq, 0, REPEAT('x', seq % 40) FROM seq_1_to_200",
            "CREATE TABLE stock (a INT, b VARCHAR(10), n INT, PRIMARY KEY (a, b))",
            "INSERT INTO stock SELECT seq % 10, CONCAT('k', seq), seq FROM seq_1_to_60",
            "CREATE TABLE log (line INT)",
            "INSERT INTO log SELECT seq FROM seq_1_to_30",
            "CREATE TABLE `odd name` (`the id` BIGINT PRIMARY KEY, v DECIMAL(10,2))",
            "INSERT INTO `odd name` SELECT seq, seq / 3 FROM seq_1_to_20",
            "CREATE TABLE parents (id INT PRIMARY KEY)",
            "INSERT INTO parents SELECT seq FROM seq_1_to_20",
            "CREATE TABLE children (id INT PRIMARY KEY AUTO_INCREMENT, parent INT,"
            " FOREIGN KEY (parent) REFERENCES parents (id) ON DELETE CASCADE ON UPDATE CASCADE)",
            "INSERT INTO children (parent) SELECT seq FROM seq_1_to_20",
        )

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self._servers.execute(*statements, database=self.database)
        return found

    def change(self) -> None:
        """A few statements, alone or in transactions, of every kind."""
        for _ in range(self._rng.randrange(1, 6)):
            self._rng.choice(
                (
                    self._few,
                    self._many,
                    self._keys,
                    self._again,
                    self._both,
                    self._nothing,
                    self._rotation,
                    self._keyless,
                    self._grow,
                    self._family,
                )
            )()

    def _id(self) -> int:
        return self._rng.randrange(1, 400)

    def _few(self) -> None:
        self.run(
            f"REPLACE INTO goods (id, v, w) VALUES ({self._id()}, 1, 'é'), ({self._id()}, 2, NULL)",
            f"UPDATE goods SET v = v + 1 WHERE id BETWEEN {self._id()} AND {self._id()}",
            f"DELETE FROM goods WHERE id = {self._id()}",
        )

    def _many(self) -> None:
        """A transaction far beyond the bound of a batch, committed or taken back."""
        first = self._id()
        self.run(
            "BEGIN",
            f"REPLACE INTO goods (id, v, w) SELECT seq, seq, REPEAT('y', 30) FROM seq_{first}_to_{first + 600}",
            "UPDATE stock SET n = n + 1",
            f"DELETE FROM goods WHERE id > {first + 50}",
            self._rng.choice(("COMMIT", "ROLLBACK")),
        )

    def _keys(self) -> None:
        with suppress(pymysql.err.IntegrityError):
            self.run(f"UPDATE goods SET id = id + 1000 WHERE id = {self._id()}")
        with suppress(pymysql.err.IntegrityError):
            self.run("UPDATE stock SET b = CONCAT('n', FLOOR(RAND() * 1000)) LIMIT 3")

    def _again(self) -> None:
        one = self._id()
        self.run("BEGIN", f"DELETE FROM goods WHERE id = {one}", f"INSERT INTO goods (id, v) VALUES ({one}, 7)", "COMMIT")

    def _both(self) -> None:
        self.run("BEGIN", "UPDATE goods SET v = v + 1 LIMIT 5", "UPDATE `odd name` SET v = v + 0.01", "COMMIT")

    def _nothing(self) -> None:
        self.run("BEGIN", "UPDATE goods SET v = v WHERE id = -1", "COMMIT")

    def _rotation(self) -> None:
        self.run(
            "BEGIN", "UPDATE stock SET n = n + 1 LIMIT 9", "FLUSH BINARY LOGS", "UPDATE goods SET v = v + 1 LIMIT 9", "COMMIT"
        )

    def _keyless(self) -> None:
        self.run(
            "INSERT INTO log SELECT line FROM log LIMIT 3", "UPDATE log SET line = line + 1 LIMIT 4", "DELETE FROM log LIMIT 2"
        )

    def _family(self) -> None:
        one, other = self._rng.randrange(1, 40), self._rng.randrange(1, 40)
        self.run(f"INSERT IGNORE INTO parents VALUES ({one})", f"INSERT INTO children (parent) VALUES ({one}), (NULL)")
        if self._rng.random() < 0.5:
            self.run(f"UPDATE IGNORE parents SET id = {other} WHERE id = {one}", f"DELETE FROM parents WHERE id = {one + 1}")

    def _grow(self) -> None:
        if self._rng.random() < 0.2:
            columns = len(
                self.run("SELECT 1 FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'goods'")
            )
            if columns < 30:
                self.run(f"ALTER TABLE goods ADD COLUMN c{columns} INT")
            elif columns == 30:
                self.run("ALTER TABLE goods MODIFY v BIGINT", "ALTER TABLE goods ADD COLUMN c30 INT")
        elif self._rng.random() < 0.1:
            self.run("TRUNCATE TABLE `odd name`", "INSERT INTO `odd name` SELECT seq, seq FROM seq_1_to_25")

    def compare(self, fold: Fold, settings: Settings) -> int:
        """Every row of every table; how many there were."""
        total = 0
        for table in self.TABLES:
            bare = table.strip("`")
            names = [row[0] for row in self.run(f"SHOW COLUMNS FROM {table}")]
            source = Counter(tuple(map(str, row)) for row in self.run(f"SELECT * FROM {table}"))
            # A column that was added, and has no row yet, is not in bronze: null everywhere.
            bronze = Counter(tuple(str(row.get(name)) for name in names) for row in fold(settings, f".{bare}"))
            assert bronze == source, f"{table}: lost {source - bronze}, doubled or changed {bronze - source}"
            total += source.total()
        return total

    def cut(self) -> None:
        """Close the pipeline's connections, as a restart of the server or of a firewall does."""
        for thread, user in self.run("SELECT id, user FROM information_schema.processlist"):
            if user == "cartlake":
                with suppress(pymysql.err.MySQLError):
                    self.run(f"KILL CONNECTION {thread}")


class Documents:
    """A MongoDB database that changes too."""

    def __init__(self, servers: Any, rng: random.Random) -> None:
        self._rng, self.name, self.pid = rng, servers.new_name("soak"), servers.sandbox.mongo.pid
        self.url = servers.mongo_url_of(self.name)
        self.client: pymongo.MongoClient[Any] = pymongo.MongoClient(self.url, directConnection=True)
        self.goods = self.client[self.name].goods
        self.goods.insert_many([{"_id": number, "v": 0, "text": "x" * number} for number in range(150)])

    def change(self) -> None:
        for _ in range(self._rng.randrange(1, 6)):
            one = self._rng.randrange(0, 300)
            what = self._rng.randrange(4)
            if what == 0:
                self.goods.update_one({"_id": one}, {"$inc": {"v": 1}}, upsert=True)
            elif what == 1:
                self.goods.delete_one({"_id": one})
            elif what == 2:
                self.goods.update_many({"_id": {"$lt": one}}, {"$inc": {"v": 1}})
            else:
                self.goods.replace_one({"_id": str(one)}, {"ragged": [one, {"a b": one}]}, upsert=True)

    def compare(self, fold: Fold, settings: Settings) -> int:
        from lake.sources.mongodb.json import text

        found = Counter(row["document"] for row in fold(settings, ".goods"))
        raw = self.client.get_database(self.name, codec_options=_raw()).goods.find({})
        source = Counter(text(document.raw) for document in raw)
        assert found == source, f"documents: lost {source - found}, doubled or changed {found - source}"
        return source.total()

    def cut(self) -> None:
        """The stand-in has no way to close others' cursors."""


def _raw() -> Any:
    from bson.codec_options import CodecOptions
    from bson.raw_bson import RawBSONDocument

    return CodecOptions(document_class=RawBSONDocument)


def soak(source: Any, settings: Settings, killed: Callable[..., int], fold: Fold, rng: random.Random, seconds: float) -> Tally:
    """Change, capture under a fault, and compare now and then, until the time is over."""
    tally, end, batches = Tally(), time.monotonic() + seconds, rng.randrange(2, 6)
    while time.monotonic() < end:
        for _ in range(batches):
            changing = threading.Thread(target=source.change)
            if rng.random() < 0.5:
                source.change()
            changing.start()  # while the capture runs
            tally.faults[_fault(source, settings, killed, rng)] += 1
            changing.join()
        drain(settings, killed)
        tally.rows += source.compare(fold, settings)
        tally.compared += 1
    return tally


def _fault(source: Any, settings: Settings, killed: Callable[..., int], rng: random.Random) -> str:
    kind = rng.choice(("kill", "kill", "kill", "disk", "cut", "stall", "rival", "none"))
    if kind == "kill":
        code = killed(settings, f"*:{1 + int(rng.expovariate(0.1))}", tidy=True)
        return "kills" if code == -9 else "captures that ended before their kill"
    if kind == "disk":
        code = killed(settings, "", tidy=True, file_bytes=rng.randrange(200, 12_000), may_fail=True)
        return "writes cut short" if code else "captures that fitted on the disk"
    if kind == "cut":
        cutter = threading.Timer(rng.random() * 0.3, source.cut)
        cutter.start()
        killed(settings, "", tidy=True)
        cutter.join()
        return "connections cut"
    if kind == "stall":
        stalling = threading.Timer(rng.random() * 0.3, stalled, (source.pid, 0.2 + rng.random()))
        stalling.start()
        killed(settings, "", tidy=True)
        stalling.join()
        return "stalls of the server"
    if kind == "rival":
        rival = threading.Timer(rng.random() * 0.3, _refused, (settings,))
        rival.start()
        killed(settings, f"*:{1 + int(rng.expovariate(0.1))}", tidy=True, may_fail=True)
        rival.join()
        return "pairs of captures at once"
    killed(settings, "", tidy=True)
    return "captures without a fault"


def stalled(pid: int, seconds: float) -> None:
    """Stop a server for a while, its connections open: what a stalled disk looks like from outside."""
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        os.kill(pid, signal.SIGCONT)


def _refused(settings: Settings) -> None:
    with suppress(TransientFailure):  # the other one holds the source's lock; if it does not, this one does the work
        capture(settings)


def drain(settings: Settings, killed: Callable[..., int]) -> None:
    """Capture until there is nothing more: what changed during a snapshot is seen by the capture after it."""
    for _ in range(2):
        try:
            report = capture(settings)
        except CartlakeError as error:
            raise AssertionError(f"a capture without a fault failed: {error}") from error
        assert not report.errors


def only(settings: Settings, name: str, kind: str, url: str) -> Settings:
    file = settings.home / "cartlake.toml"
    file.write_text(f'[sources.{name}]\nkind = "{kind}"\nurl = "${{{url}}}"\n')
    return load(file, settings.environment)


def _mysql(servers: Any, make_settings: Callable[..., Settings], rng: random.Random) -> tuple[Shop, Settings]:
    shop = Shop(servers, rng)
    settings = make_settings(MYSQL_URL=servers.url_of(shop.database), CARTLAKE_CAPTURE__SHRINK="0", **LIMITS)
    return shop, only(settings, "shop", "mysql", "MYSQL_URL")


def _mongodb(servers: Any, make_settings: Callable[..., Settings], rng: random.Random) -> tuple[Documents, Settings]:
    documents = Documents(servers, rng)
    settings = make_settings(MONGO_URL=documents.url, CARTLAKE_CAPTURE__SHRINK="0", **LIMITS)
    return documents, only(settings, "catalog", "mongodb", "MONGO_URL")


@pytest.mark.parametrize("made", [_mysql, _mongodb])
@pytest.mark.parametrize("seconds", [8, pytest.param(SECONDS / 2, marks=pytest.mark.soak)])
def test_bronze_folds_to_the_source_whatever_happened(
    made: Any, seconds: float, servers: Any, make_settings: Callable[..., Settings], killed: Any, fold: Fold
) -> None:
    seed = int(os.environ.get("SOAK_SEED", random.randrange(10**6)))
    print("seed", seed)
    rng = random.Random(seed)
    source, settings = made(servers, make_settings, rng)
    tally = soak(source, settings, killed, fold, rng, seconds)
    print(f"{made.__name__.strip('_')}: {tally}; no difference")
    assert tally.compared
    assert tally.faults.total()
