"""The same bronze gives the same silver and gold on both engines, types included, when built and when brought up to date."""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import functions as f

from lake.errors import PermanentFailure, TransientFailure, UsageError
from transforms.engine import Engine, kind, same, server, start
from transforms.engine import spark as remote


def write(shop: Any, rows: Any) -> None:
    shop.snapshot("customers", [rows.customer(n, country=["France", "Japan", None][n % 3]) for n in range(1, 8)])
    shop.snapshot("products", [rows.product(n, category=["Books", "Toys"][n % 2], cost=f"{n}.11") for n in range(1, 6)])
    shop.snapshot("orders", [rows.order(n, discount=Decimal(n).scaleb(-1), channel=["web", "app"][n % 2]) for n in range(1, 12)])
    lines = [
        rows.sale(n, order_id=n % 12, customer_id=n % 9, product_id=n % 7, price=Decimal(n * 37).scaleb(-2)) for n in range(1, 40)
    ]
    shop.snapshot("sales_data", [*lines, rows.sale(50, quantity=-1)])
    shop.snapshot("returns", [rows.sent_back(n, rowid=n) for n in range(1, 4)])
    shop.lines(
        rows.hit(rows.at(1), "/?utm_source=letter&utm_medium=email"),
        rows.hit(rows.at(1) + timedelta(minutes=5), "/search?q=Gaming++Laptop", user="c1"),
        rows.hit(rows.at(1) + timedelta(minutes=9), "/checkout/complete?order=1", method="POST", status=302, user="c1"),
        rows.hit(rows.at(2), "/robots.txt", host="10.0.0.3", agent="ExampleBot/2.1"),
    )


def change(shop: Any, rows: Any) -> None:
    shop.change("customers", ("u", rows.customer(1, city="Nice", updated_at=rows.at(9))), ("d", {"customer_id": 2}))
    # Two versions of a product in one batch, the later one moved to another category.
    shop.change(
        "products", ("u", rows.product(2, cost="9.99", day=12)), ("u", rows.product(2, cost="9.98", category="Toys", day=14))
    )
    shop.change("orders", ("u", rows.order(3, channel=None, discount=Decimal("0.77"))))
    shop.change("returns", ("d", {"return_id": 1}), ("c", rows.sent_back(9, rowid=7, returned_at=rows.at(40))))
    # A visit that goes on, and a late one.
    shop.lines(
        rows.hit(rows.at(1) + timedelta(minutes=20), "/product/2", user="c1"),
        rows.hit(rows.at(0), "/cart", host="10.0.0.2"),
    )
    shop.change(
        "sales_data", ("u", rows.sale(3, quantity=4)), ("d", {"rowid": 5}), ("c", rows.sale(60)), ("u", rows.sale(50, quantity=2))
    )


@pytest.mark.timeout(1200)  # a minute of Spark's own time on idle cores
def test_both_engines_give_the_same_tables(shop: Any, sail: Engine, spark: Engine, elsewhere: Any, rows: Any) -> None:
    write(shop, rows)
    shop.build()
    salt = shop.lake.read("ref.shop")
    other = replace(elsewhere(shop), engine=spark)
    assert other.lake.read("ref.shop").equals(salt)
    assert other.build().engine == "spark"
    assert differences(shop, other) == {}
    hows = []
    for each in (shop, other):
        change(each, rows)
        hows.append({step.table: step.how for step in each.build().steps})
    assert hows[0] == hows[1]
    assert hows[0]["gold.fact_sales"] == "by_key"
    assert hows[0]["gold.agg_sales_daily"] == "by_group"
    assert differences(shop, other) == {}


def differences(one: Any, other: Any) -> dict[str, str]:
    """What silver, gold and quarantine of two lakes do not have in common."""
    found = {}
    for name in sorted(
        {name for shop in (one, other) for layer in ("silver", "gold", "quarantine") for name in shop.lake.names(layer)}
    ):
        left, right = (lasting(shop.lake.read(name)) for shop in (one, other))
        found[name] = same.difference(left, right)
    return {name: difference for name, difference in found.items() if difference}


def lasting(rows: pa.Table) -> pa.Table:
    return rows.drop_columns([name for name in ("quarantined_at",) if name in rows.column_names])


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (0.1 + 0.2, 0.3, True),
        (1e6 * (1 + 1e-10), 1e6, True),
        (1.0, 1.0 + 1e-8, False),
        (math.nan, math.nan, True),
        (math.nan, None, False),
        (Decimal("1.00"), Decimal("1.01"), False),
        ([1.0, None], [1.0 + 1e-12, None], True),
        ({"a": 1.0}, {"a": 2.0}, False),
        (1, True, False),
    ],
)
def test_values_are_the_same_exactly_but_for_a_float_s_last_digits(one: Any, other: Any, is_same: bool) -> None:
    assert same.equal(one, other) is is_same


