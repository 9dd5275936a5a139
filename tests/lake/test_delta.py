"""The few things that Cartlake asks of Delta, each as one commit that consumers can ask about."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from lake.delta import Lake, join, split
from lake.errors import PermanentFailure

SCHEMA = pa.schema(
    [
        ("k", pa.int64()),
        ("name", pa.string()),
        ("price", pa.decimal128(10, 2)),
        ("at", pa.timestamp("us", "UTC")),
        ("day", pa.date32()),
    ]
)


def rows(keys: list[int | None], name: str) -> pa.Table:
    at = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    return pa.table(
        {
            "k": keys,
            "name": [name] * len(keys),
            "price": [Decimal("1.50")] * len(keys),
            "at": [at] * len(keys),
            "day": [date(2026, 1, 2)] * len(keys),
        },
        schema=SCHEMA,
    )


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(str(tmp_path / "lake"))
    lake.create("gold.t", SCHEMA, comment="a table", comments={"k": "the key"})
    return lake


def names(lake: Lake) -> dict[int | None, str]:
    found = lake.read("gold.t")
    return dict(zip(found["k"].to_pylist(), found["name"].to_pylist(), strict=True))


def test_merge_inserts_updates_and_deletes_in_one_commit(lake: Lake) -> None:
    before = lake.append("gold.t", rows([1, 2, 3], "old"))
    changed = rows([2, 3, 4], "new").append_column("gone", pa.array([False, True, False]))
    assert lake.merge("gold.t", changed, ["k"], delete="gone") == 3
    assert lake.version("gold.t") == before + 1
    assert names(lake) == {1: "old", 2: "new", 4: "new"}


def test_merge_of_equal_rows_commits_nothing(lake: Lake) -> None:
    before = lake.append("gold.t", rows([1, 2, 3], "same"))
    assert lake.merge("gold.t", rows([1, 2, 3], "same"), ["k"]) == 0
    assert lake.version("gold.t") == before


def test_a_null_key_matches_a_null_key(lake: Lake) -> None:
    lake.merge("gold.t", rows([None], "first"), ["k"])
    lake.merge("gold.t", rows([None], "second"), ["k"])
    assert names(lake) == {None: "second"}


def test_the_feed_tells_what_changed(lake: Lake) -> None:
    start = lake.append("gold.t", rows([1, 2], "old"))
    lake.merge("gold.t", rows([2, 3], "new"), ["k"])
    end = lake.overwrite("gold.t", rows([3], "new"))
    feed = lake.feed("gold.t", start, start + 1)
    assert feed is not None
    kinds = {(row["k"], row["_change_type"]) for row in feed.to_pylist()}
    assert kinds == {(2, "update_preimage"), (2, "update_postimage"), (3, "insert")}
    empty = lake.feed("gold.t", end, end)
    assert empty is not None
    assert empty.num_rows == 0


def test_staged_parquet_is_committed_with_its_statistics(lake: Lake) -> None:
    before = lake.append("gold.t", rows([1], "old"))
    folder = Path(lake.stage("gold.t"))
    folder.mkdir()
    pq.write_table(rows([5, 9], "staged"), folder / "a.parquet")
    after = lake.commit_staged("gold.t", str(folder), "append")
    assert lake.read("gold.t", filters=[("k", "=", 9)])["name"].to_pylist() == ["staged"]
    actions = pa.table(DeltaTable(lake.path("gold.t")).get_add_actions(flatten=True)).to_pylist()
    staged = next(action for action in actions if "staged" in action["path"])
    assert (staged["num_records"], staged["min.k"], staged["max.k"], staged["null_count.k"]) == (2, 5, 9, 0)
    files = lake.added_files("gold.t", before, after)
    assert files is not None
    assert [Path(file).name for file in files] == ["a.parquet"]


def test_staged_overwrite_replaces_and_shows_in_the_feed(lake: Lake) -> None:
    before = lake.append("gold.t", rows([1, 2], "old"))
    folder = Path(lake.stage("gold.t"))
    folder.mkdir()
    pq.write_table(rows([2], "new"), folder / "a.parquet")
    after = lake.commit_staged("gold.t", str(folder), "overwrite")
    assert names(lake) == {2: "new"}
    feed = lake.feed("gold.t", before, after)
    assert feed is not None
    assert sorted(feed["_change_type"].to_pylist()) == ["delete", "delete", "insert"]


def test_compaction_is_no_news_to_a_consumer(lake: Lake) -> None:
    lake.append("gold.t", rows([1], "a"))
    before = lake.append("gold.t", rows([2], "b"))
    lake.open("gold.t").optimize.compact()
    after = lake.version("gold.t")
    assert after == before + 1
    assert lake.added_files("gold.t", before, after) == []


def test_a_new_column_joins_a_table_null_before(lake: Lake) -> None:
    lake.append("gold.t", rows([1], "a"))
    wider = rows([2], "b").append_column("note", pa.array(["x"]))
    lake.append("gold.t", wider, merge_schema=True)
    assert sorted(lake.read("gold.t").select(["k", "note"]).to_pylist(), key=lambda row: row["k"]) == [
        {"k": 1, "note": None},
        {"k": 2, "note": "x"},
    ]


@pytest.mark.parametrize(
    "name", ["bronze.shop.`my.db`.order lines", "bronze.shop.été.a~b%2F", "bronze.s.d.../x".replace("...", ".a")]
)
def test_any_database_s_names_fit(tmp_path: Path, name: str) -> None:
    lake = Lake(str(tmp_path))
    lake.create(name, SCHEMA)
    lake.append(name, rows([1], "a"))
    assert lake.names("bronze") == [name]
    assert join(*split(name)) == name


def test_partition_values_of_any_kind_are_read_back(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    lake.create("bronze.s.`d b`.t", SCHEMA, partition_by=["name"])
    for number, name in enumerate(["a b", "é/ü", "50%", "x=y", "~7E"]):
        lake.append("bronze.s.`d b`.t", rows([number], name))
    assert sorted(lake.read("bronze.s.`d b`.t")["name"].to_pylist()) == sorted({"a b", "é/ü", "50%", "x=y", "~7E"})


def test_a_table_that_is_not_there_is_named(lake: Lake) -> None:
    assert lake.version("gold.nothing") == -1
    with pytest.raises(PermanentFailure, match=r"gold\.nothing: no such table"):
        lake.open("gold.nothing")


def test_bounds_in_the_log_are_only_of_types_that_a_float_holds(lake: Lake) -> None:
    exact = pa.decimal128(20, 0)
    schema = pa.schema([("id", pa.int32()), ("a,b", exact), ("ratio", pa.float64()), ("price", pa.decimal128(10, 2))])
    lake.create("silver.t", schema)
    rows = pa.table([[1], [Decimal(2**64 - 1)], [0.1], [Decimal("9.99")]], schema=schema)

    def bounds() -> set[str]:
        names = pa.table(lake.open("silver.t").get_add_actions(flatten=True)).column_names
        return {name.removeprefix("min.") for name in names if name.startswith("min.")}

    lake.append("silver.t", rows)
    assert bounds() == {"id", "price"}
    wider = schema.set(0, pa.field("id", exact))
    lake.overwrite("silver.t", rows.cast(wider), schema_change=True)
    assert bounds() == {"price"}


def test_a_merge_that_knows_the_old_rows_ends_as_any_other(tmp_path: Path) -> None:
    """Nulls in a key, partitions, texts with quotes; with and without the rows that are there."""
    schema = pa.schema([("k", pa.int64()), ("g", pa.string()), ("v", pa.int64())])
    old = pa.table({"k": [1, 2, None, None], "g": ["it's", "b", "b", None], "v": [1, 2, 3, 4]}, schema=schema)
    news = pa.table({"k": [1, None, None, 9], "g": ["it's", "b", None, "c"], "v": [10, 30, 40, 90]}, schema=schema)
    rows = news.append_column("gone", pa.array([False, True, False, False]))
    for number, known in enumerate((None, old)):
        for partition in ([], ["g"]):
            lake, name = Lake(str(tmp_path)), f"silver.t{number}{len(partition)}"
            lake.create(name, schema, partition_by=partition)
            lake.append(name, old)
            lake.merge(name, rows, ["k", "g"], delete="gone", old=known)
            found = sorted(map(repr, (tuple(row.values()) for row in lake.read(name, columns=["k", "g", "v"]).to_pylist())))
            assert found == sorted(map(repr, [(1, "it's", 10), (2, "b", 2), (None, None, 40), (9, "c", 90)]))


def test_a_merge_into_nothing_is_an_append(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    lake.create("silver.t", pa.schema([("k", pa.int64())]))
    rows = pa.table({"k": [1, 2], "gone": [False, True]})
    lake.merge("silver.t", rows, ["k"], delete="gone", old=lake.read("silver.t"))
    assert lake.read("silver.t").to_pylist() == [{"k": 1}]
    assert lake.open("silver.t").history(1)[0]["operation"] == "WRITE"


def test_a_large_staged_file_becomes_bounded_ones(lake: Lake) -> None:
    folder = Path(lake.stage("gold.t"))
    folder.mkdir()
    pq.write_table(rows(list(range(100)), "v"), folder / "part.parquet", row_group_size=40)
    lake.commit_staged("gold.t", str(folder), "append")
    assert [pq.read_metadata(file).num_rows for file in sorted(lake.files("gold.t"))] == [40, 40, 20]
    assert names(lake) == dict.fromkeys(range(100), "v")
