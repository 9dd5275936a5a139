"""The change feed from the log: commits with a feed of their own, commits without, and what cannot be followed."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lake import log
from lake.delta import Lake

SCHEMA = pa.schema([("k", pa.int64()), ("part", pa.string())])


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(str(tmp_path))
    lake.create("gold.t", SCHEMA, partition_by=["part"])
    return lake


def rows(*keys: int, part: str = "50% & more") -> pa.Table:
    return pa.table({"k": keys, "part": [part] * len(keys)}, schema=SCHEMA)


def told(lake: Lake, since: int) -> set[tuple[Any, ...]] | None:
    feed = lake.feed("gold.t", since, lake.version("gold.t"))
    return (
        None
        if feed is None
        else {(row["_commit_version"], row["_change_type"], row["k"], row["part"]) for row in feed.to_pylist()}
    )


def test_each_commit_tells_what_it_changed(lake: Lake) -> None:
    lake.append("gold.t", rows(1, 2))
    lake.merge("gold.t", rows(2, 3, part="other"), ["k"])
    lake.overwrite("gold.t", rows(9))
    assert told(lake, 0) == {
        (1, "insert", 1, "50% & more"),
        (1, "insert", 2, "50% & more"),
        (2, "update_preimage", 2, "50% & more"),
        (2, "update_postimage", 2, "other"),
        (2, "insert", 3, "other"),
        (3, "delete", 1, "50% & more"),
        (3, "delete", 2, "other"),
        (3, "delete", 3, "other"),
        (3, "insert", 9, "50% & more"),
    }
    assert told(lake, 3) == set()


def test_a_feed_of_delta_rs_s_own_is_read_too(lake: Lake) -> None:
    lake.append("gold.t", rows(1, 2))
    lake.open("gold.t").delete("k = 1")
    assert told(lake, 1) == {(2, "delete", 1, "50% & more")}


def test_what_is_gone_or_marked_within_files_is_not_followed(lake: Lake) -> None:
    lake.append("gold.t", rows(1, 2))
    (added,) = [
        action["add"] for actions in log.commits(lake.path("gold.t"), 0, 1) or () for action in actions if "add" in action
    ]
    marks = {"storageType": "u", "pathOrInlineDv": "x", "offset": 1, "sizeInBytes": 1, "cardinality": 1}
    log.commit(Path(lake.path("gold.t")), 2, [{"add": {**added, "deletionVector": marks}}])
    assert lake.feed("gold.t", 0, 1) is not None
    assert told(lake, 0) is None
    for file in Path(lake.path("gold.t")).rglob("*.parquet"):
        file.unlink()
    assert lake.feed("gold.t", 0, 1) is None
