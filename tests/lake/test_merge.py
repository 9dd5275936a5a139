"""A merge copies the files that hold its keys: the rows, the change feed and what other readers see of any table."""

import errno
import os
import signal
import subprocess
import sys
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import WriterProperties, write_deltalake
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from lake import log, parquet
from lake import merge as merging
from lake.delta import Lake
from lake.errors import TransientFailure
from warehouse.duck import load_delta

SCHEMA = pa.schema(
    [
        ("k", pa.int64()),
        ("part", pa.string()),
        ("price", pa.decimal128(12, 2)),
        ("at", pa.timestamp("us", "UTC")),
        ("day", pa.date32()),
        ("tags", pa.list_(pa.string())),
        ("size", pa.struct([("w", pa.int32()), ("unit", pa.string())])),
    ]
)
Row = dict[str, Any]


def row(key: int | None, part: str | None = "a", n: int = 1) -> Row:
    return {
        "k": key,
        "part": part,
        "price": (Decimal(n) / 4).quantize(Decimal("0.01")) if n else None,
        "at": datetime(2026, 1, 1 + n % 28, 3, 4, 5, 678901, tzinfo=ZoneInfo("UTC")),
        "day": date(2026, 1 + n % 12, 1),
        "tags": None if n % 3 == 0 else [f"t{n}", None][: n % 3],
        "size": None if n % 5 == 0 else {"w": n, "unit": None if n % 2 else "cm"},
    }


def table(rows: list[Row]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def merge(lake: Lake, name: str, rows: list[Row], gone: list[bool], key: list[str], old: list[Row] | None = None) -> int:
    marked = table(rows).append_column("gone", pa.array(gone, pa.bool_()))
    return lake.merge(name, marked, key, delete="gone", old=None if old is None else table(old))


def text(rows: list[Row]) -> list[str]:
    return sorted(repr(sorted(row.items())) for row in rows)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "la ke"))


parts = st.sampled_from(["a", "Home & Garden/x=1 ü", "50%", None])
keys = st.one_of(st.none(), st.integers(0, 12))
images = st.builds(row, keys, parts, st.integers(0, 30))
merges = st.lists(st.tuples(images, st.booleans()), min_size=1, max_size=8, unique_by=lambda given: given[0]["k"])


