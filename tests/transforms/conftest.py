"""A bronze of plain Python rows for each test, and both engines, each started once."""

import importlib.util
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pyarrow as pa
import pytest
from pyspark.sql.connect.proto import base_pb2 as proto

from lake import bronze, positions
from lake.bronze import Captured
from lake.config import Settings
from lake.delta import Lake, join
from transforms.build import BuildReport, build
from transforms.engine import Engine

UTC_US = pa.timestamp("us", tz="UTC")
MONEY = pa.decimal128(10, 2)
# The simulated shop's tables, with the types that capture gives them.
SCHEMAS: dict[str, tuple[str, str, tuple[str, ...], dict[str, pa.DataType]]] = {
    "sales_data": (
        "shop",
        "softcart",
        ("rowid",),
        {
            "rowid": pa.int64(),
            "product_id": pa.int32(),
            "customer_id": pa.int32(),
            "price": MONEY,
            "quantity": pa.int32(),
            "timestamp": UTC_US,
            "order_id": pa.int64(),
        },
    ),
    "orders": (
        "shop",
        "softcart",
        ("order_id",),
        {
            "order_id": pa.int64(),
            "customer_id": pa.int32(),
            "channel": pa.string(),
            "discount": MONEY,
            "status": pa.string(),
            "created_at": UTC_US,
            "updated_at": UTC_US,
        },
    ),
    "customers": (
        "shop",
        "softcart",
        ("customer_id",),
        {
            "customer_id": pa.int32(),
            "name": pa.string(),
            "email": pa.string(),
            "city": pa.string(),
            "country": pa.string(),
            "birth_date": pa.date32(),
            "marketing_consent": pa.int8(),
            "created_at": UTC_US,
            "updated_at": UTC_US,
        },
    ),
    "returns": (
        "shop",
        "softcart",
        ("return_id",),
        {
            "return_id": pa.int64(),
            "rowid": pa.int64(),
            "quantity": pa.int32(),
            "reason": pa.string(),
            "returned_at": UTC_US,
            "refund": MONEY,
        },
    ),
    "products": ("catalog", "catalog", ("_id",), {"_id": pa.string(), "document": pa.string()}),
    # No declared table reads it.
    "mailings": ("shop", "softcart", ("mailing_id",), {"mailing_id": pa.int64(), "text": pa.string()}),
    # A file has no key: its lines are only ever added.
    "access": (
        "weblog",
        "files",
        (),
        {
            "_file": pa.string(),
            "_line": pa.int64(),
            **dict.fromkeys(("host", "ident", "user"), pa.string()),
            "at": UTC_US,
            **dict.fromkeys(("method", "path", "protocol"), pa.string()),
            "status": pa.int32(),
            "bytes": pa.int64(),
            **dict.fromkeys(("referer", "agent"), pa.string()),
        },
    ),
}
_FIRST_CHANGE = 1 << 32


@dataclass
class Shop:
    """A lake whose bronze the test writes, as capture would."""

    settings: Settings
    engine: Engine | None = None
    epochs: dict[str, int] = field(default_factory=dict)
    changes: int = 0
    clock: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    @property
    def lake(self) -> Lake:
        return Lake(self.settings.lake_root)

    def captured(self, table: str) -> Captured:
        source, database, key, _ = SCHEMAS[table]
        return Captured(
            join("bronze", source, database, table), source, database, table, key, "cdc", f"silver.{source}__{database}__{table}"
        )

    def snapshot(
        self,
        table: str,
        rows: Sequence[Mapping[str, Any]],
        *,
        complete: bool = True,
        goes_on: bool = False,
        lacking: Sequence[str] = (),
    ) -> None:
        """A snapshot of a table, which begins a new generation, or the rest of one that is not complete."""
        epoch = self.epochs[table] = self.epochs.get(table, 0) + (0 if goes_on else 1)
        base = epoch - 1
        position = {"generation": epoch, "complete": complete, "base": base, "at": {}}
        bronze.register(self.lake, [self.captured(table)])
        version = self._write(
            table, [{**row, "_op": "r", "_order": 0, "_source_ts": None} for row in rows], epoch, position, lacking
        )
        if complete and not rows:
            number = len(positions.facts(self.lake)) + 1
            name = self.captured(table).name
            positions.record(self.lake, "shop", "ended", {name: epoch}, position, number=number, versions={name: version})

    def change(self, table: str, *changes: tuple[str, Mapping[str, Any]]) -> None:
        """Changes that the source made one after the other, captured in one batch: ("c" | "u" | "d", row)."""
        rows = []
        for op, row in changes:
            self.changes += 1
            self.clock += timedelta(minutes=1)
            rows.append({**row, "_op": op, "_order": _FIRST_CHANGE + self.changes, "_source_ts": self.clock})
        epoch = self.epochs[table]
        self._write(table, rows, epoch, {"generation": epoch, "complete": True, "base": epoch, "at": {"n": self.changes}})

    def lines(self, *rows: Mapping[str, Any]) -> None:
        """Lines of the web log, captured in one batch."""
        self.epochs.setdefault("access", 1)
        bronze.register(self.lake, [replace(self.captured("access"), mode="files")])
        self.change("access", *(("c", row) for row in rows))

    def build(self, **options: Any) -> BuildReport:
        return build(self.settings, engine=self.engine, **options)

    def rows(self, table: str, *columns: str) -> list[dict[str, Any]]:
        """The rows of a table, in the order of their text."""
        return sorted(self.lake.read(table, columns=list(columns) or None).to_pylist(), key=repr)

    def versions(self) -> dict[str, int]:
        """The version of every table that the build writes."""
        names = [name for layer in ("silver", "gold", "quarantine", "meta", "ref") for name in self.lake.names(layer)]
        return {name: self.lake.version(name) for name in names}

    def _write(
        self, table: str, rows: list[dict[str, Any]], epoch: int, position: dict[str, Any], lacking: Sequence[str] = ()
    ) -> int:
        kinds = {name: kind for name, kind in SCHEMAS[table][3].items() if name not in lacking}
        schema = pa.schema([*kinds.items(), ("_op", pa.string()), ("_order", pa.int64()), ("_source_ts", UTC_US)])
        return bronze.write(self.lake, self.captured(table).name, pa.Table.from_pylist(rows, schema=schema), epoch, position)


