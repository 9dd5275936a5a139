"""A month of the Sales page as one file."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from lake.config import Settings
from lake.errors import PermanentFailure, UsageError
from warehouse import query
from warehouse.dashboard import charts, countries, report
from warehouse.dashboard.periods import Span


@pytest.fixture
def nowhere(trained_shop: Settings, monkeypatch: pytest.MonkeyPatch) -> str:
    """A country of the month's sales that the map does not know."""
    with query.connect(trained_shop, live=False) as connection:
        found = connection.execute(
            "SELECT country FROM gold.fact_sales JOIN gold.dim_date USING (date_key) JOIN gold.dim_country USING (country_key) "
            "WHERE strftime(date, '%Y-%m') = '2026-09' GROUP BY 1 ORDER BY sum(net_amount) DESC LIMIT 1"
        ).fetchone()
    assert found is not None
    lost, number = str(found[0]), countries.number
    monkeypatch.setattr(countries, "number", lambda name: None if name == lost else number(name))
    return lost


def test_the_html_needs_nothing_else_and_has_sql_s_numbers(trained_shop: Settings, nowhere: str, tmp_path: Path) -> None:
    file = report.write(trained_shop, "2026-09", tmp_path / "report.html")
    text = file.read_text()
    assert re.findall(r"""(?:src|href)=["'](?!data:)""", text) == []
    assert "<script" not in text
    revenue, orders = sql(trained_shop, "2026-09")
    assert "<title>Sales, September 2026</title>" in text
    assert f"<dd>{charts.short(revenue, 'money')}</dd>" in text
    assert f"<dd>{charts.short(orders, 'count')}</dd>" in text
    assert "1 Sep 2026 to 30 Sep 2026, compared with 1 Aug 2026 to 31 Aug 2026." in text
    assert text.count("data:image/svg+xml;base64,") == 6
    assert re.findall("<h2>(.*?)</h2>", text) == [
        "Revenue by day",
        "Revenue by category",
        "Revenue by country",
        "Top products",
        "What changed",
        "Mobile phones by quarter",
    ]
    assert f"<p class=note>Not on the map: {nowhere}</p>" in text
    assert "Revenue of mobile phones in 2026: " in text
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_it_looks_right_in_a_browser_that_is_offline(trained_shop: Settings, chromium: Any, tmp_path: Path) -> None:
    file = report.write(trained_shop, "2026-09", tmp_path / "report.html")
    page = chromium.new_context(offline=True).new_page()
    page.goto(file.as_uri())
    drawn = page.evaluate("() => [...document.images].map(i => [i.complete, i.naturalWidth > 100, i.alt.length > 20])")
    assert drawn == [[True, True, True]] * 6


def test_the_pdf_says_the_same(trained_shop: Settings, nowhere: str, tmp_path: Path) -> None:
    text = "".join(
        page.extract_text() for page in PdfReader(report.write(trained_shop, "2026-09", tmp_path / "report.pdf")).pages
    )
    revenue, orders = sql(trained_shop, "2026-09")
    assert "Sales, September 2026" in text
    assert charts.short(revenue, "money") in text
    assert charts.short(orders, "count") in text
    assert f"Not on the map: {nowhere}" in text
    assert "Mobile phones by quarter" in text


def test_without_a_month_it_is_the_last_whole_one(trained_shop: Settings) -> None:
    assert report.write(trained_shop) == trained_shop.report.folder / "sales-2026-10.html"  # its last day is the last one known


KNOWN = Span(date(2024, 1, 1), date(2026, 10, 30))  # nothing was sold on the 31st


@pytest.mark.parametrize(
    ("month", "made_on", "first", "last"),
    [
        ("2026-10", date(2026, 11, 1), date(2026, 10, 1), date(2026, 10, 31)),
        ("2026-10", date(2026, 10, 31), date(2026, 10, 1), date(2026, 10, 30)),
        ("2026-09", date(2026, 10, 1), date(2026, 9, 1), date(2026, 9, 30)),
        (None, date(2026, 11, 1), date(2026, 9, 1), date(2026, 9, 30)),
    ],
)
def test_the_days_that_a_release_holds_of_a_month(month: str | None, made_on: date, first: date, last: date) -> None:
    assert report.span_of(month, KNOWN, made_on) == Span(first, last)


def test_a_whole_month_is_not_what_a_release_of_its_last_day_holds() -> None:
    assert report.span_of("2026-10", KNOWN, date(2026, 11, 1), whole=True) == Span(date(2026, 10, 1), date(2026, 10, 31))
    with pytest.raises(PermanentFailure, match="newest release is of 2026-10-31 and does not hold the whole of 2026-10"):
        report.span_of("2026-10", KNOWN, date(2026, 10, 31), whole=True)
    with pytest.raises(PermanentFailure, match="does not hold the whole of 2026-11"):  # no sale of it is there yet
        report.span_of("2026-11", KNOWN, date(2026, 10, 31), whole=True)


@pytest.mark.parametrize(
    ("zone", "now", "month"),
    [
        ("UTC", datetime(2026, 11, 1, 7, tzinfo=UTC), "2026-10"),
        ("UTC", datetime(2027, 1, 31, 7, tzinfo=UTC), "2026-12"),
        ("America/New_York", datetime(2026, 11, 1, 3, tzinfo=UTC), "2026-09"),  # the 31st of October there
    ],
)
def test_the_month_before_is_that_of_the_shop_s_day(
    make_settings: Callable[..., Settings], zone: str, now: datetime, month: str
) -> None:
    assert report.month_before(make_settings(CARTLAKE_SHOP__TIME_ZONE=zone), now) == month


@pytest.mark.parametrize(
    ("month", "file", "line"),
    [
        ("2026-13", None, "2026-13 is no month; write it as 2026-10"),
        ("soon", None, "soon is no month"),
        ("1999-01", None, "nothing is known of 1999-01: sales are from"),
        ("2026-09", "report.doc", r"report\.doc: a report's name ends in \.html or \.pdf"),
    ],
)
def test_what_cannot_be_reported_is_said(trained_shop: Settings, tmp_path: Path, month: str, file: str | None, line: str) -> None:
    with pytest.raises(UsageError, match=line):
        report.write(trained_shop, month, tmp_path / file if file else None)
    assert list(tmp_path.iterdir()) == []


def sql(settings: Settings, month: str) -> tuple[Any, ...]:
    """Revenue and orders of a month."""
    with query.connect(settings, live=False) as connection:
        found = connection.execute(
            "SELECT sum(net_amount), count(DISTINCT order_id) FROM gold.fact_sales JOIN gold.dim_date USING (date_key) "
            "WHERE strftime(date, '%Y-%m') = ?",
            [month],
        ).fetchone()
    assert found is not None
    return found
