"""Going back to a kept release: its rows to the last one, under a new number, whole after a kill, and a way forward."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lake.errors import UsageError
from warehouse.release import releases
from warehouse.rollback import rollback

ROOT = Path(__file__).resolve().parents[2]
CHECKSUM = "SELECT count(*), bit_xor(hash(f)) FROM gold.fact_sales f"
ROLLBACK = """
import sys
from pathlib import Path
from lake.config import load
from lake.errors import CartlakeError
from warehouse.rollback import rollback
try:
    rollback(load(Path(sys.argv[1]), {}), int(sys.argv[2]))
except CartlakeError as error:
    print(error)
    sys.exit(3)
"""


def rollback_apart(gold: Any, number: int, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Go back in a process of its own."""
    command = [sys.executable, "-c", ROLLBACK, str(gold.settings.home / "cartlake.toml"), str(number)]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120)


@pytest.fixture
def three(gold: Any) -> Any:
    """Three releases: one more sale in each of the later two."""
    gold.add_sales(20)
    gold.publish()
    for number in (100, 101):
        gold.lake.append("gold.fact_sales", gold.sales(gold.sale(number)))
        gold.publish()
    return gold


def test_it_restores_checksums_under_a_new_number(three: Any) -> None:
    newest = three.ask(CHECKSUM)
    assert rollback(three.settings, 1) == 4
    assert three.ask("SELECT count(*) FROM gold.fact_sales") == [(20,)]
    restored = three.ask(CHECKSUM)
    assert restored != newest
    assert rollback(three.settings, 3) == 5
    assert three.ask(CHECKSUM) == newest
    assert rollback(three.settings, 1) == 6
    assert three.ask(CHECKSUM) == restored
    assert three.ask("SELECT release FROM meta.releases ORDER BY 1") == [(n,) for n in range(1, 7)]
    assert [release.number for release in releases(three.settings)] == [2, 3, 4, 5, 6]


def test_the_next_publish_brings_the_lake_s_state_again(three: Any) -> None:
    rollback(three.settings, 1)
    report = three.publish()
    assert report.release == 5
    assert three.how(report) == "changes"
    three.assert_equal()


def test_a_table_that_came_later_is_gone_and_comes_again(three: Any) -> None:
    three.add("gold.dim_day", three.sales(three.sale(1)), ["sale_id"])
    three.publish()
    rollback(three.settings, 1)
    assert three.ask("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'gold'") == [("fact_sales",)]
    three.publish()
    three.assert_equal()


def test_the_newest_and_what_is_not_kept_are_refused(three: Any) -> None:
    with pytest.raises(UsageError, match="release 3 is the newest one"):
        rollback(three.settings, 3)
    with pytest.raises(UsageError, match="release 9 is not kept; there are: 1 "):
        rollback(three.settings, 9)
    assert [release.number for release in releases(three.settings)] == [1, 2, 3]


def test_a_kill_at_any_point_leaves_one_whole_release(three: Any, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    sweep = three.settings.data / "releases" / "000001.duckdb"
    assert sweep.exists()
    assert rollback_apart(three, 1, CARTLAKE_CRASH_LEDGER=str(ledger)).returncode == 0
    points = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert {visit["point"] for visit in points} >= {"rollback.recorded", "publish.before_swap", "publish.released"}
    for visit in points:
        if not sweep.exists():
            break  # only the newest five are kept, and `keep` is the last thing that happens
        killed = rollback_apart(three, 1, CARTLAKE_CRASH=f"{visit['point']}:{visit['visit']}")
        assert killed.returncode == -signal.SIGKILL, (visit, killed.stderr)
        assert three.ask("SELECT count(*) FROM gold.fact_sales") == [(20,)], visit
    three.publish()
    three.assert_equal()


def test_a_disk_that_fills_up_anywhere_leaves_the_old_release_serving(gold: Any, small_disk: Path) -> None:
    """Go back with ever more room, until it is enough: each time it ends a little later, and each time nothing has happened."""
    many = (gold.sale(number, f"{number * 7919 % 99991}.13") for number in range(120_000))
    gold.add("gold.fact_sales", gold.sales(*many), ["sale_id"], ["sale_month"])
    gold.publish()
    first = gold.ask(CHECKSUM)
    gold.lake.append("gold.fact_sales", gold.sales(gold.sale(200_000)))
    gold.publish()
    newest = gold.ask(CHECKSUM)
    ballast = small_disk / "ballast"
    failures = 0
    for room in range(1, 20):
        ballast.unlink(missing_ok=True)
        ballast.write_bytes(b"x" * (shutil.disk_usage(small_disk).free - room * 2**20))
        starved = rollback_apart(gold, 1)
        if starved.returncode == 0:
            break
        failures += 1
        assert starved.returncode == 3, (room, starved.stdout, starved.stderr)
        assert len(starved.stdout.splitlines()) == 1
        assert starved.stdout.startswith("rollback: no room to write in ")
        assert "release 2 still serves" in starved.stdout
        assert gold.ask(CHECKSUM) == newest
        assert sorted(file.name for file in (small_disk / "releases").iterdir()) == ["000001.duckdb", "000002.duckdb"]
        assert not list(small_disk.glob("warehouse.duckdb.*"))
    assert failures >= 3
    assert gold.ask(CHECKSUM) == first
