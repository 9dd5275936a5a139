"""A publish that is killed, starved of disk, or read from meanwhile leaves one whole release, always."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest

from warehouse import query
from warehouse.files import Shelf

ROOT = Path(__file__).resolve().parents[2]
PUBLISH = """
import json, sys
from pathlib import Path
from lake.config import load
from lake.delta import Lake
from lake.errors import CartlakeError
from warehouse.describe import Published, pin
from warehouse.publish import make_release

settings = load(Path(sys.argv[1]), {})
lake = Lake(settings.lake_root)
try:
    make_release(settings, lake, pin(lake, [Published(name, tuple(key)) for name, key in json.loads(sys.argv[2])]))
except CartlakeError as error:
    print(error)
    sys.exit(3)
"""


def publish_apart(gold: Any, limit: int | None = None, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Publish in a process of its own; `limit`: the largest file in bytes that it may write."""
    tables = json.dumps([(table.name, table.key) for table in gold.tables])
    command = [sys.executable, "-c", PUBLISH, str(gold.settings.home / "cartlake.toml"), tables]
    shell = ["/bin/sh", "-c", f'ulimit -f {limit // 512}; exec "$@"', "sh", *command] if limit else command
    return subprocess.run(shell, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120)


def change(gold: Any) -> None:
    gold.lake.merge(
        "gold.fact_sales", gold.sales(gold.sale(3, "9.99"), gold.sale(4, "8.88"), gold.sale(500, "7.77")), ["sale_id"]
    )


def points(gold: Any, tmp_path: Path) -> list[str]:
    """Crash points of one publish, in the order of their visits, from the ledger of an undisturbed run."""
    ledger = tmp_path / "ledger"
    assert publish_apart(gold, CARTLAKE_CRASH_LEDGER=str(ledger)).returncode == 0
    visits = [json.loads(line) for line in ledger.read_text().splitlines()]
    return [f"{visit['point']}:{visit['visit']}" for visit in visits if visit["point"].startswith("publish.")]


def test_a_kill_at_any_point_leaves_one_whole_release_and_the_next_publish_is_right(gold: Any, tmp_path: Path) -> None:
    gold.settings = gold.settings.model_copy(update={"warehouse": gold.settings.warehouse.model_copy(update={"keep": 2})})
    toml = gold.settings.home / "cartlake.toml"
    toml.write_text(toml.read_text().replace("keep = 5 ", "keep = 2 "))
    gold.add_sales(30)
    gold.add("gold.dim_day", gold.sales(gold.sale(1)), ["sale_id"])
    gold.publish()
    change(gold)
    gold.publish()
    change_number = 1000
    gold.lake.append("gold.fact_sales", gold.sales(gold.sale(change_number)))
    sweep = points(gold, tmp_path)
    assert {point.partition(":")[0] for point in sweep} >= {
        "publish.copied",
        "publish.table",
        "publish.applied",
        "publish.checked",
        "publish.before_swap",
        "publish.released",
        "publish.swapped",
        "publish.dropped",
    }
    for point in sweep:
        before = gold.rows("gold.fact_sales")
        change_number += 1
        gold.lake.append("gold.fact_sales", gold.sales(gold.sale(change_number)))
        killed = publish_apart(gold, CARTLAKE_CRASH=point)
        assert killed.returncode == -signal.SIGKILL, (point, killed.stderr)
        for rows in (gold.rows("gold.fact_sales"), newest_rows(gold)):
            assert rows in (before, gold.lake_rows("gold.fact_sales")), point
        gold.publish()
        gold.assert_equal()
        assert newest_rows(gold) == gold.lake_rows("gold.fact_sales"), point
        numbers = Shelf.of(gold.settings).numbers()
        assert sorted(file.name for file in (gold.settings.data / "releases").iterdir()) == [f"{n:06}.duckdb" for n in numbers], (
            point
        )
        assert not list(gold.settings.data.glob("warehouse.duckdb.*")), point
        assert len(numbers) == 2, point
    numbers = [row[0] for row in gold.ask("SELECT release FROM meta.releases ORDER BY 1")]
    assert numbers == list(range(1, len(numbers) + 1))


def newest_rows(gold: Any) -> list[dict[str, Any]]:
    """The fact as `cartlake sql` has it."""
    with query.connect(gold.settings, live=False) as connection:
        rows = connection.execute("FROM gold.fact_sales").to_arrow_table()
        columns = sorted(rows.column_names)
        return sorted(rows.select(columns).to_pylist(), key=lambda row: [repr(row[column]) for column in columns])


@pytest.mark.parametrize("publishes", [9, pytest.param(50, marks=pytest.mark.soak)])
def test_readers_see_exactly_one_release_while_publishes_happen(gold: Any, publishes: int) -> None:
    """Every row of the fact and of the dimension carries the number of its release; a reader must never see two numbers."""

    def stamp(number: int) -> None:
        rows = [gold.sale(sale, f"{number}.00") for sale in range(200)]
        for name in ("gold.fact_sales", "gold.agg_sales"):
            gold.lake.overwrite(name, gold.sales(*rows))

    gold.add_sales(1)
    gold.add("gold.agg_sales", gold.sales(gold.sale(1)), ["sale_id"])
    stamp(1)
    gold.publish()
    question = "SELECT DISTINCT amount FROM gold.fact_sales UNION SELECT DISTINCT amount FROM gold.agg_sales"
    done = threading.Event()
    seen: list[list[tuple[Any, ...]]] = []
    failures: list[str] = []
    processes = [
        subprocess.Popen(_reader(gold, question), cwd=ROOT, stdout=subprocess.PIPE, text=True, stdin=subprocess.PIPE)
        for _ in range(2)
    ]

    def read() -> None:
        while not done.is_set():
            try:
                with query.connect(gold.settings, live=False) as connection:
                    seen.append(connection.execute(question).fetchall())
            except Exception as error:  # any failure of a reader is what this test looks for
                failures.append(repr(error))

    thread = threading.Thread(target=read)
    thread.start()
    try:
        for number in range(2, publishes + 1):
            stamp(number)
            assert gold.publish().release == number
    finally:
        done.set()
        thread.join()
        outputs = [process.communicate("stop\n", timeout=60)[0] for process in processes]
    assert not failures
    apart = [json.loads(line) for output in outputs for line in output.splitlines()]
    assert all(process.returncode == 0 for process in processes)
    assert len(seen) > 10
    assert len(apart) > 10
    assert all(len(rows) == 1 for rows in [*seen, *apart])
    assert len({rows[0] for rows in seen}) > 1


