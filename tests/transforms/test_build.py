"""The build end to end on a small bronze: what comes out, what stays out, and what a second run does."""

import json
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from lake.errors import TransientFailure
from lake.lock import hold
from transforms import update, write
from transforms.build import BuildFailed, build, steps
from transforms.declaration import ByGroup, Table
from transforms.table import rule, tables


@pytest.fixture
def filled(shop: Any, rows: Any) -> Any:
    """A shop with two customers, two products, three orders of four lines and one return."""
    shop.snapshot("customers", [rows.customer(1), rows.customer(2, country="Japan")])
    shop.snapshot("products", [rows.product(1), rows.product(2, category="Books")])
    shop.snapshot("orders", [rows.order(1, discount=Decimal("1.00")), rows.order(2, channel="app"), rows.order(3, customer_id=2)])
    shop.snapshot(
        "sales_data",
        [
            rows.sale(1, price=Decimal("10.00"), quantity=3),
            rows.sale(2, order_id=1, product_id=2, timestamp=rows.at(1), price=Decimal("0.01")),
            rows.sale(3, order_id=2),
            rows.sale(4, order_id=3, customer_id=2, quantity=2),
        ],
    )
    shop.snapshot("returns", [rows.sent_back(1)])
    shop.lines(rows.hit(rows.at(1)))
    return shop


def how(report: Any) -> dict[str, str]:
    return {step.table: step.how for step in report.steps if step.how != "skip"}


def test_the_star(filled: Any) -> None:
    report = filled.build()
    assert report.engine == filled.engine.name
    assert report.quarantined == {}
    facts = filled.rows(
        "gold.fact_sales", "sale_id", "order_id", "date_key", "amount", "discount", "net_amount", "cost", "sale_month"
    )
    money = {row["sale_id"]: (row["amount"], row["discount"], row["cost"]) for row in facts}
    assert money[1] == (Decimal("30.00"), Decimal("1.00"), Decimal("21.75"))
    assert money[2] == (Decimal("0.01"), Decimal("0.00"), Decimal("7.25"))
    assert {row["sale_id"]: row["date_key"] for row in facts}[4] == 20250105
    daily = filled.rows("gold.agg_sales_daily")
    assert sum(row["amount"] for row in daily) == Decimal("60.01")
    assert {(row["date_key"], row["category"], row["country"], row["channel"]) for row in daily} == {
        (20250102, "Electronics", "France", "web"),
        (20250102, "Books", "France", "web"),
        (20250104, "Electronics", "France", "app"),
        (20250105, "Electronics", "Japan", "web"),
        (20250210, "Electronics", "France", "web"),  # only something that came back
    }
    (back,) = filled.rows("gold.fact_returns")
    sold = {row["sale_id"]: row for row in filled.rows("gold.fact_sales")}
    assert (back["sale_id"], back["customer_key"], back["date_key"]) == (1, sold[1]["customer_key"], 20250210)


def test_totals_agree_on_every_level(filled: Any) -> None:
    filled.build()
    for table, level in {"cube_sales": "total", "rollup_sales": "total", "grouping_sets_sales": "total"}.items():
        assert [row["amount"] for row in filled.rows(f"gold.{table}") if row["level"] == level] == [Decimal("60.01")], table
    cube = Counter(row["level"] for row in filled.rows("gold.cube_sales"))
    assert cube["country"] == 2
    assert len(cube) == 16
    assert [row["level"] for row in filled.rows("gold.rollup_sales") if row["grouping_id"] == 3] == ["year+quarter"]


def test_nothing_new_commits_nothing_and_starts_no_engine(filled: Any) -> None:
    filled.build()
    before = filled.versions()
    report = build(filled.settings)
    assert {step.why for step in report.steps} == {"nothing new"}
    assert report.engine == ""
    assert filled.versions() == before


def test_a_full_build_of_what_is_up_to_date_changes_no_table(filled: Any) -> None:
    filled.build()
    before = filled.versions()
    report = filled.build(full=True)
    assert {step.how for step in report.steps} == {"rebuild"}
    assert report.changed == 0
    after = filled.versions()
    assert {name for name in after if after[name] != before.get(name)} == {"meta.progress", "meta.checks"}


FOLLOWING_GROUPS = (
    *("agg_sales_daily", "agg_sales_monthly", "agg_sales_by_category_country", "mqt_total_sales_per_country"),
    *("agg_sales_by_customer", "agg_basket_pairs_monthly", "agg_orders_daily"),
)
COMPUTED_WHOLE = ("cube_sales", "rollup_sales", "grouping_sets_sales", "agg_customer_lifetime", "agg_basket_pairs")


