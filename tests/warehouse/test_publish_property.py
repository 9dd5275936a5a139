"""Incremental equals whole: after any changes, in any batches, the file has what the lake has."""

import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

KEYS = st.integers(0, 12)
CHANGE = st.one_of(
    st.tuples(st.just("upsert"), st.dictionaries(KEYS, st.integers(-999, 999), min_size=1, max_size=5)),
    st.tuples(st.just("delete"), st.sets(KEYS, min_size=1, max_size=5)),
    st.tuples(st.just("overwrite"), st.dictionaries(KEYS, st.integers(-999, 999), max_size=8)),
    st.tuples(st.just("compact"), st.none()),
    st.tuples(st.just("publish"), st.none()),
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(CHANGE, min_size=1, max_size=10))
def test_any_changes_in_any_batches_end_as_the_lake_has_it(gold: Any, changes: list[tuple[str, Any]]) -> None:
    _fresh(gold)
    gold.add_sales(6)
    gold.publish()
    for what, rows in [*changes, ("publish", None)]:
        if what == "publish":
            report = gold.publish()
            assert report.release is None or gold.how(report) == "changes"
            gold.assert_equal()
        else:
            _apply(gold, what, rows)


def _apply(gold: Any, what: str, rows: Any) -> None:
    table = "gold.fact_sales"
    if what == "upsert":
        # The month, which is the partition, moves with the amount: an update may move a row to another file.
        gold.lake.merge(table, gold.sales(*(gold.sale(key, f"{n}.25", month=1 + n % 3) for key, n in rows.items())), ["sale_id"])
    elif what == "delete":
        gone = gold.sales(*(gold.sale(key) for key in rows))
        gold.lake.merge(table, gone.append_column("gone", pa.array([True] * len(rows))), ["sale_id"], delete="gone")
    elif what == "overwrite":
        gold.lake.overwrite(table, gold.sales(*(gold.sale(key, f"{n}.75", None) for key, n in rows.items())))
    else:
        gold.lake.open(table).optimize.compact()


def _fresh(gold: Any) -> None:
    shutil.rmtree(gold.settings.data, ignore_errors=True)
    gold.tables.clear()
    assert not Path(gold.settings.data).exists()
