"""A stream's files, read in order, give the table; each change is in one of them, whatever is killed or taken away meanwhile."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import cartlake
from lake.errors import PermanentFailure, UsageError
from lake.lock import hold
from warehouse import stream
from warehouse.files import Shelf
from warehouse.rollback import rollback
from warehouse.stream import consume

ROOT = Path(__file__).resolve().parents[2]
CONSUME = """
import sys
from pathlib import Path
from lake.config import load
from warehouse.stream import consume
consume(load(Path(sys.argv[1]), {}), "gold.fact_sales", from_start=len(sys.argv) > 2)
"""


@pytest.fixture
def shop(gold: Any) -> Any:
    """One release: a fact of twenty sales, and a dimension that never changes."""
    gold.add_sales(20)
    gold.add("gold.dim_day", gold.sales(gold.sale(1)), ["sale_id"])
    gold.publish()
    return gold


def sell(gold: Any, *numbers: int) -> None:
    """A release with more sales, and another amount for sale 3."""
    rows = [gold.sale(number) for number in numbers]
    gold.lake.merge("gold.fact_sales", gold.sales(gold.sale(3, f"{numbers[0]}.50"), *rows), ["sale_id"])
    gold.publish()


def consume_apart(gold: Any, *more: str, **environment: str) -> int:
    """Consume in a process of its own; its exit status."""
    command = [sys.executable, "-c", CONSUME, str(gold.settings.home / "cartlake.toml"), *more]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, timeout=120).returncode


def files(gold: Any, name: str = "gold.fact_sales") -> list[str]:
    return sorted(file.name for file in (gold.settings.data / "streams" / name).iterdir() if file.name != "stream.json")


def replayed(*found: Path) -> Counter[str]:
    """The rows that a reader has who applied the files in their order, each as one text."""
    rows: Counter[str] = Counter()
    for file in found:
        changed = pq.read_table(file).to_pylist()
        for row in sorted(changed, key=lambda row: row["_change"] in ("insert", "update_postimage")):
            word = row.pop("_change")
            rows[repr(sorted(row.items()))] += 1 if word in ("insert", "update_postimage") else -1
            assert min(rows.values()) >= 0
    return +rows


def assert_whole(gold: Any, *found: Path) -> None:
    assert replayed(*found) == Counter(repr(sorted(row.items())) for row in gold.rows("gold.fact_sales"))


def test_the_files_in_order_give_the_table(shop: Any) -> None:
    first = consume(shop.settings, "gold.fact_sales")
    assert (first.since, first.release, first.rows) == (0, 1, 20)
    sell(shop, 100)
    second = consume(shop.settings, "fact_sales")
    assert (second.since, second.release, second.rows) == (1, 2, 3)  # sale 3 before and after, and the new one
    sell(shop, 101)
    sell(shop, 102, 103)
    third = consume(shop.settings, "gold.fact_sales")
    assert (third.since, third.release, third.rows) == (2, 4, 5)
    assert files(shop) == ["000000-000001.parquet", "000001-000002.parquet", "000002-000004.parquet"]
    assert_whole(shop, *(report.file for report in (first, second, third) if report.file))


def test_nothing_new_writes_nothing(shop: Any) -> None:
    consume(shop.settings, "gold.fact_sales")
    again = consume(shop.settings, "gold.fact_sales")
    assert (again.rows, again.file) == (0, None)
    shop.lake.overwrite("gold.fact_sales", shop.lake.read("gold.fact_sales"))  # another version, the same rows
    shop.publish()
    assert consume(shop.settings, "gold.fact_sales").file is None
    assert files(shop) == ["000000-000001.parquet"]


def test_a_file_that_was_taken_away_is_not_written_again(shop: Any) -> None:
    first = consume(shop.settings, "gold.fact_sales").file
    assert first is not None
    first.unlink()
    assert consume(shop.settings, "gold.fact_sales").file is None
    sell(shop, 100)
    assert consume(shop.settings, "gold.fact_sales").rows == 3


def test_a_kill_at_any_point_neither_loses_nor_doubles(shop: Any, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    assert consume_apart(shop, CARTLAKE_CRASH_LEDGER=str(ledger)) == 0
    points = [json.loads(line)["point"] for line in ledger.read_text().splitlines()]
    assert points == ["stream.writing", "stream.written", "stream.committed", "stream.named"]
    inbox: list[Path] = []

    def pick_up() -> None:
        for name in files(shop):
            if name.endswith(".parquet"):
                inbox.append(tmp_path / name)
                (shop.settings.data / "streams" / "gold.fact_sales" / name).rename(inbox[-1])

    pick_up()
    for number, point in enumerate(points):
        sell(shop, 100 + number)
        assert consume_apart(shop, CARTLAKE_CRASH=point) == -signal.SIGKILL, point
        pick_up()  # what is there by now may go at once
        assert consume_apart(shop) == 0
        pick_up()
        assert_whole(shop, *sorted(inbox))
    assert files(shop) == []


def test_a_kill_while_a_file_is_written_anew_leaves_no_half_of_it(shop: Any) -> None:
    first = consume(shop.settings, "gold.fact_sales").file
    assert first
    first.unlink()
    assert consume_apart(shop, "--from-start", CARTLAKE_CRASH="stream.writing") == -signal.SIGKILL
    assert consume(shop.settings, "gold.fact_sales").file is None
    assert files(shop) == []


def test_releases_that_are_gone_do_no_harm_to_a_table_that_stayed_as_it_was(shop: Any) -> None:
    consume(shop.settings, "gold.dim_day")
    for number in range(6):
        sell(shop, 100 + number)
    assert 1 not in Shelf.of(shop.settings).numbers()
    assert consume(shop.settings, "gold.dim_day").file is None
    shop.lake.append("gold.dim_day", shop.sales(shop.sale(2)))
    shop.publish()
    assert (consume(shop.settings, "gold.dim_day").rows, files(shop, "gold.dim_day")[-1]) == (1, "000007-000008.parquet")


def test_a_stream_that_never_looked_finds_its_place_where_the_table_is_still_as_it_was(shop: Any) -> None:
    consume(shop.settings, "gold.dim_day")
    for number in range(6):
        sell(shop, 100 + number)
    shop.lake.append("gold.dim_day", shop.sales(shop.sale(2)))
    shop.publish()
    report = consume(shop.settings, "gold.dim_day")  # release 1 is gone, 3 to 7 have the table as 1 had it
    assert (report.since, report.release, report.rows) == (1, 8, 1)


def test_lost_changes_are_told_with_the_way_out(shop: Any) -> None:
    consume(shop.settings, "gold.fact_sales", "billing")
    for number in range(6):
        sell(shop, 100 + number)
    told = "release 1, which it consumed last, .*3 to 7.*cartlake stream gold.fact_sales --name billing --from-start"
    with pytest.raises(PermanentFailure, match=told):
        consume(shop.settings, "gold.fact_sales", "billing")
    assert files(shop, "billing") == ["000000-000001.parquet"]
    anew = consume(shop.settings, "gold.fact_sales", "billing", from_start=True)
    assert (anew.since, anew.release, anew.rows) == (0, 7, 26)
    assert anew.file is not None
    assert_whole(shop, anew.file)
    assert consume(shop.settings, "gold.fact_sales", "billing").file is None


def test_going_back_is_a_change_like_any_other(shop: Any) -> None:
    first = consume(shop.settings, "gold.fact_sales").file
    sell(shop, 100)
    second = consume(shop.settings, "gold.fact_sales").file
    rollback(shop.settings, 1)
    third = consume(shop.settings, "gold.fact_sales")
    assert third.rows == 3
    assert first
    assert second
    assert third.file
    assert_whole(shop, first, second, third.file)


def test_two_streams_of_a_table_each_get_everything(shop: Any) -> None:
    consume(shop.settings, "gold.fact_sales")
    sell(shop, 100)
    assert consume(shop.settings, "gold.fact_sales").rows == 3
    assert consume(shop.settings, "gold.fact_sales", "billing").rows == 21
    with pytest.raises(UsageError, match=r"stream billing is of gold.fact_sales; name this one otherwise"):
        consume(shop.settings, "gold.dim_day", "billing")


def test_what_cannot_be_is_refused(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"no table gold.fact_sale; did you mean gold.fact_sales"):
        consume(shop.settings, "gold.fact_sale")
    with pytest.raises(UsageError, match=r"--name ../else: expected letters"):
        consume(shop.settings, "gold.fact_sales", "../else")
    shop.tables = shop.tables[:1]
    shop.publish()
    with pytest.raises(UsageError, match=r"release 2 has no table gold.dim_day, so no stream can begin with it"):
        consume(shop.settings, "gold.dim_day")
    monkeypatch.setattr(stream, "WAIT_SECONDS", 0.0)
    with hold(shop.settings.data, "stream-gold.fact_sales"), pytest.raises(Exception, match="another run holds the lock"):
        consume(shop.settings, "gold.fact_sales")


def test_a_table_that_goes_ends_in_deletes(shop: Any) -> None:
    consume(shop.settings, "gold.dim_day")
    shop.tables = shop.tables[:1]
    shop.publish()
    gone = consume(shop.settings, "gold.dim_day")
    assert gone.file is not None
    assert pq.read_table(gone.file)["_change"].to_pylist() == ["delete"]
    sell(shop, 100)
    assert consume(shop.settings, "gold.dim_day").file is None


def test_a_state_that_is_damaged_is_named(shop: Any) -> None:
    consume(shop.settings, "gold.fact_sales")
    state = shop.settings.data / "streams" / "gold.fact_sales" / "stream.json"
    state.write_text("{")
    with pytest.raises(PermanentFailure, match=r"stream.json is not as it was written"):
        consume(shop.settings, "gold.fact_sales")


def test_the_command_says_what_it_wrote(shop: Any) -> None:
    def call(*more: str) -> str:
        config = str(shop.settings.home / "cartlake.toml")
        result = CliRunner().invoke(cartlake.main, ["--config", config, "stream", "gold.fact_sales", *more])
        assert result.exit_code == 0, result.output
        return result.output

    assert "000000-000001.parquet" in call()
    assert "nothing new since release 1" in call()
    assert "000000-000001.parquet" in call("--from-start")
