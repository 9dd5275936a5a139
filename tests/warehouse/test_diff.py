"""Two releases, compared: the counts and the rows are those that a comparison in Python finds."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lake.errors import UsageError
from warehouse.diff import Difference, diff, diff_rows

SCHEMA = pa.schema([("id", pa.int64()), ("value", pa.int64())])
ROWS = st.dictionaries(st.one_of(st.none(), st.integers(0, 6)), st.one_of(st.none(), st.integers(0, 2)), max_size=6)


def table(rows: dict[Any, Any]) -> pa.Table:
    return pa.Table.from_pylist([{"id": key, "value": value} for key, value in rows.items()], SCHEMA)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=ROWS, after=ROWS)
def test_the_counts_are_those_of_a_comparison_in_python(make_gold: Any, before: dict[Any, Any], after: dict[Any, Any]) -> None:
    gold = make_gold()
    gold.add("gold.agg", table(before), ["id"])
    gold.add("gold.bare", table(before))  # no key
    gold.add("gold.stamp", table({1: 1}), ["id"])
    gold.publish()
    gold.lake.overwrite("gold.agg", table(after))
    gold.lake.overwrite("gold.bare", table(after))
    gold.lake.overwrite("gold.stamp", table({1: 2}))  # so that there is a second release whatever the draw
    gold.publish()
    changed = {key for key in before.keys() & after.keys() if before[key] != after[key]}
    added, removed = len(after.keys() - before.keys()), len(before.keys() - after.keys())
    found = {one.table: one for one in diff(gold.settings, 1, 2)}
    assert found.pop("gold.stamp") == Difference("gold.stamp", 0, 0, 1)
    expected = {
        "gold.agg": Difference("gold.agg", added, removed, len(changed)),
        "gold.bare": Difference("gold.bare", added + len(changed), removed + len(changed), 0),
    }
    assert found == {name: one for name, one in expected.items() if one.added or one.removed or one.changed}
    columns, rows = diff_rows(gold.settings, 1, 2, "agg", 1000)
    assert columns == ["change", "id", "value"]
    assert sorted(rows, key=repr) == sorted(
        [("added", key, after[key]) for key in after.keys() - before.keys()]
        + [("removed", key, before[key]) for key in before.keys() - after.keys()]
        + [row for key in changed for row in (("before", key, before[key]), ("after", key, after[key]))],
        key=repr,
    )


def test_tables_and_columns_that_only_one_release_has(gold: Any) -> None:
    gold.add("gold.agg", table({1: 1, 2: 2}), ["id"])
    gold.publish()
    wider = table({1: 1, 2: 3}).append_column("extra", pa.array([7, 7]))
    gold.lake.overwrite("gold.agg", wider, schema_change=True)
    gold.add("gold.new", table({1: 1}), ["id"])
    gold.publish()
    assert diff(gold.settings, 1, 2) == [Difference("gold.agg", 0, 0, 1, ("+extra",)), Difference("gold.new", 1, 0, 0)]
    assert diff(gold.settings, 2, 1) == [Difference("gold.agg", 0, 0, 1, ("-extra",)), Difference("gold.new", 0, 1, 0)]
    assert diff_rows(gold.settings, 2, 1, "gold.new", 10) == (["change", "id", "value"], [("removed", 1, 1)])


@pytest.mark.parametrize("name", ["silver.shop.softcart.reviews", "silver.shop__softcart__reviews", "shop__softcart__reviews"])
def test_a_mirror_goes_by_its_name_in_the_lake_and_in_sql(gold: Any, name: str) -> None:
    gold.add("silver.shop.softcart.reviews", table({1: 1}), ["id"])
    gold.publish()
    gold.lake.append("silver.shop.softcart.reviews", table({2: 2}))
    gold.publish()
    assert diff_rows(gold.settings, 1, 2, name, 10)[1] == [("added", 2, 2)]


def test_a_release_is_not_compared_with_itself(gold: Any) -> None:
    gold.add_sales(2)
    gold.publish()
    with pytest.raises(UsageError, match="release 1 is the same as itself"):
        diff(gold.settings, 1, 1)
    with pytest.raises(UsageError, match="release 7 is not kept; there are: 1 "):
        diff(gold.settings, 1, 7)


def test_a_table_that_neither_has_is_refused_with_the_nearest(gold: Any) -> None:
    gold.add_sales(2)
    gold.publish()
    gold.lake.append("gold.fact_sales", gold.sales(gold.sale(9)))
    gold.publish()
    with pytest.raises(UsageError, match=r"no.* table fact_sale; did you mean gold.fact_sales"):
        diff_rows(gold.settings, 1, 2, "fact_sale", 10)