def test_rows_in_another_order_are_the_same_rows_and_another_type_is_not() -> None:
    rows = pa.table({"key": ["a", "a", "b"], "part": [0.1 + 0.2, 0.1, None]})
    assert same.difference(rows, pa.table({"key": ["b", "a", "a"], "part": [None, 0.1, 0.3]})) == ""
    assert same.difference(rows, rows.slice(1)) == "3 rows and 2"
    assert same.difference(rows, rows.drop_columns(["part"])) == "column part: double and not there"
    assert same.difference(pa.table({"n": pa.array([1], pa.int32())}), pa.table({"n": [1]})) == "column n: int32 and int64"
    assert same.difference(pa.table({"n": [1]}), pa.table({"n": [2]})) == "column n: 1 and 2 in {'n': 1}"


@pytest.mark.parametrize(
    ("text", "kind_of_failure", "says"),
    [
        ("Resources exhausted: Failed to allocate additional 80 MB", PermanentFailure, "out of memory; raise engine.memory"),
        ("StatusCode.UNAVAILABLE failed to connect to all addresses", TransientFailure, "went away"),
        ("[UNRESOLVED_COLUMN] a\nb", PermanentFailure, "[UNRESOLVED_COLUMN] a b"),
    ],
)
def test_an_engine_s_error_in_our_words(sail: Engine, text: str, kind_of_failure: type[Exception], says: str) -> None:
    found = sail.explain(RuntimeError(text))
    assert type(found) is kind_of_failure
    assert says in str(found)
    assert "\n" not in str(found)


def test_which_engine(make_settings: Any) -> None:
    assert kind(make_settings()) == "sail"
    assert kind(make_settings(CARTLAKE_ENGINE__MASTER="local[2]")) == "spark"
    assert kind(make_settings(CARTLAKE_ENGINE__REMOTE="sc://host:15002")) == "spark"
    with pytest.raises(UsageError, match=r"unset engine\.master"):
        kind(make_settings(CARTLAKE_ENGINE__KIND="sail", CARTLAKE_ENGINE__MASTER="local[2]"))


@pytest.mark.parametrize("folder", ["My Documents", "Höhle#1"])
def test_a_lake_may_lie_in_any_folder(
    make_settings: Any, tmp_path: Any, sail: Engine, new_shop: Any, rows: Any, folder: str
) -> None:
    home = tmp_path / folder
    home.mkdir()
    shop = replace(new_shop(), settings=make_settings(home))
    shop.snapshot("orders", [rows.order(1)])
    shop.build()
    shop.change("orders", ("c", rows.order(2)))
    shop.build()
    assert [row["order_id"] for row in shop.rows("silver.orders")] == ["1", "2"]


@contextmanager
def tiny(make_settings: Any, memory: str) -> Iterator[tuple[Engine, Path]]:
    """Sail with very little memory, and the folder to which it spills."""
    settings = make_settings(CARTLAKE_ENGINE__KIND="sail", CARTLAKE_ENGINE__MEMORY=memory, CARTLAKE_ENGINE__CORES="2")
    engine = start(settings)
    try:
        yield engine, settings.data / "spill"
    finally:
        engine.stop()


def hashes(engine: Engine, rows: int) -> Any:
    """Rows of 40 bytes and more, each another."""
    return engine.spark.range(rows).select("id", f.md5(f.col("id").cast("string")).alias("hash"))


@pytest.mark.parametrize(
    "query",
    [lambda rows: rows.agg(f.size(f.collect_set("hash"))), lambda rows: rows.orderBy("hash").limit(400_000).agg(f.max("hash"))],
    ids=["one value that grows", "a sort"],
)
@pytest.mark.usefixtures("sail")  # its own memory is not to be that of the tiny ones
def test_what_does_not_fit_and_cannot_be_spilled_is_one_clear_error(make_settings: Any, query: Any) -> None:
    with tiny(make_settings, "4MiB") as (engine, _):
        with pytest.raises(Exception, match="allocate") as error:
            query(hashes(engine, 500_000)).collect()
        told = engine.explain(error.value)
        assert isinstance(told, PermanentFailure)
        assert str(told).startswith("engine sail: out of memory; raise engine.memory, or set engine.kind")
        assert engine.spark.range(3).count() == 3


