"""Conditions: what SQL may say over dimensions, and nothing that is more than that."""

from typing import Any

import pytest

from lake.errors import UsageError


@pytest.mark.parametrize(
    "where",
    [
        "country = 'France'",
        "'France' = country",
        "Country <> 'France' and year >= 2025",
        "category in ('Toys', 'Games') or channel = 'web'",
        "not (category in ('Toys') or country is null)",
        "month between '2024-06' and '2025-02'",
        "date >= '2025-06-30' AND date < DATE '2025-07-02'",
        "category like '%o%' and country not like 'S%' and channel ilike 'W_B'",
        "country is not null and year != 2024",
        "category not in ('Toys', 'Home') and month not between '2024-02' and '2024-05' and channel not ilike 'W%'",
        "country is not distinct from 'Spain' or category is distinct from 'Toys'",
        "year > -1",
        "category < country",
        "category = 'it''s'",
    ],
)
def test_a_condition_means_what_duckdb_says(shop: Any, where: str) -> None:
    asked = where.replace("date", "day").replace("DATE '", "DATE '")
    [(expected,)] = shop.sql(f"SELECT coalesce(sum(net_amount), 0) FROM sold WHERE {where}")
    assert shop.ask("revenue", where=asked) == shop.ask("revenue", where=asked, rollups=False) == [(expected,)]


@pytest.mark.parametrize(
    ("where", "line"),
    [
        ("contry = 'France'", "there is no dimension contry; did you mean country"),
        ("net_amount > 5", "there is no dimension net_amount"),
        ("sales.country = 'France'", "sales.country is no dimension or value"),
        ("country = (SELECT max(country) FROM gold.dim_country)", "is no dimension or value"),
        ("country IN (SELECT country FROM gold.dim_country)", "is no dimension or value"),
        ("EXISTS (SELECT 1)", "is no dimension or value"),
        ("country = getenv('HOME')", r"GETENV\('HOME'\) is no dimension or value"),
        ("lower(country) = 'france'", "LOWER.* is no dimension or value"),
        ("country = 'x'; DROP TABLE gold.fact_sales", "it must be one condition"),
        ("DROP TABLE gold.fact_sales", "is no dimension or value"),
        ("SELECT 1", "is no dimension or value"),
        ("country = 'x' UNION SELECT 1", "is no dimension or value"),
        ("country", "is no dimension or value"),
        ("1 = 1", "is no dimension or value"),
        ("sum(year) > 1", "is no dimension or value"),
        ("category LIKE 'a!%' ESCAPE '!'", "is no dimension or value"),
        ("year BETWEEN SYMMETRIC 2026 AND 2024", "is no"),
        ("country COLLATE nocase = 'france'", "is no dimension or value"),
        ("country = ANY(['France'])", "is no dimension or value"),
        ("country = ", "it is no SQL"),
        ("country = 'x", "it is no SQL"),
        ("year = '2025'", "year is compared with a whole number, not with '2025'"),
        ("month = 202501", "month is compared with a text in quotes, such as 'x', not with 202501"),
        ("day > 'yesterday'", "day is compared with a date such as '2026-01-31', not with 'yesterday'"),
        ("day > 20250101", "day is compared with a date such as '2026-01-31', not with 20250101"),
        ("year = month", "year and month cannot be compared"),
    ],
)
def test_what_is_no_condition_on_dimensions_is_refused(shop: Any, where: str, line: str) -> None:
    with pytest.raises(UsageError, match=line):
        shop.ask("revenue", where=where)
