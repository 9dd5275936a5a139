"""Text of few values is an ENUM in a release, and nobody who asks or publishes has to know."""

from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse import enums, query
from warehouse.clones import make as clones
from warehouse.clones import session
from warehouse.diff import diff

if TYPE_CHECKING:
    from conftest import Gold


def kind(gold: "Gold", column: str = "country") -> str:
    return str(
        gold.ask(f"SELECT data_type FROM duckdb_columns() WHERE table_name = 'fact_sales' AND column_name = '{column}'")[0][0]
    )


def test_text_of_few_values_is_an_enum_and_a_key_is_not(gold: "Gold") -> None:
    notes = [f"note {number}" for number in range(1000)]
    gold.add("gold.notes", pa.table({"code": notes, "kind": ["a", "b"] * 500, "note": notes}), ["code"])
    gold.publish()
    kinds = dict(gold.ask("SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'notes'"))
    assert kinds == {"code": "VARCHAR", "kind": "ENUM('a', 'b')", "note": "VARCHAR"}


def test_a_new_value_comes_by_the_change_feed_and_stays_sorted(gold: "Gold") -> None:
    gold.add_sales()
    gold.publish()
    assert kind(gold) == "ENUM('France')"
    gold.lake.merge(
        "gold.fact_sales", gold.sales(gold.sale(900, country="L'Aquila"), gold.sale(901, country="Albania")), ["sale_id"]
    )
    assert gold.how(gold.publish()) == "changes"
    assert kind(gold) == "ENUM('Albania', 'France', 'L''Aquila')"
    assert gold.ask("SELECT DISTINCT country FROM gold.fact_sales ORDER BY country") == [("Albania",), ("France",), ("L'Aquila",)]
    (found,) = diff(gold.settings, 1, 2)
    assert (found.added, found.removed, found.changed, found.columns) == (2, 0, 0, ())


def test_values_of_too_many_become_text(gold: "Gold") -> None:
    gold.add_sales()
    gold.publish()
    many = [gold.sale(1000 + number, country=f"Country {number}") for number in range(enums.MOST)]
    gold.lake.merge("gold.fact_sales", gold.sales(*many), ["sale_id"])
    assert gold.how(gold.publish()) == "changes"
    assert kind(gold) == "VARCHAR"
    assert gold.ask("SELECT count(DISTINCT country) FROM gold.fact_sales") == [(enums.MOST + 1,)]


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("SELECT count(*) FROM fact_sales WHERE country = 'Atlantis'", 0),
        ("SELECT count(*) FROM fact_sales WHERE country IN ('Atlantis', 'France')", 60),
        ("SELECT coalesce(nullif(country, 'France'), 'none of these') FROM fact_sales LIMIT 1", "none of these"),
        ("SELECT country FROM fact_sales UNION SELECT 'Atlantis' ORDER BY 1 LIMIT 1", "Atlantis"),
        ("SELECT coalesce(country, 'all') FROM fact_sales GROUP BY ROLLUP (country) ORDER BY 1 LIMIT 1", "France"),
        ("SELECT count(*) FROM fact_sales WHERE country < 'G' AND country LIKE 'Fr%'", 60),
    ],
)
def test_strings_that_a_column_does_not_hold_may_be_asked_for(gold: "Gold", asked: str, answer: object) -> None:
    gold.add_sales()
    gold.publish()
    with query.connect(gold.settings) as connection:
        assert connection.execute(asked).fetchall() == [(answer,)]


def test_what_a_table_is_partitioned_by_stays_text_so_that_ranges_of_it_prune(gold: "Gold") -> None:
    gold.add_sales()
    gold.publish()
    assert kind(gold, "sale_month") == "VARCHAR"


def test_any_text_may_be_written_in_a_clone(gold: "Gold") -> None:
    gold.add_sales()
    gold.publish()
    clones.clone(gold.settings, "mine")
    with session.connect(gold.settings, "mine") as mine:
        mine.execute("UPDATE gold.fact_sales SET country = 'Atlantis' WHERE sale_id = 1")
        assert mine.execute("SELECT country FROM gold.fact_sales WHERE sale_id = 1").fetchall() == [("Atlantis",)]


def test_a_mirror_is_in_the_order_of_its_key(gold: "Gold") -> None:
    gold.add("silver.shop__orders", pa.table({"id": [3, 1, 2], "note": ["c", "a", "b"]}), ["id"])
    gold.publish()
    assert gold.ask("FROM silver.shop__orders") == [(1, "a"), (2, "b"), (3, "c")]


@given(st.sets(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), max_size=300))
def test_the_type_of_any_values_is_theirs_in_order(values: set[str]) -> None:
    kind = enums.type_of(values)
    assert enums.plain(kind) == "VARCHAR"
    if values and kind != "VARCHAR":
        held = duckdb.connect().execute(f"SELECT enum_range(NULL::{kind})").fetchall()
        assert held == [(sorted(values),)]
    else:
        assert not values or len(values) > enums.MOST
