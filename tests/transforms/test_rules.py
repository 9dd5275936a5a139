"""What rules say of rows, the same on both engines, and what a build makes of it."""

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from lake.errors import PermanentFailure, UsageError
from transforms import progress
from transforms.build import BuildFailed, replay
from transforms.declaration import ByKey
from transforms.rules import FLAG, Rule, accepted, between, flag, not_null, references, rule, unique
from transforms.table import by_group, lookup, tables
from warehouse.gate import refuse_unfit

ROWS = pa.table(
    {
        "n": pa.array([1, 2, 2, None], pa.int64()),
        "kind": pa.array(["a", "it's", "b\\c", None]),
        "price": pa.array([Decimal("0.50"), Decimal("9.99"), Decimal("10.00"), None], pa.decimal128(10, 2)),
        "day": pa.array([date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 3), None]),
    }
)


@pytest.mark.parametrize(
    ("given", "broken"),
    [
        (not_null("n"), [False, False, False, True]),
        (not_null("n", "kind"), [False, False, False, True]),
        (unique("n"), [False, True, True, False]),
        (unique("n", "kind"), [False, False, False, False]),
        (accepted("kind", ["a", "it's"]), [False, False, True, False]),
        (accepted("kind", ["a", "b\\c"]), [False, True, False, False]),
        (accepted("n", [2]), [True, False, False, False]),
        (between("price", Decimal("0.51"), Decimal("9.99")), [True, False, True, False]),
        (between("n", 1.5, 2.0), [True, False, False, False]),
        (between("day", date(2026, 1, 1), date(2026, 1, 2)), [False, False, True, False]),
        (between("day", datetime(2026, 1, 2), datetime(2026, 1, 9)), [True, False, False, False]),
        (rule("n > 1"), [True, False, False, True]),
    ],
    ids=lambda value: value.name if isinstance(value, Rule) else "",
)
def test_which_rows_break_a_rule(engine: Any, given: Rule, broken: list[bool]) -> None:
    order = pa.array([0, 1, 2, 3])
    flagged = engine.arrow(flag(engine.frame(ROWS.append_column("place", order)), [given], {})).sort_by("place")
    assert flagged.column(f"{FLAG}0").to_pylist() == broken


def test_a_rule_has_a_name_that_reads_well() -> None:
    assert [given.name for given in (not_null("a", "b"), unique("a"), accepted("a", ["x", 1]), between("a", 1, 5))] == [
        "a, b not null",
        "a unique",
        "a in ('x', 1)",
        "a between 1 and 5",
    ]
    assert references("a", "gold.b").name == "a in gold.b"


def test_a_rule_compares_with_plain_values_alone() -> None:
    with pytest.raises(UsageError, match="cannot compare with"):
        accepted("a", [b"x"])  # type: ignore[list-item]


@pytest.fixture
def three_orders(shop: Any, rows: Any) -> Any:
    """A shop with three orders."""
    shop.snapshot("orders", [rows.order(1), rows.order(2, channel="app"), rows.order(3, channel="phone")])
    return shop


def with_rules(*rules: Rule) -> dict[str, Any]:
    """The shop's tables; silver.orders has these rules."""
    declared = tables()
    names = " ".join(repr(rule) for rule in rules)
    return {**declared, "silver.orders": replace(declared["silver.orders"], rules=rules, fingerprint=names)}


def build_orders(shop: Any, *rules: Rule, **options: Any) -> Any:
    return shop.build(declared=with_rules(*rules), select=["silver.orders"], **options)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (rule("qty > 0"), r"orders\.py: rule 'qty > 0' cannot be judged: .*qty.*columns: order_id, "),
        (rule("discount >"), r"orders\.py: rule 'discount >' cannot be judged"),
        (unique("number"), r"orders\.py: declares number, which the function does not return"),
        (references("number", "gold.dim_customer"), r"orders\.py: declares number, which the function does not return"),
    ],
)
def test_a_rule_about_what_is_not_there_is_refused_before_anything_is_written(
    three_orders: Any, wrong: Rule, message: str
) -> None:
    with pytest.raises(BuildFailed, match=message) as failure:
        build_orders(three_orders, wrong)
    assert len(str(failure.value).splitlines()) == 1
    assert not three_orders.lake.exists("silver.orders")


def test_a_duplicate_is_found_in_rows_that_did_not_change_and_comes_back(three_orders: Any, rows: Any) -> None:
    one_each = unique("channel")
    build_orders(three_orders, one_each)
    three_orders.change("orders", ("c", rows.order(4, channel="app")))
    report = build_orders(three_orders, one_each)
    assert report.steps[0].why == "the rule 'channel unique' judges all rows together"
    assert [row["order_id"] for row in three_orders.rows("silver.orders", "order_id")] == ["1", "3"]
    assert report.quarantined == {"quarantine.orders": {"channel unique": 2}}
    three_orders.change("orders", ("d", {"order_id": 4}))
    assert build_orders(three_orders, one_each).quarantined == {}
    assert [row["order_id"] for row in three_orders.rows("silver.orders", "order_id")] == ["1", "2", "3"]


def facts(shop: Any, run: str) -> dict[str, tuple[str, int, int]]:
    checks = [row for row in shop.rows("meta.checks") if row["run"] == run]
    return {row["rule"]: (row["level"], row["checked"], row["broken"]) for row in checks}


