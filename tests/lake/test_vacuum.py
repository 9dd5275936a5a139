"""Vacuum removes what no needed version stands on, and nothing else, at a kill either."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from lake.delta import Lake
from lake.errors import PermanentFailure
from lake.vacuum import Removed, vacuum

NAME = "gold.t"
NEWEST = 6
KEY = ["k"]


def rows(*pairs: tuple[int, int]) -> pa.Table:
    return pa.table({"k": [k for k, _ in pairs], "v": [v for _, v in pairs]})


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Versions 0 (empty) to 6: rows, then a merge each that rewrites a file and leaves its changes; checkpoints at 2 and 4."""
    lake = Lake(str(tmp_path / "a lake"))
    lake.create(NAME, rows().cast(pa.schema([("k", pa.int64()), ("v", pa.int64())])).schema)
    lake.append(NAME, rows((1, 0), (2, 0)))
    for value in range(1, 6):
        lake.merge(NAME, rows((2, value), (10 + value, 0)), KEY)
        if lake.version(NAME) in (2, 4):
            lake.open(NAME).create_checkpoint()
    assert lake.version(NAME) == NEWEST
    return lake


def age(lake: Lake, days: int = 400) -> None:
    """As if all of the table had been written long ago, and what was removed had been removed then."""
    then = time.time() - days * 86400
    for file in Path(lake.path(NAME)).rglob("*"):
        os.utime(file, (then, then))


def content(lake: Lake, version: int) -> list[dict[str, int]]:
    return sorted(lake.read(NAME, version).to_pylist(), key=lambda row: row["k"])


def changes(lake: Lake, since: int) -> int:
    found = lake.feed(NAME, since, NEWEST)
    assert found is not None
    return found.num_rows


def test_needed_versions_and_the_changes_since_one_stay(lake: Lake) -> None:
    before = {version: content(lake, version) for version in (2, 4, 5, NEWEST)}, changes(lake, 4)
    age(lake)
    removed = vacuum(lake, NAME, keep=[2], since=4, hours=0)
    assert removed.files
    assert removed.bytes
    assert ({version: content(lake, version) for version in (2, 4, 5, NEWEST)}, changes(lake, 4)) == before
    with pytest.raises((DeltaError, PermanentFailure, OSError)):
        content(lake, 3)
    assert vacuum(lake, NAME, keep=[2], since=4, hours=0) == Removed()


def test_the_log_is_cut_where_no_needed_version_is_read_through_it(lake: Lake) -> None:
    age(lake)
    assert vacuum(lake, NAME, keep=[3], hours=0).entries == 2  # 0 and 1: version 3 is read from the checkpoint of 2
    log = sorted(file.name[:20].lstrip("0") for file in (Path(lake.path(NAME)) / "_delta_log").glob("*.json"))
    assert log == ["2", "3", "4", "5", "6"]
    assert content(lake, 3)[1] == {"k": 2, "v": 2}
    assert vacuum(lake, NAME, hours=0).entries == 3  # 2, its checkpoint, and 3
    assert content(lake, NEWEST)[1] == {"k": 2, "v": 5}
    assert vacuum(lake, NAME, keep=[3], hours=0) == Removed()  # it is gone, and protects nothing


def test_a_log_as_old_as_can_be_is_not_cleaned_by_writing(lake: Lake) -> None:
    """delta-rs would take the entries of every version before a checkpoint that it makes itself."""
    age(lake)
    for value in range(100):
        lake.append(NAME, rows((100 + value, 0)))
        age(lake)
    assert lake.open(NAME).version() == NEWEST + 100
    assert (Path(lake.path(NAME)) / "_delta_log" / f"{99:020}.checkpoint.parquet").exists()
    assert content(lake, 1) == [{"k": 1, "v": 0}, {"k": 2, "v": 0}]


def test_change_files_go_with_the_last_version_that_is_asked_from(lake: Lake) -> None:
    folder = Path(lake.path(NAME)) / "_change_data"
    assert len(list(folder.rglob("*.parquet"))) == 5
    age(lake)
    vacuum(lake, NAME, since=4, hours=0)
    assert len(list(folder.rglob("*.parquet"))) == 2
    assert changes(lake, 4) == 6
    assert lake.feed(NAME, 3, NEWEST) is None
    vacuum(lake, NAME, hours=0)
    assert not folder.exists()


def test_what_a_killed_step_staged_goes_when_it_is_old(lake: Lake) -> None:
    staged = Path(lake.stage(NAME))
    staged.mkdir()
    (staged / "part-0.parquet").write_bytes(b"half")
    vacuum(lake, NAME, hours=1)
    assert staged.exists()
    age(lake)
    vacuum(lake, NAME, hours=1)
    assert not staged.exists()


def test_what_is_young_stays_and_a_dry_run_removes_nothing(lake: Lake) -> None:
    files = sorted(Path(lake.root).rglob("*"))
    assert vacuum(lake, NAME, hours=1) == Removed()
    age(lake)
    would = vacuum(lake, NAME, hours=0, dry_run=True)
    assert would.files
    assert would.entries
    assert sorted(Path(lake.root).rglob("*")) == files
    assert vacuum(lake, NAME, hours=0) == would


@pytest.mark.parametrize("point", ["vacuum.removed", "vacuum.removed:5", "vacuum.forgotten", "vacuum.forgotten:2"])
def test_a_kill_leaves_every_needed_version_and_the_rest_to_the_next(lake: Lake, point: str) -> None:
    before = content(lake, 4), content(lake, NEWEST), changes(lake, 4)
    age(lake)
    code = f"from lake.delta import Lake; from lake.vacuum import vacuum; vacuum(Lake({lake.root!r}), {NAME!r}, since=4, hours=0)"
    killed = subprocess.run([sys.executable, "-c", code], env={**os.environ, "CARTLAKE_CRASH": point}, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (content(lake, 4), content(lake, NEWEST), changes(lake, 4)) == before
    vacuum(lake, NAME, since=4, hours=0)
    assert (content(lake, 4), content(lake, NEWEST), changes(lake, 4)) == before
    assert vacuum(lake, NAME, since=4, hours=0) == Removed()


def test_another_tool_reads_the_table_as_before(lake: Lake) -> None:
    age(lake)
    before = DeltaTable(lake.path(NAME)).to_pyarrow_table().num_rows
    vacuum(lake, NAME, hours=0)
    assert DeltaTable(lake.path(NAME)).to_pyarrow_table().num_rows == before == 7