def _launch(kind: str, make_settings: Callable[..., Settings]) -> Engine:
    from transforms.engine import start

    settings = make_settings(CARTLAKE_ENGINE__KIND=kind, CARTLAKE_ENGINE__MEMORY="1GiB", CARTLAKE_ENGINE__CORES="2")
    if kind == "spark" and not any(settings.spark_jars.glob("*delta-spark*.jar")):
        pytest.skip(f"no Delta jars for Apache Spark in {settings.spark_jars}; make setup fetches them")
    return start(settings)


@pytest.fixture(scope="session")
def sail(make_settings: Callable[..., Settings]) -> Iterator[Engine]:
    """The engine in this process."""
    engine = _launch("sail", make_settings)
    yield engine
    engine.stop()


# Compiling each query costs more than running it on a few rows: 288 s became 74 s for a small shop on a laden machine.
_SMALL = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.adaptive.enabled": "false",
}


@pytest.fixture(scope="session")
def spark(make_settings: Callable[..., Settings]) -> Iterator[Engine]:
    """Apache Spark, in a process of its own, set for small tables."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")
        engine = _launch("spark", make_settings)
    for name, value in _SMALL.items():
        engine.spark.conf.set(name, value)
    yield engine
    engine.stop()


@pytest.fixture(scope="session", params=["sail", "spark"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Both engines, one after the other: what a transform gives must not depend on which it is."""
    found: Engine = request.getfixturevalue(request.param)
    return found


# These start engines of their own, or none.
_OF_ONE_ENGINE = {"test_kill", "test_commands", "test_engines"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A scenario (a test with `shop` or `new_shop`) runs on Sail here, and again on Apache Spark in `make soak`."""
    if "builder" in metafunc.fixturenames and metafunc.module.__name__.rpartition(".")[2] not in _OF_ONE_ENGINE:
        both = ["sail", pytest.param("spark", marks=pytest.mark.soak)]
        metafunc.parametrize("builder", both, indirect=True)


@pytest.fixture
def builder(request: pytest.FixtureRequest) -> Engine:
    """The engine on which a scenario builds."""
    found: Engine = request.getfixturevalue(getattr(request, "param", "sail"))
    return found


@pytest.fixture
def shop(make_settings: Callable[..., Settings], builder: Engine) -> Shop:
    """An empty lake, and an engine."""
    return Shop(make_settings(), builder)


@pytest.fixture
def elsewhere(make_settings: Callable[..., Settings]) -> Callable[[Shop], Shop]:
    """A second lake with the same bronze and nothing else, to build from scratch."""
    import shutil

    def copy(shop: Shop) -> Shop:
        other = replace(shop, settings=make_settings())
        for layer in ("bronze", "meta/tables", "meta/positions", "ref"):
            if (Path(shop.settings.lake_root) / layer).exists():
                shutil.copytree(Path(shop.settings.lake_root) / layer, Path(other.settings.lake_root) / layer)
        return other

    return copy


@pytest.fixture(scope="session")
def rows() -> Any:
    """Makers of rows: tests/transforms/shop_rows.py."""
    spec = importlib.util.spec_from_file_location("shop_rows", Path(__file__).with_name("shop_rows.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def new_shop(make_settings: Callable[..., Settings], builder: Engine) -> Callable[[], Shop]:
    """Makes empty lakes, as many as a test wants."""
    return lambda: Shop(make_settings(), builder)


@pytest.fixture(scope="session")
def new_shop_of() -> type[Shop]:
    """The class, for fixtures that outlive one test."""
    return Shop


@dataclass(frozen=True)
class Nursery:
    """Builds that may be killed, each in a process of its own, on the engine of this one: tests/transforms/nursery.py."""

    process: "subprocess.Popen[str]"

    def build(self, shop: Shop, crash: str = "", *, ledger: str = "", select: Sequence[str] = (), large: bool = False) -> int:
        """Exit code, -9 of a build that died at a crash point; with `large` small tables go the large ones' way."""
        assert shop.engine is not None
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        config, client = str(shop.settings.home / "cartlake.toml"), shop.engine.spark.client
        # A build that dies leaves its session in the engine, with all that it holds.
        session = str(uuid.uuid4())
        engine = f"{client._builder.endpoint}/;session_id={session}"
        task = {"config": config, "engine": engine, "crash": crash, "ledger": ledger, "select": select, "large": large}
        print(json.dumps(task), file=self.process.stdin, flush=True)
        ended = int(self.process.stdout.readline())
        release = proto.ReleaseSessionRequest(session_id=session, user_context=proto.UserContext(user_id=client._user_id))
        try:
            client._stub.ReleaseSession(release)
        except grpc.RpcError as error:  # it died before it asked the engine anything
            if "session not found" not in str(error):
                raise
        return ended


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Makes builds that may be killed."""
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("nursery.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "SPARK_CONNECT_MODE_ENABLED": "1"},
    )
    yield Nursery(process)
    assert process.stdin is not None
    process.stdin.close()
    process.wait(60)