def test_each_rule_is_counted_also_where_one_stops_the_step(three_orders: Any, rows: Any) -> None:
    levels = (accepted("channel", ["web"], level="warn"), between("order_id", 1, 2), rule("discount < 5", level="fail"))
    report = build_orders(three_orders, *levels)
    assert facts(three_orders, report.run) == {
        "channel in ('web')": ("warn", 3, 2),
        "order_id between 1 and 2": ("quarantine", 3, 1),
        "discount < 5": ("fail", 3, 0),
    }
    three_orders.change("orders", ("c", rows.order(9, discount=Decimal(5))))
    with pytest.raises(BuildFailed, match="1 rows break rule 'discount < 5'") as failure:
        build_orders(three_orders, *levels)
    assert facts(three_orders, failure.value.report.run) == {
        "channel in ('web')": ("warn", 1, 0),
        "order_id between 1 and 2": ("quarantine", 1, 1),
        "discount < 5": ("fail", 1, 1),
    }


def test_a_rule_broken_in_silver_alone_stops_the_publish_until_it_holds(three_orders: Any, rows: Any) -> None:
    cheap = rule("discount < 5", level="fail")
    build_orders(three_orders, cheap)
    three_orders.change("orders", ("c", rows.order(9, discount=Decimal(5))))
    with pytest.raises(BuildFailed):
        build_orders(three_orders, cheap)

    def publish() -> None:
        refuse_unfit(three_orders.lake, [], with_rules(cheap), progress.load(three_orders.lake))

    with pytest.raises(PermanentFailure, match=r"silver\.orders: 1 rows break the rule discount < 5; .*the last release stays"):
        publish()
    three_orders.change("orders", ("d", {"order_id": 9}))
    build_orders(three_orders, cheap)
    publish()


def test_replay_takes_back_what_holds_today(three_orders: Any, rows: Any) -> None:
    known = references("channel_key", "gold.dim_channel")
    declared = tables()
    hashed = replace(
        declared["silver.orders"],
        rules=(known,),
        fingerprint="hashed",
        function=lambda given: declared["silver.orders"].function(given).selectExpr("*", "xxhash64(channel) as channel_key"),
    )
    listed = replace(
        declared["gold.dim_channel"],
        reads=("ref.channels",),
        function=lambda given: given.selectExpr("xxhash64(channel) as channel_key", "channel"),
        fingerprint="listed",
        unknown=False,
    )
    changed = {"silver.orders": hashed, "gold.dim_channel": listed}
    channels = pa.table({"channel": ["web", "app"]})
    three_orders.lake.create("ref.channels", channels.schema)
    three_orders.lake.append("ref.channels", channels)
    assert three_orders.build(declared=changed).quarantined == {"quarantine.orders": {known.name: 1}}
    assert replay(three_orders.settings, engine=three_orders.engine, declared=changed).changed == 0
    three_orders.lake.append("ref.channels", pa.table({"channel": ["phone"]}))
    three_orders.build(declared=changed)
    report = replay(three_orders.settings, ["orders"], engine=three_orders.engine, declared=changed)
    assert (report.changed, report.quarantined) == (1, {})
    assert [row["order_id"] for row in three_orders.rows("silver.orders", "order_id")] == ["1", "2", "3"]
    assert replay(three_orders.settings, engine=three_orders.engine, declared=changed).steps == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"update": by_group("channel_name")},
            r"by_group names channel_name, which silver\.orders does not have; it has order_id, ",
        ),
        (
            {"update": ByKey("silver.orders", {"channel_key": "key"})},
            r"by_key \(for channel_key\) names key, which silver\.orders does not have",
        ),
        ({"lookups": {"silver.orders": lookup("shop_id")}}, r"the lookup in silver\.orders names shop_id"),
        ({"lookups": {"silver.orders": lookup("order_id", uses=("colour",))}}, r"its lookup names colour, which silver\.orders"),
        ({"update": by_group("channel"), "dated": "day", "dated_there": "day"}, r"dated names day, which silver\.orders"),
        ({"partition_by": ("month",)}, r"declares month, which the function does not return"),
        ({"pii": ("telephone",)}, r"declares telephone, which the function does not return"),
    ],
)
def test_a_column_that_nobody_has_is_refused_before_anything_is_written(
    three_orders: Any, wrong: dict[str, Any], message: str
) -> None:
    declared = tables()
    declared["gold.dim_channel"] = replace(declared["gold.dim_channel"], **wrong)
    with pytest.raises(BuildFailed, match=rf"transforms/gold/dim_channel\.py: .*{message}") as failure:
        three_orders.build(declared=declared, select=["+dim_channel"])
    assert len(str(failure.value).splitlines()) == 1
    assert not three_orders.lake.exists("gold.dim_channel")


def test_an_input_below_ref_that_is_not_there_is_refused_with_the_file(three_orders: Any) -> None:
    declared = tables()
    declared["gold.dim_channel"] = replace(declared["gold.dim_channel"], reads=("ref.channels",))
    with pytest.raises(
        UsageError, match=r"transforms/gold/dim_channel\.py: reads ref\.channels, and there is no Delta table in "
    ):
        three_orders.build(declared=declared)
