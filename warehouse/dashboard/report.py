"""A month of the Sales page as one file, HTML or PDF, that needs nothing else: its charts are drawn here, as SVG."""

import base64
import html
import json
import secrets
import tempfile
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from string import Template
from typing import Any
from zoneinfo import ZoneInfo

import altair as alt

from lake.config import Settings
from lake.errors import PermanentFailure, UsageError
from warehouse.dashboard import charts, countries, periods, sales
from warehouse.dashboard.filters import Filters
from warehouse.dashboard.page import Page
from warehouse.dashboard.periods import Span
from warehouse.dashboard.reader import Reader
from warehouse.release import Release, choose, releases

_ASSETS = Path(__file__).parent / "assets"
_WIDTH = 640  # of a chart, in pixels


@dataclass(frozen=True)
class Figure:
    """A number of the report: what it is, as it is shown, and its change against the month before."""

    name: str
    value: str
    change: str


@dataclass(frozen=True)
class Drawn:
    """A chart: its title, what it shows in words, its SVG, and what stands below it."""

    title: str
    told: str
    svg: str
    note: str = ""


@dataclass(frozen=True)
class Contents:
    """What a report says, whatever it is written as."""

    title: str
    about: str
    figures: tuple[Figure, ...]
    charts: tuple[Drawn, ...]


def write(
    settings: Settings, month: str | None = None, file: Path | None = None, release: int | None = None, *, whole: bool = False
) -> Path:
    """Write the report of a month, such as 2026-10; of the last whole month that has sales to its end, unless given.

    `file` ends in .html or .pdf; without one it is `report.folder`/sales-2026-10.html. An older file of that name is replaced
    when the new one is whole. UsageError for a month that the release does not know, or another ending; with `whole`
    PermanentFailure for one whose end the release does not reach.
    """
    if file is not None and file.suffix not in (".html", ".pdf"):
        raise UsageError(f"{file}: a report's name ends in .html or .pdf")
    chosen = choose(settings, release)
    reader = Reader(settings, chosen)
    try:
        known = reader.days()
        if known is None:
            raise UsageError(f"release {chosen.number} has no sales to report")
        made_on = chosen.at.astimezone(ZoneInfo(settings.shop.time_zone)).date()
        span = span_of(month, known, made_on, whole=whole)
        made = contents(Page(settings, reader, Filters(span, {}), known, tuple(releases(settings))), chosen)
    finally:
        reader.close()
    file = file or settings.report.folder / f"sales-{span.first:%Y-%m}.html"
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    part.write_bytes(_as_pdf(made) if file.suffix == ".pdf" else _as_html(made).encode())
    part.replace(file)
    return file


def contents(page: Page, release: Release) -> Contents:
    """The tiles and charts of the Sales page for the days of a page."""
    figures = tuple(
        Figure(
            sales.label(name),
            charts.short(now, page.reader.metric(name).format),
            charts.change(now, was, page.reader.metric(name).format) or "nothing to compare",
        )
        for name, now, was in sales.figures(page)
    )
    outlines = alt.InlineData(
        values=json.loads((_ASSETS / "countries.json").read_text()),
        format=alt.TopoDataFormat(feature="countries", type="topojson"),
    )
    moved = sales.changed(page, "category")
    asked = sales.charts_of(page, outlines) | {"What changed": sales.changes(moved) if moved.height else None}
    year = page.filters.span.first.year
    phones, title = sales.phones(page, year), f"Revenue of mobile phones in {year}"
    if phones.height:
        asked["Mobile phones by quarter"] = charts.bars(phones, "quarter", "revenue", "money", title=title, upright=True)
    nowhere = [name for name in sales.most(page, "country")["country"].to_list() if countries.number(name) is None]
    notes = {
        "Revenue by country": "Not on the map: " + ", ".join(nowhere) if nowhere else "",
        "Mobile phones by quarter": f"Of {year}, as far as release {release.number} knows it.",
    }
    drawn = tuple(
        Drawn(title, str(chart.description), _svg(chart), notes.get(title, ""))
        for title, chart in asked.items()
        if chart is not None
    )
    days = page.filters.span
    about = f"{days.text()}, {days.compared(page.known)}. Release {release.number} of {release.at:%d %b %Y %H:%M} UTC."
    return Contents(f"Sales, {days.first:%B %Y}", about, figures, drawn)


