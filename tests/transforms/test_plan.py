"""Deciding what to build, from facts alone."""

from dataclasses import replace
from typing import Any

import pytest

from lake.errors import UsageError
from transforms.plan import NEVER, PENDING, At, Seen, Step, choose, decide, order, plan
from transforms.table import ByKey, Lookup, Rebuild, Table, Update


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
    with pytest.raises(UsageError, match=r"circle: gold\.[ab] <- gold\.[ab] <- gold\.[ab]"):
        order({t.name: t for t in (one, other)})


def test_an_input_that_nobody_declares_is_refused_with_the_file() -> None:
    with pytest.raises(UsageError, match=r"transforms/gold/a\.py: reads silver\.nothing"):
        order({"gold.a": declared("gold.a", "silver.nothing")})


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