@pytest.mark.usefixtures("sail")
def test_what_does_not_fit_is_spilled_where_the_engine_can(make_settings: Any) -> None:
    """Sail 0.7.2 takes two seconds, and waited for ever once in some hundred times: a second engine is asked then."""
    assert (counted_in_little(make_settings) or counted_in_little(make_settings)) == 600_000


def counted_in_little(make_settings: Any, patience: float = 60) -> int | None:
    """Groups of a query that must spill; None when there was no answer within so many seconds."""
    with tiny(make_settings, "16MiB") as (engine, folder):
        counts: list[int] = []
        asked = threading.Thread(
            target=lambda: counts.append(hashes(engine, 600_000).groupBy("hash").count().count()), daemon=True
        )
        asked.start()
        spilled, until = 0, time.monotonic() + patience
        while asked.is_alive() and time.monotonic() < until:
            spilled = max(spilled, size(folder))
            time.sleep(0.01)
        assert not counts or spilled > 2**20
        return counts[0] if counts else None


def size(folder: Path) -> int:
    """Bytes of all files below a folder that may change meanwhile."""
    found = 0
    for path in folder.rglob("*"):
        try:
            found += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return found


def address(spark: Engine) -> str:
    return f"sc://127.0.0.1:{spark.spark.conf.get('spark.connect.grpc.binding.port')}"


def test_a_server_of_someone_else_s_is_used_and_left_running(make_settings: Any, spark: Engine) -> None:
    engine = start(make_settings(CARTLAKE_ENGINE__REMOTE=address(spark)))
    assert engine.spark.range(2).count() == 2
    assert engine.spark.conf.get("spark.sql.parquet.outputTimestampType") == "TIMESTAMP_MICROS"
    engine.stop()
    assert spark.spark.range(2).count() == 2


def test_a_server_is_asked_for_a_format_before_anything_is_built(spark: Engine) -> None:
    assert remote.knows(spark.spark, "delta")
    assert not remote.knows(spark.spark, "no_such_format")


def test_a_server_without_delta_is_refused(make_settings: Any, spark: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "FORMAT", "no_such_format")
    with pytest.raises(UsageError, match=r"has no Delta: start it with delta-spark .*fetch_jars\.py.*or unset engine\.remote"):
        start(make_settings(CARTLAKE_ENGINE__REMOTE=address(spark)))


@pytest.mark.parametrize(
    ("named", "failure", "says"),
    [
        (f"sc://127.0.0.1:{server.free_port()}", TransientFailure, "no Spark Connect server answers at sc://127.0.0.1"),
        ("http://127.0.0.1", UsageError, "write it as sc://HOST:15002"),
    ],
)
def test_a_remote_that_is_not_there_or_no_address(
    make_settings: Any, monkeypatch: pytest.MonkeyPatch, named: str, failure: type[Exception], says: str
) -> None:
    monkeypatch.setattr(remote, "_FIRST_TRIES", 1)
    with pytest.raises(failure, match=says):
        start(make_settings(CARTLAKE_ENGINE__REMOTE=named))


def test_executors_of_a_cluster_get_the_memory_and_cores_of_the_settings(make_settings: Any, tmp_path: Path) -> None:
    (tmp_path / "delta-spark.jar").touch()
    given = {"CARTLAKE_ENGINE__MEMORY": "2GiB", "CARTLAKE_ENGINE__CORES": "3", "CARTLAKE_ENGINE__JARS": str(tmp_path)}
    asked = server.command(make_settings(CARTLAKE_ENGINE__MASTER="spark://127.0.0.1:7077", **given), "name", 1)
    assert {"spark.executor.memory=2048m", "spark.executor.cores=3", f"spark.jars={tmp_path}/delta-spark.jar"} <= set(asked)
    here = server.command(make_settings(CARTLAKE_ENGINE__MASTER="local[3]", **given), "name", 1)
    assert not [each for each in here if each.startswith("spark.executor.memory")]
    assert "spark.sql.shuffle.partitions=3" in here


def test_a_master_of_an_unknown_host_is_one_line(make_settings: Any) -> None:
    with pytest.raises(UsageError, match=r"engine\.master: spark://nowhere\.invalid:7077: nowhere\.invalid is not known"):
        start(make_settings(CARTLAKE_ENGINE__MASTER="spark://nowhere.invalid:7077"))


def test_without_the_jars_spark_does_not_start(make_settings: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no Delta jars for Apache Spark in .*fetch_jars\.py"):
        start(make_settings(CARTLAKE_ENGINE__KIND="spark", CARTLAKE_ENGINE__JARS=str(tmp_path)))
