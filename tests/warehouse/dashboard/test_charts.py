from datetime import date, timedelta
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
        (0.34, 0.34, "percent", "0.0 points"),
        (0.34, 0.34001, "percent", "0.0 points"),
        (0.34, 0.0, "percent", "+34.0 points"),
        (100, 100, "count", "0.0 %"),
        (10, 0, "count", None),
        (None, 5, "money", None),
    ],
)
def test_the_change_of_a_number(now: Any, before: Any, form: str, text: str | None) -> None:
    assert charts.change(now, before, form) == text


@pytest.mark.parametrize(
    ("text", "worse_when_more", "colour", "arrow"),
    [
        ("+2.0 %", False, "normal", "auto"),
        ("-1.0 points", True, "inverse", "auto"),
        ("0.0 points", True, "off", "off"),
        ("not compared", False, "off", "off"),
        (None, False, "off", "off"),
    ],
)
def test_a_tile_has_an_arrow_for_what_moved(text: str | None, worse_when_more: bool, colour: str, arrow: str) -> None:
    found = charts.delta(text, worse_when_more=worse_when_more)
    assert found == {"delta": text, "delta_color": colour, "delta_arrow": arrow}


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


def test_lines_have_a_dash_each_beside_their_colour() -> None:
    frame = pl.DataFrame({"month": ["2026-01"] * 6, "country": list("ABCDEF"), "revenue": [1.0] * 6})
    encoding = charts.line(frame, "month", "revenue", "money", title="Revenue", colour="country").to_dict()["encoding"]
    for channel, signs in (("color", charts.COLOURS), ("strokeDash", charts.DASHES)):
        assert encoding[channel]["scale"] == {"domain": list("ABCDEF"), "range": list(signs)}
    assert len(charts.COLOURS) == len({tuple(dash) for dash in charts.DASHES}) == len(set(charts.SHAPES))


def test_a_line_is_dashed_to_the_months_that_are_not_whole() -> None:
    frame = pl.DataFrame({"month": ["2026-01", "2026-02", "2026-03", "2026-04"], "revenue": [1.0, 9.0, 8.0, 2.0]})
    spec = charts.line(frame, "month", "revenue", "money", title="Revenue", part=["2026-01", "2026-04"]).to_dict()
    [rows] = spec["datasets"].values()
    assert [(row["month"], row["_run"]) for row in rows] == [
        ("2026-02", "whole"),
        ("2026-03", "whole"),
        ("2026-01", "first"),
        ("2026-02", "first"),
        ("2026-03", "last"),
        ("2026-04", "last"),
    ]
    assert spec["encoding"]["strokeDash"]["condition"] == {"test": "datum['_run'] == 'whole'", "value": [1, 0]}
    assert spec["encoding"]["x"]["title"] == "2026-01 and 2026-04 are not whole"
    assert spec["description"].endswith("; 2026-01 and 2026-04 are not whole")


@pytest.mark.parametrize("years", [[2026], [2025, 2026]])
def test_a_line_of_part_years_alone_has_each_of_them(years: list[int]) -> None:
    frame = pl.DataFrame({"year": years, "revenue": [1.0] * len(years)})
    spec = charts.line(frame, "year", "revenue", "money", title="Revenue", part=[str(year) for year in years]).to_dict()
    [rows] = spec["datasets"].values()
    assert {row["year"] for row in rows} == set(years)
    assert "whole" not in {row["_run"] for row in rows}


@pytest.mark.parametrize(("days", "form"), [(28, "%-d %b"), (400, "%-d %b %y")])
def test_an_axis_of_days_has_one_format(days: int, form: str) -> None:
    first = date(2026, 1, 1)
    frame = pl.DataFrame({"day": [first, first + timedelta(days=days)], "revenue": [1.0, 2.0]})
    assert charts.line(frame, "day", "revenue", "money", title="Revenue").to_dict()["encoding"]["x"]["axis"]["format"] == form


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