def test_changes_follow_their_own_way(filled: Any, rows: Any) -> None:
    filled.build()
    filled.change("sales_data", ("u", rows.sale(3, order_id=2, quantity=5)), ("d", {"rowid": 4}), ("c", rows.sale(9, order_id=2)))
    report = filled.build()
    assert (
        how(report).items()
        >= {
            "silver.sales": "by_key",
            "silver.returns": "by_key",
            "gold.dim_date": "rebuild",
            "gold.fact_sales": "by_key",
            "gold.fact_returns": "by_key",
            "gold.agg_sales_daily": "by_group",
            **{f"gold.{name}": "rebuild" for name in ("cube_sales", "rollup_sales", "grouping_sets_sales")},
        }.items()
    )
    assert not {"silver.customers", "gold.dim_customer", "gold.dim_product"} & how(report).keys()
    changed = {step.table: step.changed for step in report.steps}
    assert (changed["silver.sales"], changed["gold.fact_sales"], changed["gold.dim_date"], changed["gold.fact_returns"]) == (
        3,
        3,
        0,
        0,
    )
    assert {row["sale_id"]: row["quantity"] for row in filled.rows("gold.fact_sales")} == {1: 3, 2: 1, 3: 5, 9: 1}


def test_a_line_that_changes_moves_the_discount_of_its_siblings(filled: Any, rows: Any) -> None:
    filled.build()
    filled.change("sales_data", ("u", rows.sale(2, order_id=1, timestamp=rows.at(1), price=Decimal("30.00"))))
    filled.build()
    assert {row["sale_id"]: row["discount"] for row in filled.rows("gold.fact_sales")} == {
        1: Decimal("0.50"),
        2: Decimal("0.50"),
        3: Decimal(0),
        4: Decimal(0),
    }


def test_a_dirty_row_is_kept_out_and_comes_back_when_mended(filled: Any, rows: Any) -> None:
    filled.change("sales_data", ("c", rows.sale(5, quantity=-1)), ("c", rows.sale(6, timestamp=rows.at(0).replace(year=1970))))
    filled.change(
        "sales_data", ("c", rows.sale(7, timestamp=rows.at(0).replace(year=2099))), ("c", rows.sale(8, product_id=None))
    )
    report = filled.build()
    assert report.quarantined == {
        "quarantine.sales": {
            "quantity > 0": 1,
            "product_id is not null": 1,
            "sold_at >= timestamp '2000-01-01 00:00:00'": 1,
            "sold_at <= _source_ts + interval 366 days": 1,
        }
    }
    kept = {row["key"]: row for row in filled.rows("quarantine.sales")}
    assert json.loads(kept['{"sale_id": 5}']["raw"])["quantity"] == -1
    assert 5 not in {row["sale_id"] for row in filled.rows("silver.sales")}
    filled.change("sales_data", ("u", rows.sale(5, quantity=2)), ("d", {"rowid": 6}), ("u", rows.sale(3, quantity=0)))
    report = filled.build()
    assert {row["key"] for row in filled.rows("quarantine.sales")} == {'{"sale_id": 3}', '{"sale_id": 7}', '{"sale_id": 8}'}
    assert {row["sale_id"] for row in filled.rows("gold.fact_sales")} == {1, 2, 4, 5}
    checks = [row for row in filled.rows("meta.checks") if row["run"] == report.run and row["table"] == "silver.sales"]
    assert {row["rule"]: (row["checked"], row["broken"]) for row in checks}["quantity > 0"] == (2, 1)


def test_quarantine_is_the_same_after_a_rebuild(filled: Any, rows: Any) -> None:
    filled.change("sales_data", ("c", rows.sale(5, quantity=-1)))
    filled.build(select=["sales"])
    before = filled.versions()["quarantine.sales"]
    filled.build(select=["sales"], full=True)
    assert filled.versions()["quarantine.sales"] == before


