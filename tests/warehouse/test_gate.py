"""What must not become a release: failed checks, and tables of two builds."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from lake.errors import PermanentFailure
from transforms.declaration import Rebuild, Table
from transforms.plan import Seen
from transforms.rules import Rule
from warehouse.describe import Pinned, Published, pin, published, without_clashes
from warehouse.gate import failed_checks, mixed, refuse_unfit


def declared(name: str, *reads: str, rules: tuple[Rule, ...] = ()) -> Table:
    return Table(name, "one row", ("sale_id",), reads, Rebuild(), lambda: None, "a.py", "f", rules=rules)  # type: ignore[arg-type, return-value]


TABLES = {
    table.name: table
    for table in (
        declared("gold.dim", "silver.customers"),
        declared("gold.fact", "silver.sales", "gold.dim"),
        declared("gold.agg", "gold.fact", "silver.sales"),
    )
}
BUILT = {
    ("gold.dim", "silver.customers"): 3,
    ("gold.fact", "silver.sales"): 5,
    ("gold.fact", "gold.dim"): 2,
    ("gold.agg", "gold.fact"): 7,
    ("gold.agg", "silver.sales"): 5,
}


def pins(**versions: int) -> list[Pinned]:
    return [Pinned(Published(f"gold.{name}"), version, "") for name, version in versions.items()]


def test_a_finished_build_belongs_together() -> None:
    assert mixed(pins(dim=2, fact=7, agg=1), TABLES, BUILT) == []


def test_a_table_that_stayed_behind_its_input_is_found() -> None:
    assert mixed(pins(dim=3, fact=7, agg=1), TABLES, BUILT) == [("gold.fact", "gold.dim", 2, 3)]


def test_two_tables_made_from_two_versions_of_silver_are_found() -> None:
    assert mixed(pins(dim=2, fact=7, agg=1), TABLES, BUILT | {("gold.agg", "silver.sales"): 4}) == [
        ("gold.agg", "silver.sales", 4, 5)
    ]


def check(table: str, level: str, broken: int, hour: int) -> dict[str, Any]:
    at = datetime(2026, 1, 1, hour, tzinfo=UTC)
    return {"run": "r", "table": table, "rule": "amount > 0", "level": level, "checked": 9, "broken": broken, "at": at}


def test_only_the_last_run_of_a_fail_check_counts() -> None:
    rules = {("gold.fact", "amount > 0"), ("gold.agg", "amount > 0")}
    facts = [check("gold.fact", "fail", 0, 2), check("gold.fact", "fail", 4, 1), check("gold.agg", "warn", 9, 3)]
    assert failed_checks(facts, rules) == []
    facts.append(check("gold.fact", "fail", 2, 5))
    assert failed_checks(facts, rules) == ["gold.fact: 2 rows break the rule amount > 0"]
    assert failed_checks(facts, set()) == [], "the rule is gone"


def test_a_failed_check_keeps_the_last_release(gold: Any) -> None:
    table = declared("gold.fact_sales", rules=(Rule("amount > 0", "amount > 0", "fail"),))
    facts = pa.Table.from_pylist([check("gold.fact_sales", "fail", 2, 1)])
    gold.lake.create("meta.checks", facts.schema)
    gold.lake.append("meta.checks", facts)
    with pytest.raises(PermanentFailure, match=r"2 rows break the rule amount > 0; .*last release stays"):
        refuse_unfit(gold.lake, [], {table.name: table}, {})


def test_a_half_finished_build_is_refused_and_a_compacted_input_is_not(gold: Any) -> None:
    gold.add_sales(5)
    gold.lake.append("gold.fact_sales", gold.sales(gold.sale(100)))
    gold.add("gold.agg", pa.table({"n": [5]}), ["n"])
    tables = {name: declared(name, *reads) for name, reads in {"gold.fact_sales": (), "gold.agg": ("gold.fact_sales",)}.items()}

    def refuse(consumed: int) -> None:
        refuse_unfit(gold.lake, pin(gold.lake, gold.tables), tables, {("gold.agg", "gold.fact_sales"): Seen(consumed, 0, "f")})

    refuse(2)
    gold.lake.open("gold.fact_sales").optimize.compact()
    refuse(2)
    with pytest.raises(PermanentFailure, match=r"gold\.agg was made from version 1 of gold\.fact_sales.*cartlake build"):
        refuse(1)


def test_what_is_published_is_gold_and_the_mirrors_that_still_are_tables(gold: Any) -> None:
    for name in ("gold.fact", "gold.forecast", "gold.undeclared", "silver.sales", "silver.shop__db__a", "silver.shop__db__taken"):
        gold.lake.create(name, pa.schema([pa.field("n", pa.int64())]), comment="words", comments={"n": "a number"})
    tables = {**TABLES, "silver.shop__db__a": declared("silver.shop__db__a")}
    mirrors = {"silver.shop__db__a", "silver.shop__db__taken"}
    found = {table.name: table for table in published(gold.lake, tables, mirrors, {"gold.fact", "gold.undeclared"})}
    assert list(found) == ["gold.fact", "gold.forecast", "silver.shop__db__a"]
    assert found["gold.fact"].key == ("sale_id",)
    assert (found["gold.forecast"].doc, found["gold.forecast"].comments) == ("words", {"n": "a number"})


def test_names_that_differ_only_in_case_are_one_name_in_duckdb() -> None:
    tables = [Published("silver.shop__db__Orders"), Published("silver.shop__db__orders"), Published("silver.`a.b`")]
    assert [table.sql_name for table in without_clashes(tables)] == ['"silver"."shop__db__Orders"', '"silver"."a.b"']
