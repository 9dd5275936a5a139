"""Moving rows without changing them: wider columns, fewer files."""

import time
from pathlib import Path

import pyarrow as pa
import pytest

from lake import maintenance
from lake.delta import Lake

NAME = "bronze.shop.db.t"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "my lake"))


def rows(*ids: int) -> pa.Table:
    return pa.table({"id": pa.array(ids, pa.int32())})


def test_a_column_becomes_wider_and_readers_of_changes_skip_the_commit(lake: Lake) -> None:
    lake.create(NAME, rows().schema)
    first = lake.append(NAME, rows(1, 2))
    second = lake.append(NAME, rows(3))
    wide = pa.schema([("id", pa.int64())])
    version = maintenance.rewrite(lake, NAME, wide)
    assert lake.schema(NAME) == wide
    assert sorted(lake.read(NAME).column("id").to_pylist()) == [1, 2, 3]
    assert lake.count(NAME) == 3
    assert lake.read(NAME, second).schema.field("id").type == pa.int32(), "an older version is as it was"
    assert lake.added_files(NAME, second, version) == []
    assert lake.rewritten(NAME, second, version)
    assert not lake.rewritten(NAME, first, second)
    lake.append(NAME, pa.table({"id": [2**40]}))
    assert 2**40 in lake.read(NAME).column("id").to_pylist()


def test_a_value_that_does_not_fit_leaves_the_table_as_it_was(lake: Lake) -> None:
    lake.create(NAME, rows().schema)
    version = lake.append(NAME, rows(1000))
    with pytest.raises(pa.ArrowInvalid):
        maintenance.rewrite(lake, NAME, pa.schema([("id", pa.int8())]))
    assert lake.version(NAME) == version


def test_many_small_files_become_few_and_no_reader_notices(lake: Lake) -> None:
    lake.create(NAME, rows().schema)
    for number in range(63):
        seen = lake.append(NAME, rows(number))
    assert not maintenance.tidy(lake, NAME), "63 files are few enough"
    last = lake.append(NAME, rows(63))
    assert maintenance.tidy(lake, NAME)
    assert len(lake.files(NAME)) == 1
    assert lake.read(NAME).column("id").to_pylist() == list(range(64)) or lake.count(NAME) == 64
    added = lake.added_files(NAME, seen, lake.version(NAME))
    assert added is not None
    assert len(added) == 1, "the file of the last append, which is still there to be read"
    assert Path(added[0]).exists()
    assert lake.version(NAME) > last
    assert not maintenance.tidy(lake, NAME)


@pytest.mark.soak
def test_ten_thousand_micro_batches_leave_a_table_that_opens_quickly(lake: Lake) -> None:
    """The bound is on work, not on time: what an open reads. How long it takes is printed, and is in docs/capture.md."""
    lake.create(NAME, rows().schema)
    for number in range(10_000):
        lake.append(NAME, rows(number))
        if number % 100 == 0:
            maintenance.tidy(lake, NAME)
    began = time.perf_counter()
    assert lake.count(NAME) == 10_000
    print(f"opened and counted in {time.perf_counter() - began:.3f} s")
    assert len(lake.files(NAME)) < 256
    assert len(list((Path(lake.path(NAME)) / "_delta_log").glob("*.checkpoint.parquet"))) >= 99
    assert sorted(lake.read(NAME).column("id").to_pylist()) == list(range(10_000))
