"""The capstone's reporting SQL (grouping sets, rollup, cube, the query table) runs as its lab has it, and adds up."""

from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from warehouse import query

GROUPING_SETS = """
SELECT co.country, ca.category, SUM(f.amount) AS totalsales
FROM FactSales f
LEFT JOIN DimCountry co ON f.countryid = co.countryid
LEFT JOIN DimCategory ca ON f.categoryid = ca.categoryid
GROUP BY GROUPING SETS (co.country, ca.category)
"""
ROLLUP = """
SELECT d.Year, co.country, SUM(f.amount) AS totalsales
FROM FactSales f
LEFT JOIN DimDate d ON f.dateid = d.dateid
LEFT JOIN DimCountry co ON f.countryid = co.countryid
GROUP BY ROLLUP (d.Year, co.country)
"""
CUBE = """
SELECT d.Year, co.country, AVG(f.amount) AS averagesales
FROM FactSales f
LEFT JOIN DimDate d ON f.dateid = d.dateid
LEFT JOIN DimCountry co ON f.countryid = co.countryid
GROUP BY CUBE (d.Year, co.country)
"""


@pytest.fixture(scope="module")
def star(make_gold: Any) -> Any:
    """Three sales: France bought a laptop and, a year later, one of an unknown product; somebody unknown bought a phone."""
    gold = make_gold()
    money = pa.decimal128(18, 2)
    gold.add(
        "gold.fact_sales",
        pa.table(
            {
                "order_id": [1, 2, 3],
                "date_key": pa.array([20250101, 20260101, 20260101], pa.int32()),
                "country_key": [10, 10, -1],
                "product_key": [7, -1, 8],
                "amount": pa.array([Decimal("10.00"), Decimal("20.00"), Decimal("5.50")], money),
            }
        ),
    )
    gold.add("gold.dim_country", pa.table({"country_key": [10, -1], "country": ["France", None]}))
    gold.add("gold.dim_product", pa.table({"product_key": [7, 8, 9, -1], "category": ["Laptop", "Phone", "Phone", None]}))
    days = {
        "date_key": pa.array([20250101, 20260101], pa.int32()),
        "year": [2025, 2026],
        "quarter": [1, 1],
        "quarter_name": ["Q1", "Q1"],
        "month": [1, 1],
        "month_name": ["January", "January"],
        "day": [1, 1],
        "weekday": [4, 5],
        "weekday_name": ["Wednesday", "Thursday"],
    }
    dates = pa.array([20089, 20454], pa.int32()).cast(pa.date32())
    gold.add("gold.dim_date", pa.table(days).append_column("date", dates))
    totals = pa.array([Decimal("30.00"), Decimal("5.50")], money)
    gold.add("gold.mqt_total_sales_per_country", pa.table({"country": ["France", "Unknown"], "total_sales": totals}))
    gold.publish()
    return gold


def both(star: Any, sql: str) -> set[tuple[Any, ...]]:
    """The answer of the file itself, which `cartlake sql` must give too."""
    found = set(star.ask(sql))
    with query.connect(star.settings) as connection:
        assert set(query.run_sql(connection, sql)[1]) == found
    return found


def test_grouping_sets(star: Any) -> None:
    assert both(star, GROUPING_SETS) == {
        ("France", None, Decimal("30.00")),
        ("Unknown", None, Decimal("5.50")),
        (None, "Laptop", Decimal("10.00")),
        (None, "Phone", Decimal("5.50")),
        (None, "Unknown", Decimal("20.00")),
    }


def test_rollup(star: Any) -> None:
    assert both(star, ROLLUP) == {
        (2025, "France", Decimal("10.00")),
        (2026, "France", Decimal("20.00")),
        (2026, "Unknown", Decimal("5.50")),
        (2025, None, Decimal("10.00")),
        (2026, None, Decimal("25.50")),
        (None, None, Decimal("35.50")),
    }


def test_cube(star: Any) -> None:
    assert {(2026, None, 12.75), (None, "France", 15.0), (None, None, 35.5 / 3)} <= both(star, CUBE)


def test_the_query_table_has_the_totals_of_the_fact(star: Any) -> None:
    from_fact = "SELECT co.country, SUM(f.amount) FROM FactSales f JOIN DimCountry co USING (countryid) GROUP BY co.country"
    assert both(star, "SELECT country, total_sales FROM total_sales_per_country") == both(star, from_fact)


def test_no_product_is_in_two_categories_and_no_sale_is_counted_twice(star: Any) -> None:
    assert both(star, "SELECT count(*), count(DISTINCT category) FROM DimCategory") == {(3, 3)}
    assert both(star, "SELECT count(*) FROM FactSales") == {(3,)}


def test_a_gold_without_these_tables_has_no_such_views(gold: Any) -> None:
    gold.add("gold.other", pa.table({"a": [1]}))
    gold.publish()
    with pytest.raises(duckdb.CatalogException, match="FactSales"):
        gold.ask("FROM FactSales")
