"""The way from an answer down: lines over time, marks without a value, splits and the days of a period."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from warehouse.dashboard import explore, periods
from warehouse.dashboard.explore import Choice
from warehouse.dashboard.filters import Filters
from warehouse.dashboard.periods import CUSTOM, Span
from warehouse.dashboard.reader import Reader

YEAR = Span(date(2025, 1, 1), date(2025, 12, 31))
ALL, FRANCE = Filters(YEAR, {}), Filters(YEAR, {"country": ("France",)})
SOLD = (
    "gold.fact_sales JOIN gold.dim_date USING (date_key) JOIN gold.dim_country USING (country_key) "
    "JOIN gold.dim_product USING (product_key)"
)


@pytest.mark.parametrize("most", [2, 1000])
@pytest.mark.parametrize("by", [("product_type",), ("category", "country"), ()])
def test_lines_are_those_with_the_most_whole_and_exact(reader: Reader, sql: Any, by: tuple[str, ...], most: int) -> None:
    found, total = explore.lines(reader, Choice(("revenue",), by, "quarter"), ALL, most)
    parts = ["".join(f"coalesce({'type' if name == 'product_type' else name}, 'Unknown') AS {name}, " for name in by)]
    rows = sql(
        f"WITH sold AS (SELECT {parts[0]} year || '-Q' || quarter AS q, net_amount FROM {SOLD} WHERE year = 2025), "
        f"every AS (SELECT {', '.join((*by, 'q'))}, sum(net_amount) AS revenue FROM sold GROUP BY ALL) SELECT * FROM every"
    )
    sums: dict[Any, Decimal] = {}
    for *names, _, revenue in rows:
        sums[tuple(names)] = sums.get(tuple(names), Decimal(0)) + revenue
    assert total == len(sums)
    kept = set(sorted(sums, key=lambda names: -sums[names])[:most])
    ours = {(*(row[name] for name in by), row["quarter"]): row["revenue"] for row in found.to_dicts()}
    assert ours == {(*names, quarter): revenue for *names, quarter, revenue in rows if tuple(names) in kept}
    assert found["quarter"].to_list() == sorted(found["quarter"].to_list())


def test_lines_of_growth_are_ranked_by_what_grows(reader: Reader) -> None:
    found, total = explore.lines(reader, Choice(("revenue_growth",), ("country",), "month"), ALL, 1)
    best = reader.ask("revenue", by=["country"], where=YEAR.where(), order=["revenue desc"], limit=1)["country"].item()
    assert set(found["country"]) == {best}
    assert found.height == 12
    assert total > 1


def test_the_order_is_the_one_that_was_asked_for(reader: Reader) -> None:
    by_revenue, upwards, by_name = (
        explore.answer(reader, explore.asked(reader.declared, Choice(("revenue",), ("country",), order=order), ALL))
        for order in (explore.FIRST, explore.LAST, explore.NAME)
    )
    assert by_revenue["revenue"].to_list() == sorted(by_revenue["revenue"].to_list(), reverse=True)
    assert upwards["revenue"].to_list() == sorted(upwards["revenue"].to_list())
    assert by_name["country"].to_list() == sorted(by_name["country"].to_list())
    moved = [
        explore.compared(reader, Choice(("revenue",), ("country",), order=order), ALL)["revenue change"].to_list()
        for order in (explore.FIRST, explore.LAST)
    ]
    assert moved[0] == sorted(moved[0]) == moved[1][::-1]


def test_a_growth_has_values_to_filter_by(reader: Reader) -> None:
    assert "France" in explore.values(reader, "revenue_growth", "country", 100)
    few = explore.values(reader, "revenue", "product", 3)
    best = reader.ask("revenue", by=["product"], order=["revenue desc"], limit=3)["product"].to_list()
    assert few == sorted(best)


def test_a_mark_without_a_value_is_not_every_value() -> None:
    assert explore.behind("", {"term": None}) == "term IS NULL"
    assert explore.mark(("term", "day"), {"term": None, "day": date(2026, 1, 31)}) == {"term": None, "day": "2026-01-31"}


def test_a_split_keeps_the_number(reader: Reader) -> None:
    """One step down, the parts are together what the mark was: its period too, and no more of it than was looked at."""
    filters = Filters(Span(date(2025, 3, 15), date(2025, 12, 31)), {"channel": ("web", "store")})
    choice = Choice(("revenue",), ("brand", "channel"), "quarter")
    rows = explore.answer(reader, explore.asked(reader.declared, choice, filters))
    for row in rows.head(4).to_dicts():
        said = explore.down(choice, filters, explore.mark(choice.cut, row), "country")
        assert (said["cut"], said["grain"], said["period"]) == (["country"], None, CUSTOM)
        assert said["channel"] == [row["channel"]]
        below = Filters(Span(said["from"], said["to"]), {"channel": tuple(said["channel"])})
        only = {name: tuple(found) for name, found in said["only"].items()}
        parts = explore.answer(reader, explore.asked(reader.declared, Choice(("revenue",), ("country",), only=only), below))
        assert parts["revenue"].sum() == row["revenue"]


def test_a_mark_is_split_by_what_has_several_values_in_it(reader: Reader) -> None:
    choice = Choice(("revenue",), ("category",), only={"brand": ("Rapid",), "city": ("Lyon", "Paris")})
    others = explore.splits(reader.declared, choice, FRANCE, {"category": "Books"})
    assert {"country", "category", "brand"} & set(others) == set()
    assert {"city", "product", "channel"} <= set(others)


@pytest.mark.parametrize("grain", explore.GRAINS)
def test_a_period_has_the_days_that_sql_gives_it(reader: Reader, sql: Any, grain: str) -> None:
    said = {"week": "strftime(date, '%G-W%V')", "month": "strftime(date, '%Y-%m')", "quarter": "year || '-Q' || quarter"}
    name = said.get(grain, "date" if grain == "day" else "year")
    rows = sql(
        f"SELECT CAST({name} AS VARCHAR), min(date), max(date) FROM gold.dim_date "
        "WHERE date BETWEEN '2023-12-25' AND '2026-01-11' GROUP BY 1 ORDER BY 2"
    )
    whole = rows[1:-1]  # the ends may be cut off
    assert {name: periods.period(grain, name) for name, *_ in whole} == {name: Span(first, last) for name, first, last in whole}


def test_rows_are_counted_by_the_metric_that_is_of_them(reader: Reader) -> None:
    metrics = ("net_sales", "orders", "refunds", "units")
    assert explore.sources(reader.declared, metrics) == ["sales", "returns"]
    assert explore.sums_up(reader.declared, metrics, "sales") == "units"
    assert explore.sums_up(reader.declared, metrics, "returns") == "refunds"
    assert explore.sums_up(reader.declared, ("orders", "return_rate"), "returns") is None
