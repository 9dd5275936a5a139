"""A dropped clone can be brought back for a while, and is gone for good after it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lake.errors import UsageError
from warehouse.clones import make, session, shelf
from warehouse.query import run_sql
from warehouse.vacuum import vacuum


@pytest.fixture
def gold(make_gold: Callable[..., Any]) -> Any:
    gold = make_gold()
    gold.add_sales(10)
    gold.publish()
    make.clone(gold.settings, "try")
    with session.connect(gold.settings, "try") as connection:
        run_sql(connection, "delete from gold.fact_sales where sale_id > 2; create table notes as select 1 as a")
    return gold


def dropped_days_ago(gold: Any, days: float) -> None:
    """Drop it, as if that had been so long ago."""
    shelf.drop(gold.settings, "try")
    aside = next((gold.settings.data / "clones" / ".dropped").iterdir())
    then = datetime.now(UTC) - timedelta(days=days)
    aside.rename(aside.with_name(f"try-{int(then.timestamp() * 1e6)}"))


def test_it_comes_back_as_it_was(gold: Any) -> None:
    shelf.drop(gold.settings, "try")
    assert shelf.clones(gold.settings) == []
    assert [clone.name for clone in shelf.dropped(gold.settings)] == ["try"]
    shelf.undrop(gold.settings, "try")
    with session.connect(gold.settings, "try") as connection:
        assert run_sql(connection, "select count(*), (select a from notes) from gold.fact_sales")[1] == [(3, 1)]
    assert shelf.dropped(gold.settings) == []


def test_the_last_one_of_a_name_comes_first(gold: Any) -> None:
    shelf.drop(gold.settings, "try")
    make.clone(gold.settings, "try")
    with pytest.raises(UsageError, match="there is a clone try again"):
        shelf.undrop(gold.settings, "try")
    shelf.drop(gold.settings, "try")
    shelf.undrop(gold.settings, "try")
    with session.connect(gold.settings, "try") as connection:
        assert run_sql(connection, "select count(*) from gold.fact_sales")[1] == [(10,)]


def test_within_the_retention_vacuum_leaves_it(gold: Any) -> None:
    dropped_days_ago(gold, gold.settings.warehouse.retention_days - 0.1)
    assert vacuum(gold.settings).clones == []
    assert shelf.undrop(gold.settings, "try").release == 1


def test_after_it_vacuum_removes_it_and_lets_its_release_go(gold: Any) -> None:
    dropped_days_ago(gold, gold.settings.warehouse.retention_days + 0.1)
    with pytest.raises(UsageError, match="no clone try was dropped in the last 7 days; there is none at all"):
        shelf.undrop(gold.settings, "try")
    assert vacuum(gold.settings, dry_run=True).clones == ["try"]
    assert shelf.releases_in_use(gold.settings) == {1}
    assert vacuum(gold.settings).clones == ["try"]
    assert shelf.releases_in_use(gold.settings) == set()
    assert list((gold.settings.data / "clones" / ".dropped").iterdir()) == []


def test_what_a_kill_left_goes_too(gold: Any) -> None:
    making: Path = shelf.begin(gold.settings, "half", 1)
    rubbish = gold.settings.data / "clones" / ".dropped" / "gone-1"
    (rubbish / "lake").mkdir(parents=True)
    assert vacuum(gold.settings).clones == []
    assert not making.exists()
    assert not rubbish.exists()
    assert [clone.name for clone in shelf.clones(gold.settings)] == ["try"]
