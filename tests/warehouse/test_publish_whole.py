"""`publish` as the flows call it, the file that outgrew its rows, and the status."""

from typing import Any

import pyarrow as pa
import pytest

from lake.errors import TransientFailure
from lake.lock import hold
from warehouse import make, query
from warehouse import publish as publishing
from warehouse.describe import Published
from warehouse.publish import publish
from warehouse.release import releases
from warehouse.status import status


def test_publish_takes_what_the_lake_has(gold: Any) -> None:
    assert publish(gold.settings).rows() == [
        {"release": None, "table": None, "rows": None, "how": "keep", "why": "the lake has no gold tables yet; build first"}
    ]
    assert status(gold.settings) is None
    gold.add("gold.forecast", pa.table({"day": [1, 2]}))
    seen: list[tuple[str, int, int]] = []
    scores = {"gold.forecast": Published("gold.forecast", ("day",), "one row per day", "What will be sold.")}
    report = publish(gold.settings, run="r1", scored=scores, on_progress=lambda *step: seen.append(step))
    assert (report.release, report.tables) == (1, {"gold.forecast": 2})
    assert report.rows() == [{"release": 1, "table": "gold.forecast", "rows": 2, "how": "whole", "why": "new table"}]
    assert gold.ask("FROM meta.keys") == [("gold.forecast", 1, "day")]
    assert seen == [("tables", 0, 1), ("tables", 1, 1)]
    gold.assert_equal()


@pytest.mark.parametrize("lock", ["publish", "build"])
def test_publish_waits_for_who_works_on_the_same_and_then_names_it(gold: Any, lock: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "WAIT_SECONDS", 0.2)
    with (
        hold(gold.settings.data, lock),
        pytest.raises(TransientFailure, match=rf"{lock}: another run holds the lock \(process \d+"),
    ):
        publish(gold.settings)


def test_a_file_that_outgrew_its_rows_is_made_afresh(gold: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gold.add_sales(60)
    gold.add("gold.dim_country", pa.table({"k": [1]}), ["k"], doc="Countries.")
    gold.publish()
    for name in ("BLOAT", "BLOAT_SLACK"):
        monkeypatch.setattr(make, name, 0)
    gold.lake.merge("gold.fact_sales", gold.sales(gold.sale(3, "9.99"), gold.sale(100)), ["sale_id"])
    report = gold.publish()
    assert {step.name: step.how for step in report.steps} == {"gold.fact_sales": "whole", "gold.dim_country": "keep"}
    gold.assert_equal()
    assert gold.ask("SELECT release, whole, file_bytes > 0 FROM meta.releases ORDER BY 1") == [(1, True, True), (2, True, True)]
    assert gold.ask("SELECT count(*) FROM meta.release_tables") == [(4,)]
    assert gold.ask("SELECT comment FROM duckdb_tables() WHERE table_name = 'dim_country'") == [("Countries.",)]
    with query.connect(gold.settings, release=1, live=False) as old:
        assert old.execute("SELECT count(*) FROM fact_sales").fetchall() == [(60,)]


def test_what_a_fresh_file_would_be_is_estimated_from_the_last_one_and_the_rows(gold: Any) -> None:
    gold.add_sales(60)
    gold.publish()
    [first] = releases(gold.settings)
    last = make.Last(1, {}, [first])
    grown = int(first.file_bytes * make.BLOAT) + make.BLOAT_SLACK
    assert not last.outgrown(grown, first.rows)
    assert last.outgrown(grown + 1, first.rows)
    assert not last.outgrown(grown + 1, first.rows * 2)


def test_status_tells_age_and_size(gold: Any) -> None:
    gold.add_sales(5)
    gold.publish(run="r1")
    gold.lake.append("gold.fact_sales", gold.sales(gold.sale(100)))
    gold.publish(run="r2")
    found = status(gold.settings)
    assert found is not None
    assert (found.release, found.run, found.tables, found.rows, found.kept) == (2, "r2", 1, 6, (1, 2))
    assert 0 <= found.age_seconds < 60
    assert found.kept_bytes > found.file_bytes > 0
