from decimal import Decimal
from typing import Any

import altair as alt
import polars as pl
import pytest

from warehouse.dashboard import charts, countries


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (Decimal("22551234.50"), "money", "22.6 M"),
        (Decimal("12345.60"), "money", "12.3 k"),
        (Decimal("591.85"), "money", "591.85"),
        (1692, "count", "1,692"),
        (38_100, "count", "38.1 k"),
        (0.3475, "percent", "34.8 %"),
        (None, "money", "–"),
        (Decimal("-40123.00"), "money", "-40.1 k"),
        (2_500_000_000, "count", "2.50 G"),
        (Decimal("855064.28"), "money", "855 k"),
    ],
)
def test_a_number_on_a_tile(value: Any, form: str, text: str) -> None:
    assert charts.short(value, form) == text


@pytest.mark.parametrize(
    ("now", "before", "form", "text"),
    [
        (Decimal(120), Decimal(100), "money", "+20.0 %"),
        (90, 100, "count", "-10.0 %"),
        (0.34, 0.35, "percent", "-1.0 points"),
        (10, 0, "count", None),
        (None, 5, "money", None),
    ],
)
def test_the_change_of_a_number(now: Any, before: Any, form: str, text: str | None) -> None:
    assert charts.change(now, before, form) == text


def test_a_chart_says_in_words_what_it_shows() -> None:
    frame = pl.DataFrame({"category": ["Toys", "Books"], "revenue": [Decimal("10.00"), Decimal("30.00")]})
    chart = charts.bars(frame, "category", "revenue", "money", title="Revenue by category")
    assert chart.description == "Revenue by category: 2 values, from Toys to Books; the largest is Books with 30.00"
    assert charts.described("Revenue", frame.clear(), "category", "revenue", "money") == "Revenue: nothing"


def test_a_chart_is_valid_vega_lite_and_holds_the_rows() -> None:
    frame = pl.DataFrame({"month": ["2026-01", "2026-02"], "revenue": [Decimal("10.50"), None]})
    spec = charts.line(frame, "month", "revenue", "money", title="Revenue").to_dict()
    [rows] = spec["datasets"].values()
    assert rows == [{"month": "2026-01", "revenue": 10.5}, {"month": "2026-02", "revenue": None}]


def test_the_map_finds_countries_by_what_people_call_them() -> None:
    assert [countries.number(name) for name in ("France", "UK", "United States", "USA", "DE", "Unknown")] == [
        250,
        826,
        840,
        840,
        276,
        None,
    ]
    frame = pl.DataFrame({"country": ["France", "Unknown"], "revenue": [1.0, 2.0]})
    chart = charts.world(frame, "revenue", "money", title="Map", outlines=alt.topo_feature("/assets/countries.json", "countries"))
    rows = [row for dataset in chart.to_dict()["datasets"].values() for row in dataset]
    assert rows == [{"country": "France", "revenue": 1.0, "id": 250}]