@pytest.mark.parametrize("partition", [[], ["part"], ["day", "at"]])
@pytest.mark.parametrize("knows", [False, True])
@settings(max_examples=15, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(first=st.lists(images, max_size=10, unique_by=lambda row: row["k"]), then=st.lists(merges, min_size=1, max_size=3))
def test_the_table_and_its_feed_are_as_a_dictionary_says(
    tmp_path_factory: pytest.TempPathFactory,
    partition: list[str],
    knows: bool,
    first: list[Row],
    then: list[list[tuple[Row, bool]]],
) -> None:
    lake = Lake(str(tmp_path_factory.mktemp("lake")))
    lake.create("gold.t", SCHEMA, partition_by=partition)
    for half in (first[::2], first[1::2]):
        lake.append("gold.t", table(half))
    model = {row["k"]: row for row in first}
    for change in then:
        before, old = lake.version("gold.t"), dict(model)
        merge(
            lake, "gold.t", [row for row, _ in change], [gone for _, gone in change], ["k"], list(old.values()) if knows else None
        )
        for new, deleted in change:
            model.pop(new["k"], None)
            if not deleted:
                model[new["k"]] = new
        found = lake.read("gold.t", columns=SCHEMA.names).to_pylist()
        assert text(found) == text(list(model.values()))
        feed = lake.feed("gold.t", before, lake.version("gold.t"))
        assert feed is not None
        assert feed_text(feed) == feed_between(old, model)
    assert_others_agree(lake, "gold.t", len(model))


def feed_text(feed: pa.Table) -> list[str]:
    rows = feed.select([*SCHEMA.names, "_change_type"]).to_pylist()
    return sorted(row.pop("_change_type") + repr(sorted(row.items())) for row in rows)


def feed_between(old: dict[Any, Row], new: dict[Any, Row]) -> list[str]:
    told = []
    for key in {*old, *new}:
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        both = before is not None and after is not None
        if before is not None:
            told.append(("update_preimage" if both else "delete") + repr(sorted(before.items())))
        if after is not None:
            told.append(("update_postimage" if both else "insert") + repr(sorted(after.items())))
    return sorted(told)


def assert_others_agree(lake: Lake, name: str, rows: int) -> None:
    """What delta-rs counts from the log, and what DuckDB's own reader of Delta (Delta Kernel) finds."""
    assert lake.count(name) == rows
    assert kernel().execute("select count(*) from delta_scan(?)", [lake.path(name)]).fetchone() == (rows,)


@cache
def kernel() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    load_delta(connection)
    return connection


def test_equal_rows_commit_nothing_and_leave_no_files(lake: Lake) -> None:
    lake.create("gold.t", SCHEMA)
    version = lake.append("gold.t", table([row(1), row(2)]))
    assert merge(lake, "gold.t", [row(1), row(9)], [False, True], ["k"]) == 0
    assert lake.version("gold.t") == version
    assert len(list(Path(lake.path("gold.t")).rglob("*.parquet"))) == 1


def test_files_that_cannot_hold_a_key_are_left_alone(lake: Lake) -> None:
    lake.create("gold.t", SCHEMA)
    for start in (0, 100, 200):
        lake.append("gold.t", table([row(key) for key in range(start, start + 10)]))
    before = set(lake.files("gold.t"))
    merge(lake, "gold.t", [row(105, n=7)], [False], ["k"])
    assert len(before & set(lake.files("gold.t"))) == 2


def test_a_file_whose_rows_all_stay_is_left_alone(lake: Lake) -> None:
    lake.create("gold.t", SCHEMA)
    lake.append("gold.t", table([row(1), row(2)]))
    before = set(lake.files("gold.t"))
    lake.append("gold.t", table([row(3), row(4)]))
    assert merge(lake, "gold.t", [row(1), row(3, n=2)], [False, False], ["k"]) == 1
    assert before < set(lake.files("gold.t"))


def test_a_large_file_is_parted_and_stays_in_order(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "_PIECE_ROWS", 100)
    monkeypatch.setattr(merging, "_BATCH_ROWS", 30)
    lake.create("gold.t", SCHEMA)
    properties = WriterProperties(max_row_group_size=50)
    write_deltalake(lake.path("gold.t"), table([row(key) for key in range(1000)]), mode="append", writer_properties=properties)
    merge(lake, "gold.t", [row(5, n=2), row(555, n=2), row(7), row(5000)], [False, False, True, False], ["k"])
    files = [pq.read_table(file, columns=["k"]).column("k").to_pylist() for file in lake.files("gold.t")]
    assert sorted(map(len, files)) == [99, *[100] * 8, 101]
    assert sorted(key for file in files for key in file) == [*(key for key in range(1000) if key != 7), 5000]
    assert sum(max(file) - min(file) < 100 for file in files) == 9


def test_a_key_that_is_the_partition_or_that_old_files_lack(lake: Lake) -> None:
    days = pa.schema([("day", pa.date32()), ("v", pa.int64())])
    lake.create("gold.days", days, partition_by=["day"])
    lake.append("gold.days", pa.table({"day": [date(2026, 1, 1), date(2026, 1, 2)], "v": [1, 2]}, schema=days))
    assert (
        lake.merge("gold.days", pa.table({"day": [date(2026, 1, 2), date(2026, 1, 9)], "v": [20, 90]}, schema=days), ["day"]) == 2
    )
    assert sorted(lake.read("gold.days").column("v").to_pylist()) == [1, 20, 90]
    lake.create("gold.grown", pa.schema([("v", pa.int64())]))
    lake.append("gold.grown", pa.table({"v": [1]}))
    lake.append("gold.grown", pa.table({"v": [3], "k": [7]}), merge_schema=True)
    assert lake.merge("gold.grown", pa.table({"v": [30, 5], "k": [7, 8]}), ["k"]) == 2
    assert {row["k"]: row["v"] for row in lake.read("gold.grown").to_pylist()} == {None: 1, 7: 30, 8: 5}


def test_long_rows_are_copied_a_few_at_a_time(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_BATCH_BYTES", 50_000)
    monkeypatch.setattr(parquet, "_GROUP_BYTES", 100_000)
    texts = pa.table({"k": range(100), "text": [f"{n:010000}" for n in range(100)]})
    lake.create("silver.texts", texts.schema)
    lake.append("silver.texts", texts)
    assert lake.merge("silver.texts", texts.slice(3, 1).set_column(1, "text", [["new"]]), ["k"]) == 1
    (file,) = lake.files("silver.texts")
    assert 9 <= pq.read_metadata(file).num_row_groups <= 11
    assert lake.read("silver.texts").sort_by("k").column("text").to_pylist()[2:5] == [f"{2:010000}", "new", f"{4:010000}"]


def test_a_key_given_twice_is_refused(lake: Lake) -> None:
    lake.create("gold.t", SCHEMA)
    lake.append("gold.t", table([row(1)]))
    with pytest.raises(ValueError, match="twice"):
        merge(lake, "gold.t", [row(1, n=2), row(1, n=3)], [False, False], ["k"])


def test_another_writer_in_between_is_told_and_loses_nothing(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.create("gold.t", SCHEMA)
    lake.append("gold.t", table([row(1)]))
    stale = lake.open("gold.t")
    lake.append("gold.t", table([row(2)]))
    with monkeypatch.context() as patched:
        patched.setattr(lake, "open", lambda name, version=None: stale)
        with pytest.raises(TransientFailure, match="another"):
            merge(lake, "gold.t", [row(1, n=2)], [False], ["k"])
    assert text(lake.read("gold.t").to_pylist()) == text([row(1), row(2)])
    assert not list((Path(lake.path("gold.t")) / "_delta_log").glob("*.tmp"))


def test_the_log_gets_its_checkpoints(lake: Lake) -> None:
    lake.create("gold.t", SCHEMA)
    for key in range(99):
        lake.append("gold.t", table([row(key)]))
    assert merge(lake, "gold.t", [row(0, n=2), row(1)], [False, True], ["k"]) == 2
    assert lake.version("gold.t") == 100
    assert (Path(lake.path("gold.t")) / "_delta_log" / "00000000000000000100.checkpoint.parquet").exists()
    assert_others_agree(lake, "gold.t", 98)
    assert text(lake.read("gold.t").to_pylist()) == text([row(0, n=2), *(row(key) for key in range(2, 99))])


@pytest.mark.parametrize("point", ["merge.written", "delta.merged"])
def test_a_kill_leaves_the_old_or_the_new_table(lake: Lake, point: str) -> None:
    lake.create("gold.t", SCHEMA)
    lake.append("gold.t", table([row(1), row(2)]))
    code = (
        "import pyarrow as pa, sys; from lake.delta import Lake; lake = Lake(sys.argv[1]);"
        "rows = lake.read('gold.t', filters=[('k', '=', 1)]).append_column('gone', pa.array([True]));"
        "lake.merge('gold.t', rows, ['k'], delete='gone')"
    )
    done = subprocess.run([sys.executable, "-c", code, lake.root], env={**os.environ, "CARTLAKE_CRASH": point}, check=False)
    assert done.returncode == -signal.SIGKILL
    assert_others_agree(lake, "gold.t", 2 if point == "merge.written" else 1)
    merge(lake, "gold.t", [row(1), row(2, n=5)], [True, False], ["k"])
    assert text(lake.read("gold.t").to_pylist()) == text([row(2, n=5)])


def test_a_full_disk_leaves_nothing_behind(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.create("gold.t", SCHEMA)
    lake.append("gold.t", table([row(1)]))
    before = set(Path(lake.path("gold.t")).rglob("*.*"))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(log, "commit", full)
    with pytest.raises(OSError, match="No space left"):
        merge(lake, "gold.t", [row(1, n=2)], [False], ["k"])
    assert set(Path(lake.path("gold.t")).rglob("*.*")) == before