def test_large_tables_go_through_files_and_end_the_same(
    filled: Any, rows: Any, elsewhere: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled.change("sales_data", ("c", rows.sale(5, quantity=-1)))
    small = elsewhere(filled)
    monkeypatch.setattr(update, "FEW", 0)
    monkeypatch.setattr(write, "SMALL", 0)
    filled.build()
    before = filled.versions()
    assert filled.build(full=True).changed == 0
    assert {name for name, version in filled.versions().items() if version != before.get(name)} == {
        "meta.progress",
        "meta.checks",
    }
    for shop in (filled, small):
        shop.change("sales_data", ("u", rows.sale(5, quantity=3)), ("d", {"rowid": 3}), ("u", rows.sale(1, quantity=0)))
    assert {step.how for step in filled.build(full=True).steps} == {"rebuild"}
    monkeypatch.undo()
    small.build()
    for name in ("silver.sales", "gold.fact_sales", "gold.agg_sales_daily", "gold.cube_sales", "quarantine.sales"):
        hidden = ("customer_key", "quarantined_at", "_source_ts", "raw")  # each lake has its own clock
        one, other = ([{k: v for k, v in row.items() if k not in hidden} for row in shop.rows(name)] for shop in (filled, small))
        assert one == other, name


def test_a_new_snapshot_removes_what_it_lacks_once_it_is_complete(filled: Any, rows: Any) -> None:
    filled.build()
    filled.snapshot("sales_data", [rows.sale(1, quantity=3)], complete=False)
    report = filled.build()
    assert len(filled.rows("silver.sales")) == 4
    assert report.changed == 0
    filled.snapshot("sales_data", [rows.sale(2, order_id=1)], goes_on=True)
    report = filled.build()
    assert next(step.why for step in report.steps if step.table == "silver.sales").startswith("a new snapshot")
    assert {row["sale_id"] for row in filled.rows("gold.fact_sales")} == {1, 2}


def test_the_shop_s_day_is_not_utc_s(filled: Any, rows: Any) -> None:
    filled.change("sales_data", ("c", rows.sale(5, timestamp=rows.at(30, hour=23))))
    filled.build()
    assert {row["sale_id"]: row["date_key"] for row in filled.rows("gold.fact_sales")}[5] == 20250131
    filled.settings = filled.settings.model_copy(
        update={"shop": filled.settings.shop.model_copy(update={"time_zone": "Asia/Tokyo"})}
    )
    report = filled.build()
    assert "ref.shop changed" in next(step.why for step in report.steps if step.table == "gold.fact_sales")
    moved = {row["sale_id"]: (row["date_key"], row["sale_month"]) for row in filled.rows("gold.fact_sales")}
    assert moved[5] == (20250201, "2025-02")


def test_an_unknown_member_is_mended_when_it_arrives(filled: Any, rows: Any) -> None:
    filled.change("sales_data", ("c", rows.sale(5, customer_id=7, product_id=9)))
    filled.build()
    late = next(row for row in filled.rows("gold.fact_sales") if row["sale_id"] == 5)
    assert (late["customer_key"], late["product_key"], late["country_key"], late["channel_key"]) == (-1, -1, -1, -1)
    filled.change("customers", ("c", rows.customer(7)))
    filled.change("products", ("c", rows.product(9)))
    filled.build()
    mended = next(row for row in filled.rows("gold.fact_sales") if row["sale_id"] == 5)
    assert -1 not in (mended["customer_key"], mended["product_key"], mended["country_key"])


def test_only_what_is_captured_is_built(shop: Any, rows: Any) -> None:
    shop.snapshot("orders", [rows.order(1)])
    report = shop.build()
    whys = {step.table: step.why for step in report.steps if step.how == "skip"}
    assert whys["silver.sales"] == "bronze.shop.softcart.sales_data was never captured"
    assert whys["gold.fact_sales"] == "silver.sales is not built"
    assert set(how(report)) == {"silver.orders", "gold.dim_channel"}


def test_an_optional_column_may_be_missing(shop: Any, rows: Any) -> None:
    lines = [
        rows.sale(1, timestamp=rows.at(1)),
        rows.sale(2, timestamp=rows.at(1)),
        rows.sale(3, customer_id=2, timestamp=rows.at(1)),
    ]
    shop.snapshot("sales_data", lines, lacking=["order_id"])
    shop.build(select=["sales"])
    orders = [row["order_id"] for row in shop.rows("silver.sales", "sale_id", "order_id")]
    assert orders == ["c-1-20250102T120000", "c-1-20250102T120000", "c-2-20250102T120000"]


def test_a_table_of_another_shape_gets_a_mirror(shop: Any, rows: Any) -> None:
    shop.snapshot("sales_data", [rows.sale(1)], lacking=["price"])
    report = shop.build()
    assert next(step.why for step in report.steps if step.table == "silver.sales").startswith(
        "bronze.shop.softcart.sales_data has no column price"
    )
    assert shop.lake.count("silver.shop__softcart__sales_data") == 1


def test_a_failed_table_stops_what_reads_it_and_nothing_else(filled: Any, rows: Any) -> None:
    declared = tables()
    strict = {**declared, "silver.orders": replace(declared["silver.orders"], rules=(rule("discount = 0", level="fail"),))}
    with pytest.raises(BuildFailed, match=r"silver\.orders: 1 rows break rule 'discount = 0'") as failure:
        filled.build(declared=strict)
    report = failure.value.report
    assert set(report.errors) == {"silver.orders"}
    skipped = {step.table: step.why for step in report.steps if step.how == "skip"}
    assert skipped["gold.fact_sales"] == "silver.orders failed"
    assert skipped["gold.agg_sales_daily"] == "gold.fact_sales failed"
    assert filled.lake.count("silver.sales") == 4
    assert not filled.lake.exists("gold.fact_sales")
    filled.build()
    assert filled.lake.count("gold.fact_sales") == 4


def test_a_group_without_a_name_follows_too(filled: Any, rows: Any) -> None:
    """Null groups are computed again like any other, also when a row comes from one or goes there."""
    of_order = Table(
        name="gold.agg_orders",
        grain="one row per channel",
        key=("channel",),
        reads=("silver.orders",),
        update=ByGroup(("channel",)),
        function=lambda orders: orders.groupBy("channel").count(),
        file="agg_orders.py",
        fingerprint="1",
    )
    declared = {"silver.orders": tables()["silver.orders"], "gold.agg_orders": of_order}
    filled.change("orders", ("u", rows.order(3, channel=None)))
    filled.build(declared=declared)
    filled.change("orders", ("u", rows.order(1, channel=None)), ("c", rows.order(4, channel=None)))
    report = filled.build(declared=declared)
    assert how(report)["gold.agg_orders"] == "by_group"
    assert {row["channel"]: row["count"] for row in filled.rows("gold.agg_orders")} == {None: 3, "app": 1}


def test_a_warning_counts_and_keeps_the_row(filled: Any) -> None:
    declared = tables()
    warned = {
        **declared,
        "silver.orders": replace(declared["silver.orders"], rules=(rule("discount = 0", level="warn", name="no discount"),)),
    }
    report = filled.build(declared=warned, select=["silver.orders"])
    assert [(step.rows, dict(step.warned)) for step in report.steps] == [(3, {"no discount": 1})]


def test_a_key_that_is_not_unique_fails_loudly(filled: Any) -> None:
    declared = tables()
    wrong = {
        **declared,
        "gold.dim_channel": replace(declared["gold.dim_channel"], key=("channel_key",), reads=("silver.orders",)),
    }
    wrong["gold.dim_channel"] = replace(
        wrong["gold.dim_channel"],
        unknown=False,
        function=lambda orders: orders.selectExpr("cast(7 as bigint) as channel_key", "channel"),
    )
    with pytest.raises(
        BuildFailed, match=r"gold\.dim_channel: the key is not unique, for example channel_key = 7; mend .*dim_channel\.py"
    ):
        filled.build(declared=wrong, select=["+gold.dim_channel"])


def test_a_declared_column_that_the_function_does_not_return(filled: Any) -> None:
    declared = tables()
    wrong = {**declared, "silver.orders": replace(declared["silver.orders"], pii=("telephone",))}
    with pytest.raises(BuildFailed, match=r"orders\.py: declares telephone, which the function does not return"):
        filled.build(declared=wrong, select=["silver.orders"])


def test_a_column_added_to_a_function_is_taken_up(filled: Any) -> None:
    filled.build()
    declared = tables()
    orders = declared["silver.orders"]
    wider = replace(
        orders, fingerprint="new", function=lambda rows: orders.function(rows).selectExpr("*", "discount > 0 as is_discounted")
    )
    report = filled.build(declared={**declared, "silver.orders": wider})
    assert how(report)["silver.orders"] == "rebuild"
    assert [row["is_discounted"] for row in filled.rows("silver.orders")] == [True, False, False]
    assert filled.lake.count("gold.fact_sales") == 4


def test_the_plan_says_why(filled: Any, rows: Any) -> None:
    assert {step.why for step in steps(filled.settings)} == {"first build"}
    filled.build()
    filled.change("orders", ("u", rows.order(2, channel="store")))
    planned = {step.table: (step.how, step.why) for step in steps(filled.settings) if step.how != "skip"}
    assert planned["silver.orders"][0] == "by_key"
    assert planned["gold.fact_sales"] == ("by_key", "silver.orders will change")
    assert "silver.sales" not in planned


def test_two_builds_at_once_do_not_mix(filled: Any) -> None:
    with hold(filled.settings.data, "build"), pytest.raises(TransientFailure, match="another run holds the lock"):
        filled.build()


def test_steps_are_announced(filled: Any) -> None:
    seen: list[tuple[str, int, int]] = []
    filled.build(on_step=lambda step, done, total: seen.append((step.table, done, total)))
    assert [done for _, done, _ in seen] == list(range(len(seen)))
    assert {total for _, _, total in seen} == {len(seen)}
