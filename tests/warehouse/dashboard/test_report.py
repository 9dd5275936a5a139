"""A month of the Sales page as one file."""

import re
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from lake.config import Settings
from lake.errors import UsageError
from warehouse import query
from warehouse.dashboard import charts, report


def test_the_html_needs_nothing_else_and_has_sql_s_numbers(trained_shop: Settings, tmp_path: Path) -> None:
    file = report.write(trained_shop, "2026-09", tmp_path / "report.html")
    text = file.read_text()
    assert re.findall(r"""(?:src|href)=["'](?!data:)""", text) == []
    assert "<script" not in text
    revenue, orders = sql(trained_shop, "2026-09")
    assert "<title>Sales, September 2026</title>" in text
    assert f"<dd>{charts.short(revenue, 'money')}</dd>" in text
    assert f"<dd>{charts.short(orders, 'count')}</dd>" in text
    assert "1 Sep 2026 to 30 Sep 2026, compared with 1 Aug 2026 to 31 Aug 2026." in text
    assert text.count("data:image/svg+xml;base64,") == 5
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_it_looks_right_in_a_browser_that_is_offline(trained_shop: Settings, chromium: Any, tmp_path: Path) -> None:
    file = report.write(trained_shop, "2026-09", tmp_path / "report.html")
    page = chromium.new_context(offline=True).new_page()
    page.goto(file.as_uri())
    drawn = page.evaluate("() => [...document.images].map(i => [i.complete, i.naturalWidth > 100, i.alt.length > 20])")
    assert drawn == [[True, True, True]] * 5


def test_the_pdf_says_the_same(trained_shop: Settings, tmp_path: Path) -> None:
    text = "".join(
        page.extract_text() for page in PdfReader(report.write(trained_shop, "2026-09", tmp_path / "report.pdf")).pages
    )
    revenue, orders = sql(trained_shop, "2026-09")
    assert "Sales, September 2026" in text
    assert charts.short(revenue, "money") in text
    assert charts.short(orders, "count") in text


def test_without_a_month_it_is_the_last_whole_one(trained_shop: Settings) -> None:
    assert report.write(trained_shop) == trained_shop.report.folder / "sales-2026-10.html"  # its last day is the last one known


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
