"""`meta.changes`: what changed since a kept release, as a table that composes; applied to the old rows it gives the new ones."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lake.errors import UsageError
from warehouse import query
from warehouse.rollback import rollback

SCHEMA = pa.schema([("id", pa.int64()), ("value", pa.int64())])
VALUES = st.one_of(st.none(), st.integers(0, 2))
KEYED = st.dictionaries(st.one_of(st.none(), st.integers(0, 6)), VALUES, max_size=6)
KEYLESS = st.lists(st.tuples(st.one_of(st.none(), st.integers(0, 2)), VALUES), max_size=8)  # with rows that are there twice


def table(rows: Iterable[tuple[Any, Any]]) -> pa.Table:
    return pa.Table.from_pylist([{"id": key, "value": value} for key, value in rows], SCHEMA)


def ask(gold: Any, text: str, release: int | None = None) -> list[tuple[Any, ...]]:
    with query.connect(gold.settings, release=release) as connection:
        return query.run_sql(connection, text)[1]


def applied(rows: Iterable[tuple[Any, ...]], changed: Iterable[tuple[Any, ...]]) -> Counter[tuple[Any, ...]]:
    """What a reader of the changes ends up with that had these rows; every row that goes must be there."""
    kept = Counter(rows)
    for word, *row in sorted(changed, key=lambda one: one[0] in ("insert", "update_postimage")):
        kept[tuple(row)] += 1 if word in ("insert", "update_postimage") else -1
        assert kept[tuple(row)] >= 0, (word, row)
    return +kept


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keyed=st.tuples(KEYED, KEYED), keyless=st.tuples(KEYLESS, KEYLESS))
def test_applied_to_the_old_rows_they_give_the_new_ones(make_gold: Any, keyed: Any, keyless: Any) -> None:
    gold = make_gold()
    states = {"gold.agg": [list(rows.items()) for rows in keyed], "gold.bare": list(keyless), "gold.stamp": [[(1, 1)], [(1, 2)]]}
    for name, (before, _) in states.items():
        gold.add(name, table(before), () if name == "gold.bare" else ["id"])
    gold.publish()
    for name, (_, after) in states.items():
        gold.lake.overwrite(name, table(after))
    gold.publish()
    for name, (before, after) in states.items():
        changed = ask(gold, f"from meta.changes('{name}', since => 1)")
        assert applied(before, changed) == Counter(after)
        assert Counter(row[1:] for row in changed).total() <= len(before) + len(after)
    words = Counter(row[0] for row in ask(gold, "from meta.changes('gold.agg', since => 1)"))
    updated = sum(keyed[0][key] != keyed[1][key] for key in keyed[0].keys() & keyed[1].keys())
    assert (words["update_preimage"], words["update_postimage"]) == (updated, updated)
    assert (words["insert"], words["delete"]) == (len(keyed[1].keys() - keyed[0].keys()), len(keyed[0].keys() - keyed[1].keys()))


@pytest.fixture
def two(gold: Any) -> Any:
    """Two releases: in the second, sale 3 has another amount, 4 is gone and 100 is new."""
    gold.add_sales(20)
    gold.add("gold.dim_day", table([(1, 1)]), ["id"])
    gold.publish()
    gold.lake.merge("gold.fact_sales", gold.sales(gold.sale(3, "9.99", month=1), gold.sale(100)), ["sale_id"])
    kept = [row for row in gold.lake.read("gold.fact_sales").to_pylist() if row["sale_id"] != 4]
    gold.lake.overwrite("gold.fact_sales", gold.sales(*kept))
    gold.publish()
    return gold


def test_it_is_a_table_to_filter_group_join_and_make_a_view_of(two: Any) -> None:
    changed = "meta.changes('gold.fact_sales', since => 1)"
    assert sorted(ask(two, f"select _change, sale_id, amount::varchar from {changed}")) == [
        ("delete", 4, "1.00"),
        ("insert", 100, "1.00"),
        ("update_postimage", 3, "9.99"),
        ("update_preimage", 3, "1.00"),
    ]
    assert ask(two, f"select count(*) from {changed} where _change = 'insert' and amount > 0") == [(1,)]
    assert ask(two, f"with c as (from {changed}) select count(*) from c join gold.fact_sales using (sale_id)") == [(3,)]
    assert ask(two, f"create temp view v as from {changed}; select sum(sale_id) from v") == [(3 + 3 + 4 + 100,)]
    assert ask(two, "select count(*) from meta.changes('fact_sales', 1)") == [(4,)]  # a bare name, and by place


def test_an_unchanged_table_and_a_release_since_itself_have_none(two: Any) -> None:
    assert ask(two, "from meta.changes('gold.dim_day', since => 1)") == []
    assert ask(two, "from meta.changes('gold.fact_sales', since => 2)") == []
    assert ask(two, "from meta.changes('gold.fact_sales', since => 1)", release=1) == []


def test_the_lists_of_tables_stay_as_they_are(two: Any) -> None:
    with query.connect(two.settings) as connection:
        listed = connection.execute("show all tables").fetchall()
        connection.execute("from meta.changes('gold.fact_sales', since => 1)").fetchall()
        assert connection.execute("show all tables").fetchall() == listed


def test_it_works_in_other_sessions_of_the_same_database(two: Any) -> None:
    with query.connect(two.settings, live=False) as connection, connection.cursor() as other:
        assert other.execute("select count(*) from memory.meta.changes('gold.fact_sales', since => 1)").fetchall() == [(4,)]


def test_a_server_that_may_read_no_other_folders_has_it_too(two: Any) -> None:
    folders = ", ".join(f"'{folder}/'" for folder in (two.settings.lake_root, two.settings.data / "releases"))
    with query.connect(two.settings) as connection:
        connection.execute(f"SET allowed_directories = [{folders}]; SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        assert query.run_sql(connection, "select count(*) from meta.changes('gold.fact_sales', since => 1)")[1] == [(4,)]


def test_after_going_back_they_lead_back(two: Any) -> None:
    assert rollback(two.settings, 1) == 3
    words = "select _change, count(*) from meta.changes('gold.fact_sales', since => {}) group by 1 order by 1"
    assert ask(two, words.format(2)) == [("delete", 1), ("insert", 1), ("update_postimage", 1), ("update_preimage", 1)]
    assert ask(two, words.format(1)) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("from meta.changes('gold.fact_sales', since => 7)", "release 7 is not kept; there are: 1 .*, 2 "),
        ("from meta.changes('gold.fact_sale', since => 1)", "there is no table gold.fact_sale; did you mean gold.fact_sales"),
        ("from meta.changes('gold.fact_sales')", r"needs a table and a release: meta.changes\('gold.fact_sales', since => 41\)"),
        ("from meta.changes('gold.fact_sales', since => 'monday')", "monday"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(two: Any, text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        ask(two, text)
    assert len(str(caught.value).splitlines()) == 1


def test_a_release_newer_than_the_opened_one_is_refused(two: Any) -> None:
    with pytest.raises(UsageError, match="release 2 is newer than release 1, which is open"):
        ask(two, "from meta.changes('gold.fact_sales', since => 2)", release=1)


def test_columns_that_came_and_went(gold: Any) -> None:
    rows = table([(1, 1), (2, 2), (3, 3)]).append_column("gone", pa.array([7, 8, 9]))
    for name, key in (("gold.agg", ["id"]), ("gold.bare", [])):
        gold.add(name, rows, key)
    gold.publish()
    later = table([(1, 1), (2, 2), (4, 4)]).append_column("came", pa.array([None, 5, None], pa.int64()))
    for name in ("gold.agg", "gold.bare"):
        gold.lake.overwrite(name, later, schema_change=True)
    gold.publish()
    gone_and_came = {("delete", 3, 3, None), ("insert", 4, 4, None)}
    with query.connect(gold.settings, live=False) as connection:
        columns, found = query.run_sql(connection, "from meta.changes('gold.agg', since => 1)")
    assert columns == ["_change", "id", "value", "came"]
    assert set(found) == gone_and_came | {("update_preimage", 2, 2, None), ("update_postimage", 2, 2, 5)}
    assert set(ask(gold, "from meta.changes('gold.bare', since => 1)")) == gone_and_came | {
        ("delete", 2, 2, None),
        ("insert", 2, 2, 5),
    }


def test_a_table_that_came_is_all_new_and_one_that_went_all_gone(two: Any) -> None:
    two.tables = [one for one in two.tables if one.name != "gold.dim_day"]
    two.add("gold.dim_new", table([(5, 6)]), ["id"])
    two.publish()
    assert ask(two, "from meta.changes('gold.dim_new', since => 2)") == [("insert", 5, 6)]
    assert ask(two, "from meta.changes('gold.dim_day', since => 2)") == [("delete", 1, 1)]


def test_a_column_of_another_type_is_compared_as_text(gold: Any) -> None:
    gold.add("gold.agg", table([(1, 1), (2, 2)]), ["id"])
    gold.publish()
    text = pa.table({"id": pa.array([1, 2]), "value": pa.array(["1", "two"])})
    gold.lake.overwrite("gold.agg", text, schema_change=True)
    gold.publish()
    assert sorted(ask(gold, "from meta.changes('gold.agg', since => 1)")) == [
        ("update_postimage", 2, "two"),
        ("update_preimage", 2, "2"),
    ]


def test_python_gets_them_as_a_polars_frame(two: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import cartlake

    monkeypatch.setenv("CARTLAKE_CONFIG", str(two.settings.home / "cartlake.toml"))
    frame = cartlake.changes("gold.fact_sales", since=1)
    assert frame.columns == ["_change", *two.lake.schema("gold.fact_sales").names]
    assert sorted(frame["sale_id"]) == [3, 3, 4, 100]
    with pytest.raises(UsageError, match="release 9 is not kept"):
        query.changed(two.settings, "gold.fact_sales", 9)