def month_before(settings: Settings, now: datetime | None = None) -> str:
    """The month before today's, in the shop's time zone, such as 2026-10."""
    today = (now or datetime.now(UTC)).astimezone(ZoneInfo(settings.shop.time_zone)).date()
    return f"{today.replace(day=1) - timedelta(days=1):%Y-%m}"


def span_of(asked: str | None, known: Span, made_on: date, *, whole: bool = False) -> Span:
    """The days to report of a month: all, where the release reaches its end, else those up to its last sale.

    It reaches the end when something was sold on the last day, or when it was made on a later one: then nothing was.
    """
    if asked is None:
        asked = f"{periods.last_whole_month(known).first:%Y-%m}"
    try:
        span = periods.month(asked)
    except ValueError:
        raise UsageError(f"{asked} is no month; write it as 2026-10") from None
    reached = known.last >= span.last or made_on > span.last
    if whole and not reached:
        raise PermanentFailure(
            f"the newest release is of {made_on} and does not hold the whole of {asked}: see why in the run of daily/default, "
            f"then: prefect deployment run 'report/default' --param month={asked}"
        )
    if span.last < known.first or span.first > known.last:
        raise UsageError(f"nothing is known of {asked}: sales are from {known.first:%Y-%m} to {known.last:%Y-%m}")
    return span if reached else Span(span.first, known.last)


def _svg(chart: Any) -> str:
    """The chart as SVG; its fonts are those of whoever opens the file."""
    import vl_convert

    described = chart.properties(width=_WIDTH).configure(
        font="sans-serif",
        background="transparent",
        view=alt.ViewConfig(stroke=None),
        point=alt.OverlayMarkDef(color=charts.COLOURS[0]),
    )
    return str(vl_convert.vegalite_to_svg(described.to_dict()))


def _as_html(made: Contents) -> str:
    figures = "".join(
        f"<div><dt>{html.escape(f.name)}</dt><dd>{html.escape(f.value)}</dd><dd class=change>{html.escape(f.change)}</dd></div>"
        for f in made.figures
    )
    drawn = "".join(
        f"<section><h2>{html.escape(one.title)}</h2>"
        f'<img alt="{html.escape(one.told, quote=True)}" '
        f'src="data:image/svg+xml;base64,{base64.b64encode(one.svg.encode()).decode()}">'
        + (f"<p class=note>{html.escape(one.note)}</p>" if one.note else "")
        + "</section>"
        for one in made.charts
    )
    page = Template((_ASSETS / "report.html").read_text())
    return page.substitute(title=html.escape(made.title), about=html.escape(made.about), figures=figures, charts=drawn)


def _as_pdf(made: Contents) -> bytes:
    """Set by Typst, which has its fonts with it. Texts reach it as data, so that none is taken for markup."""
    import typst

    with tempfile.TemporaryDirectory() as folder:
        for number, one in enumerate(made.charts):
            (Path(folder) / f"{number}.svg").write_text(one.svg)
        data = {
            "title": made.title,
            "about": made.about,
            "figures": [[f.name, f.value, f.change] for f in made.figures],
            "charts": [[one.title, one.told, f"{number}.svg", one.note] for number, one in enumerate(made.charts)],
        }
        (Path(folder) / "report.json").write_text(json.dumps(data))
        main = Path(folder) / "report.typ"
        main.write_text((_ASSETS / "report.typ").read_text())
        return bytes(typst.compile(str(main)))
