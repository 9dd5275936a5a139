"""Deciding what to build, from facts alone."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from lake.errors import UsageError
from transforms.declaration import ByKey, History, Lookup, Rebuild, Table, Update
from transforms.plan import NEVER, PENDING, At, Seen, Step, choose, decide, order, plan
from transforms.rules import unique


def declared(name: str, *reads: str, update: Update | None = None, **more: Any) -> Table:
    settings = {
        "grain": "",
        "key": ("id",),
        "function": lambda: None,
        "file": f"transforms/{name.replace('.', '/')}.py",
        "fingerprint": "f",
    }
    return Table(name=name, reads=reads, update=update or ByKey(reads[0], {"id": "id"}), **{**settings, **more})


SALES = declared("silver.sales", "bronze.s")
FACT = declared("gold.fact", "silver.sales", "gold.dim", "ref.shop", lookups={"gold.dim": Lookup("c", "c")})
DIM = declared("gold.dim", "silver.sales", update=Rebuild())
SEEN = {
    ("silver.sales", "bronze.s"): Seen(5, 1, "f"),
    **{("gold.fact", read): Seen(7, 0, "f") for read in FACT.reads},
    ("gold.dim", "silver.sales"): Seen(7, 0, "f"),
}
AT = {"bronze.s": At(5, 1), "ref.shop": At(7), **{name: At(7) for name in ("silver.sales", "gold.fact", "gold.dim")}}


def test_nothing_new_is_nothing_to_do() -> None:
    steps = plan({t.name: t for t in (FACT, DIM, SALES)}, SEEN, AT)
    assert [(step.table, step.how, step.why) for step in steps] == [
        (name, "skip", "nothing new") for name in ("silver.sales", "gold.dim", "gold.fact")
    ]


@pytest.mark.parametrize(
    ("at", "how", "why"),
    [
        ({"silver.sales": At(9)}, "by_key", "silver.sales changed (version 7 to 9)"),
        ({"gold.dim": At(8)}, "by_key", "gold.dim changed (version 7 to 8)"),
        ({"ref.shop": At(8)}, "rebuild", "ref.shop changed, and no lookup says which rows that touches"),
        ({"silver.sales": At(6)}, "rebuild", "silver.sales went back from version 7 to 6"),
        ({"gold.fact": None}, "rebuild", "first build"),
        ({"gold.dim": None}, "skip", "gold.dim is not built"),
    ],
)
def test_each_change_has_its_way_and_its_reason(at: dict[str, At | None], how: str, why: str) -> None:
    now = {name: version for name, version in {**AT, **at}.items() if version is not None}
    step = decide(FACT, SEEN, now)
    assert (step.how, step.why) == (how, why)


def test_changed_code_rebuilds() -> None:
    step = decide(replace(FACT, fingerprint="other"), SEEN, AT)
    assert (step.how, step.why) == ("rebuild", "the code in transforms/gold/fact.py changed")


@pytest.mark.parametrize(
    ("bronze", "how", "why"),
    [
        (At(6, 1), "by_key", "bronze.s changed (version 5 to 6)"),
        (At(5, 2), "rebuild", "a new snapshot of bronze.s is complete"),
        (At(0, 0), "skip", "the first snapshot of bronze.s is not complete"),
        (None, "skip", "bronze.s was never captured"),
    ],
)
def test_bronze(bronze: At | None, how: str, why: str) -> None:
    now = {name: at for name, at in {**AT, "bronze.s": bronze}.items() if at is not None}
    step = decide(SALES, SEEN, now)
    assert (step.how, step.why) == (how, why)


def test_a_step_downstream_of_another_is_planned_before_its_input_is_written() -> None:
    steps = plan({t.name: t for t in (FACT, DIM, SALES)}, SEEN, {**AT, "bronze.s": At(6, 1)})
    assert [step.how for step in steps] == ["by_key", "rebuild", "by_key"]
    assert steps[2].reads["silver.sales"] == (7, PENDING)
    assert steps[2].why == "silver.sales will change, gold.dim will change"


def test_first_build() -> None:
    steps = plan({SALES.name: SALES}, {}, {"bronze.s": At(5, 1)})
    assert steps == [Step("silver.sales", "rebuild", {"bronze.s": (NEVER, 5)}, "first build")]


def test_a_circle_is_refused() -> None:
    one, other = declared("gold.a", "gold.b"), declared("gold.b", "gold.a")
    with pytest.raises(UsageError, match=r"circle: gold\.[ab] \(transforms/gold/[ab]\.py\) <- gold\.[ab] .* <- gold\.[ab]"):
        order({t.name: t for t in (one, other)})


@pytest.mark.parametrize(
    ("read", "needed"), [("silver.nothing", "silver.nothing"), ("gold.x", "gold.x"), ("changes.nothing", "silver.nothing")]
)
def test_an_input_that_nobody_declares_is_refused_with_the_file(read: str, needed: str) -> None:
    with pytest.raises(UsageError, match=rf"transforms/gold/a\.py: reads {read}, and no file declares {needed}"):
        order({"gold.a": declared("gold.a", read, update=Rebuild())})


def test_a_history_is_built_behind_the_silver_table_that_types_its_log() -> None:
    log = declared("gold.a_dim", "changes.z", update=History(("name",), "id", "at"))
    assert order({log.name: log, "silver.z": declared("silver.z", "bronze.z")}) == ["silver.z", "gold.a_dim"]


def test_what_is_not_selected_will_not_change() -> None:
    tables = {t.name: t for t in (FACT, DIM, SALES)}
    now = {**AT, "bronze.s": At(6, 1), "silver.sales": At(9)}
    (step,) = plan(tables, SEEN, now, chosen={"gold.dim"})
    assert (step.reads, step.why) == ({"silver.sales": (7, 9)}, "silver.sales changed (version 7 to 9)")
    assert [(s.table, s.how) for s in plan(tables, SEEN, {**AT, "bronze.s": At(6, 1)}, chosen={"gold.dim"})] == [
        ("gold.dim", "skip")
    ]


STRICT = replace(FACT, strict=True)


@pytest.mark.parametrize(
    ("at", "full", "how"),
    [
        ({"silver.sales": At(9)}, False, "by_key"),
        ({"ref.shop": At(8)}, False, "refused"),
        ({"ref.shop": At(8)}, True, "rebuild"),
        ({"silver.sales": At(6)}, False, "refused"),
        ({"gold.fact": None}, False, "rebuild"),
    ],
)
def test_a_strict_table_is_rebuilt_only_at_first_and_when_asked_for(at: dict[str, At | None], full: bool, how: str) -> None:
    now = {name: version for name, version in {**AT, **at}.items() if version is not None}
    step = decide(STRICT, SEEN, now, full=full)
    assert step.how == how
    if how == "refused":
        assert step.why.startswith("strict, and ")
        assert step.why.endswith("cartlake build --full gold.fact")


def test_what_reads_a_refused_table_waits() -> None:
    reader = declared("gold.top", "gold.fact")
    steps = plan({t.name: t for t in (STRICT, DIM, SALES, reader)}, SEEN, {**AT, "ref.shop": At(8)})
    assert [(step.table, step.how, step.why) for step in steps[-1:]] == [("gold.top", "skip", "gold.fact failed")]


DAYS = (date(2026, 11, 1), date(2026, 11, 3))


def test_a_backfill_computes_days_again_where_rows_have_days() -> None:
    dated = replace(FACT, dated="sold_at", dated_there="sold_at")
    steps = {step.table: step for step in plan({t.name: t for t in (dated, DIM, SALES)}, SEEN, AT, between=DAYS)}
    fact = steps["gold.fact"]
    assert (fact.how, fact.why, fact.window) == ("by_key", "days 2026-11-01 to 2026-11-03", DAYS)
    assert (steps["gold.dim"].how, steps["gold.dim"].why) == ("skip", "its rows have no day (dated): a backfill leaves it")


def test_a_backfill_takes_the_changes_along() -> None:
    dated = replace(FACT, dated="sold_at", dated_there="sold_at")
    step = decide(dated, SEEN, {**AT, "silver.sales": At(9)}, between=DAYS)
    assert step.why == "days 2026-11-01 to 2026-11-03, silver.sales changed (version 7 to 9)"
    assert step.reads["silver.sales"] == (7, 9)


def test_a_rule_about_all_rows_wants_all_rows() -> None:
    step = decide(replace(FACT, rules=(unique("number"),)), SEEN, {**AT, "silver.sales": At(9)})
    assert (step.how, step.why) == ("rebuild", "the rule 'number unique' judges all rows together")


@pytest.mark.parametrize(
    ("pattern", "chosen"),
    [
        ("fact", {"gold.fact"}),
        ("gold.dim", {"gold.dim"}),
        ("+dim", {"gold.dim", "silver.sales"}),
        ("dim+", {"gold.dim", "gold.fact"}),
        ("+fact+", {"gold.fact", "gold.dim", "silver.sales"}),
    ],
)
def test_choosing_as_dbt_does(pattern: str, chosen: set[str]) -> None:
    assert choose({t.name: t for t in (FACT, DIM, SALES)}, [pattern]) == chosen


def test_choosing_what_is_not_there() -> None:
    with pytest.raises(UsageError, match="no table is named nonsense"):
        choose({}, ["nonsense"])
