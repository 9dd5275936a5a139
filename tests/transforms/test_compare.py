"""The difference of two sets of rows: the least that a merge needs."""

from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from transforms.compare import difference, distinct, example_of_duplicate, is_unique, latest, touched

SCHEMA = pa.schema([("k", pa.int64()), ("g", pa.string()), ("v", pa.decimal128(10, 2)), ("tags", pa.list_(pa.string()))])


def rows(*values: tuple[int, str | None, str | None, list[str] | None]) -> pa.Table:
    return pa.Table.from_pylist(
        [{"k": k, "g": g, "v": None if v is None else Decimal(v), "tags": tags} for k, g, v, tags in values], schema=SCHEMA
    )


def test_only_what_differs() -> None:
    old = rows((1, None, "1.00", ["a"]), (2, "x", "2.00", None), (3, "x", None, ["b"]))
    new = rows((1, None, "1.00", ["a"]), (2, "x", "2.50", None), (4, "y", None, None))
    found = {(row["k"], row["_delete"]): row["v"] for row in difference(old, new, ["k"]).to_pylist()}
    assert found == {(2, False): Decimal("2.50"), (4, False): None, (3, True): None}


def test_a_change_inside_a_list_is_a_change() -> None:
    assert difference(rows((1, "x", None, ["a"])), rows((1, "x", None, ["a", "b"])), ["k"]).num_rows == 1


def test_nulls_in_a_key_are_equal() -> None:
    assert difference(rows((1, None, "1.00", None)), rows((1, None, "1.00", None)), ["k", "g"]).num_rows == 0
    assert difference(rows((1, None, "1.00", None)), rows((1, None, "2.00", None)), ["k", "g"]).column("_delete").to_pylist() == [
        False
    ]


def test_equal_and_empty() -> None:
    assert difference(rows(), rows(), ["k"]).num_rows == 0
    assert difference(rows((1, "x", None, None)), rows(), ["k"]).column("_delete").to_pylist() == [True]


def test_an_example_of_a_duplicate() -> None:
    assert example_of_duplicate(rows((1, "x", None, None), (1, "y", None, None)), ["k"]) == (1,)
    assert example_of_duplicate(rows((1, "x", None, None), (1, "y", None, None)), ["k", "g"]) is None


def test_distinct() -> None:
    assert distinct(pa.table({"a": [1, 1]}), pa.table({"a": [1, 2]})).sort_by("a").to_pylist() == [{"a": 1}, {"a": 2}]


def feed(*changes: tuple[int, str, int, str, str]) -> pa.Table:
    names = ("_commit_version", "_change_type", "id", "category", "name")
    return pa.Table.from_pylist([dict(zip(names, change, strict=True)) for change in changes])


def test_touched_sees_the_old_place_and_the_new() -> None:
    moved = feed((1, "update_preimage", 1, "a", "n"), (1, "update_postimage", 1, "b", "n"))
    assert touched(moved, ["category"]).sort_by("category").to_pylist() == [{"category": "a"}, {"category": "b"}]


def test_a_change_of_columns_that_nobody_uses_touches_nothing() -> None:
    renamed = feed((1, "update_preimage", 1, "a", "old"), (1, "update_postimage", 1, "a", "new"))
    assert touched(renamed, ["id"], key=["id"], uses=["category"]).num_rows == 0
    assert touched(renamed, ["id"], key=["id"], uses=["name"]).to_pylist() == [{"id": 1}]


def test_a_change_there_and_back_touches_nothing() -> None:
    there = [(1, "update_preimage", 1, "a", "n"), (1, "update_postimage", 1, "b", "n")]
    back = [(2, "update_preimage", 1, "b", "n"), (2, "update_postimage", 1, "a", "n")]
    assert touched(feed(*there, *back), ["id"], key=["id"], uses=["category"]).num_rows == 0


def test_inserts_and_deletes_touch() -> None:
    changes = feed((1, "insert", 1, "a", "n"), (1, "delete", 2, "a", "n"), (1, "insert", 3, "a", "n"), (2, "delete", 3, "a", "n"))
    assert touched(changes, ["id"], key=["id"], uses=["category"]).sort_by("id").to_pylist() == [{"id": 1}, {"id": 2}]


def test_the_last_image_of_each_key_is_what_is_there() -> None:
    feed = pa.table(
        {
            "k": [1, 1, 2, 3, 3],
            "v": ["old", "new", "gone", "came", "came"],
            "_change_type": ["update_postimage", "update_preimage", "delete", "insert", "delete"],
            "_commit_version": pa.array([2, 2, 1, 1, 2], pa.int64()),
        }
    )
    assert latest(feed, ["k"]).to_pylist() == [{"k": 1, "v": "old"}]


def test_a_key_is_unique_over_all_files_or_not(tmp_path: Path) -> None:
    for number, keys in enumerate(([1, 2], [3, None])):
        (tmp_path / f"part={number}").mkdir()
        pq.write_table(pa.table({"k": keys, "g": ["a", "a"]}), tmp_path / f"part={number}" / "rows.parquet")
    folder = str(tmp_path)
    assert is_unique(folder, ["k"], 100)
    assert not is_unique(folder, ["g"], 100)
    assert not is_unique(folder, ["part"], 100)
    assert not is_unique(folder, ["k"], 3)
    assert is_unique(f"{folder}/none", ["k"], 100)