def _reader(gold: Any, question: str) -> list[str]:
    """A process that asks the served file, opened anew each time, until it is told to stop."""
    program = """
import duckdb, json, select, sys
while not select.select([sys.stdin], [], [], 0)[0]:
    with duckdb.connect(sys.argv[1], read_only=True) as connection:
        print(json.dumps([str(row[0]) for row in connection.execute(sys.argv[2]).fetchall()]))
"""
    return [sys.executable, "-c", program, str(gold.settings.warehouse.path), question]


def test_an_open_connection_keeps_its_release(gold: Any) -> None:
    gold.add_sales(5)
    gold.publish()
    with query.connect(gold.settings, live=False) as old:
        for number in range(8):
            gold.lake.append("gold.fact_sales", gold.sales(gold.sale(100 + number)))
            gold.publish()
        assert not Shelf.of(gold.settings).file(1).exists()
        assert old.execute("SELECT count(*) FROM gold.fact_sales").fetchall() == [(5,)]
        with query.connect(gold.settings, live=False) as new:
            assert new.execute("SELECT count(*) FROM gold.fact_sales").fetchall() == [(13,)]


def test_a_file_that_may_not_grow_is_a_full_disk_in_one_line(gold: Any) -> None:
    gold.add_sales(5)
    gold.publish()
    gold.lake.append(
        "gold.fact_sales", gold.sales(*(gold.sale(number, f"{number * 7919 % 99991}.13") for number in range(100, 120_000)))
    )
    starved = publish_apart(gold, limit=3 * 2**20)
    assert starved.returncode == 3, starved.stderr
    _assert_told(gold, starved.stdout)


def test_a_disk_that_fills_up_anywhere_leaves_the_old_release_serving(gold: Any, small_disk: Path) -> None:
    """Publish with ever more room, until it has enough: each time it ends a little later, and each time nothing has happened."""
    gold.add_sales(5)
    gold.publish()
    # A new table goes straight into the file, without a log: so the copy that is to be served needs the most room.
    many = (gold.sale(number, f"{number * 7919 % 99991}.13") for number in range(100, 120_000))
    gold.add("gold.fact_big", gold.sales(*many), ["sale_id"])
    ballast = small_disk / "ballast"
    failures = 0
    for room in range(1, 20):
        ballast.unlink(missing_ok=True)
        ballast.write_bytes(b"x" * (shutil.disk_usage(small_disk).free - room * 2**20))
        starved = publish_apart(gold)
        if starved.returncode == 0:
            break
        failures += 1
        assert starved.returncode == 3, (room, starved.stdout, starved.stderr)
        _assert_told(gold, starved.stdout)
    assert failures >= 3
    gold.assert_equal()


def _assert_told(gold: Any, line: str) -> None:
    assert len(line.splitlines()) == 1
    assert line.startswith("publish: no room to write")
    assert "release 1 still serves" in line
    assert gold.ask("SELECT count(*) FROM gold.fact_sales") == [(5,)]
    assert [file.name for file in (gold.settings.data / "releases").iterdir()] == ["000001.duckdb"]
    assert not list(gold.settings.data.glob("warehouse.duckdb.*"))


def test_the_log_of_somebodys_session_does_not_reach_the_next_release(gold: Any) -> None:
    """DuckDB replays a write-ahead log into any file of that name: a session that was killed must not change a release."""
    gold.add_sales(5)
    gold.publish()
    path = gold.settings.warehouse.path
    program = """
import duckdb, sys
c = duckdb.connect(sys.argv[1])
c.execute('DELETE FROM gold.fact_sales')
print('ok', flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as somebody:
        assert somebody.stdout is not None
        assert somebody.stdout.readline() == "ok\n"
        assert path.with_name("warehouse.duckdb.wal").exists()
        gold.lake.append("gold.fact_sales", gold.sales(gold.sale(100)))
        gold.publish()
        somebody.kill()
    duckdb.connect(str(path)).close()
    gold.assert_equal()


def test_the_duckdb_command_opens_the_file_and_lists_its_tables(gold: Any) -> None:
    gold.add_sales(5)
    gold.publish()
    command = Path(sys.executable).with_name("duckdb")
    with query.connect(gold.settings):  # a reader of ours does not lock it out
        started = time.monotonic()
        shown = subprocess.run(
            [command, gold.settings.warehouse.path, "-csv", "-c", "SHOW ALL TABLES"], capture_output=True, text=True
        )
    assert shown.returncode == 0, shown.stderr
    assert "fact_sales" in shown.stdout
    assert time.monotonic() - started < 20
