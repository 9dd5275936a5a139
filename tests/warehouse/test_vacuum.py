"""Vacuum leaves every kept release its Delta tables, and the next publish its changes, however old all of it is."""

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake.exceptions import DeltaError

from lake.errors import PermanentFailure, TransientFailure
from lake.lock import hold
from warehouse.files import Shelf
from warehouse.release import releases
from warehouse.vacuum import TRAININGS, vacuum

FACT = "gold.fact_sales"
KEPT = 3


def age(gold: Any, days: int = 400) -> None:
    """As if nothing had been written for a long time."""
    then = time.time() - days * 86400
    for file in Path(gold.settings.lake_root).rglob("*"):
        os.utime(file, (then, then))


@pytest.fixture
def gold(make_gold: Callable[..., Any]) -> Any:
    """Five releases, of which three are kept: a sale changed before each, and there are checkpoints in between."""
    gold = make_gold()
    warehouse = gold.settings.warehouse.model_copy(update={"keep": KEPT})
    gold.settings = gold.settings.model_copy(update={"warehouse": warehouse})
    gold.add_sales(40)
    for number in range(1, 6):
        gold.lake.merge(FACT, gold.sales(gold.sale(number, f"{number}00.00")), ["sale_id"])
        gold.lake.merge(FACT, gold.sales(gold.sale(100 + number)), ["sale_id"])
        gold.lake.open(FACT).create_checkpoint()
        gold.publish()
    return gold


def versions(gold: Any) -> dict[int, int]:
    """Release -> the fact's Delta version, of every release that ever was."""
    return dict(gold.ask(f"select release, delta_version from meta.release_tables where \"table\" = '{FACT}'"))


def revenue(gold: Any, version: int) -> Any:
    return sum(row["amount"] for row in gold.lake.read(FACT, version).to_pylist())


def test_every_kept_release_can_be_read_in_the_lake_and_the_others_cannot(gold: Any) -> None:
    kept = [release.number for release in releases(gold.settings)]
    assert kept == [3, 4, 5]
    at = versions(gold)
    before = {number: revenue(gold, at[number]) for number in kept}
    age(gold)
    report = vacuum(gold.settings)
    assert report.errors == {}
    assert report.tables[FACT].files
    assert report.tables[FACT].entries
    assert {number: revenue(gold, at[number]) for number in kept} == before
    with pytest.raises((DeltaError, PermanentFailure, OSError)):
        revenue(gold, at[2])
    gold.assert_equal()
    assert vacuum(gold.settings).rows() == []


def test_the_next_publish_applies_changes_as_before(gold: Any) -> None:
    age(gold)
    gold.lake.merge(FACT, gold.sales(gold.sale(7, "77.00")), ["sale_id"])
    age(gold)
    vacuum(gold.settings)
    report = gold.publish()
    assert gold.how(report) == "changes"
    gold.assert_equal()


def test_what_a_model_was_trained_on_stays_for_its_last_trainings(gold: Any) -> None:
    at = versions(gold)
    ml = gold.settings.ml.model_copy(update={"keep": 1})
    gold.settings = gold.settings.model_copy(update={"ml": ml})
    for minute, version in enumerate((at[1], at[2])):
        row = {"model": "any", "trained_at": datetime(2026, 1, 1, 0, minute, tzinfo=UTC), "versions": json.dumps({FACT: version})}
        rows = pa.Table.from_pylist([row])
        gold.lake.create(TRAININGS, rows.schema)
        gold.lake.append(TRAININGS, rows)
    before = revenue(gold, at[2])
    age(gold)
    vacuum(gold.settings)
    assert revenue(gold, at[2]) == before
    with pytest.raises((DeltaError, PermanentFailure, OSError)):
        revenue(gold, at[1])


def test_what_the_models_in_use_were_trained_on_stays(gold: Any) -> None:
    at = versions(gold)
    before = revenue(gold, at[1])
    age(gold)
    vacuum(gold.settings, trained_on=lambda: [(FACT, at[1])])
    assert revenue(gold, at[1]) == before
    vacuum(gold.settings)
    with pytest.raises((DeltaError, PermanentFailure, OSError)):
        revenue(gold, at[1])


def test_a_release_that_was_gone_back_to_is_protected_too(gold: Any) -> None:
    from warehouse.rollback import rollback

    rollback(gold.settings, 4)
    age(gold)
    vacuum(gold.settings)
    report = gold.publish()
    assert gold.how(report) == "changes"
    gold.assert_equal()


def test_a_dry_run_says_what_a_run_removes(gold: Any) -> None:
    age(gold)
    files = sorted(Path(gold.settings.lake_root).rglob("*"))
    would = vacuum(gold.settings, dry_run=True)
    assert sorted(Path(gold.settings.lake_root).rglob("*")) == files
    assert vacuum(gold.settings).rows() == would.rows() != []


def test_what_was_let_go_lately_stays(gold: Any) -> None:
    at = versions(gold)
    assert vacuum(gold.settings).rows() == []
    assert revenue(gold, at[1])


def test_a_publish_at_work_is_waited_for(gold: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warehouse.vacuum.WAIT_SECONDS", 0.2)
    with hold(gold.settings.data, "publish"), pytest.raises(TransientFailure, match="publish: another run holds the lock"):
        vacuum(gold.settings)


def test_bronze_that_is_being_captured_is_left_alone(gold: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warehouse.vacuum._SOURCE_WAIT_SECONDS", 0.2)
    bronze = Path(gold.settings.lake_root) / "bronze" / "shop" / "db" / "t"
    gold.lake.create("bronze.shop.db.t", gold.sales().schema)
    (bronze / "staged-1").mkdir()
    (bronze / "staged-1" / "part.parquet").write_bytes(b"half of a snapshot that takes weeks")
    age(gold)
    with hold(gold.settings.data, "source-shop"):
        report = vacuum(gold.settings)
    assert "another run holds the lock" in report.errors["bronze.shop"]
    assert report.tables[FACT].files
    assert (bronze / "staged-1" / "part.parquet").exists()
    assert vacuum(gold.settings).tables["bronze.shop.db.t"].files == 1
    assert Shelf.of(gold.settings).numbers() == [3, 4, 5]


def test_a_table_that_cannot_be_read_is_named_and_the_others_are_done(gold: Any) -> None:
    gold.add("gold.broken", gold.sales(gold.sale(1)))
    (Path(gold.lake.path("gold.broken")) / "_delta_log" / f"{1:020}.json").write_text("no JSON")
    age(gold)
    report = vacuum(gold.settings)
    assert list(report.errors) == ["gold.broken"]
    assert report.tables[FACT].files


def test_tables_below_ref_are_their_owner_s(gold: Any) -> None:
    gold.lake.create("ref.theirs", gold.sales().schema)
    for number in range(3):
        gold.lake.overwrite("ref.theirs", gold.sales(gold.sale(number)))
    age(gold)
    assert not any(name.startswith("ref.") for name in vacuum(gold.settings).tables)
    assert gold.lake.read("ref.theirs", 1).num_rows == 1
