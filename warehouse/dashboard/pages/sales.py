"""Sales: how much, of what, where, and what changed."""

from typing import Any

import altair as alt
import streamlit as st

from warehouse.dashboard import charts, countries, sales
from warehouse.dashboard.page import Page
from warehouse.dashboard.parts import draw

TITLE, ICON, ORDER = "Sales", ":material/storefront:", 1
_WORSE_WHEN_MORE = ("return_rate",)
_CHANGES = ("category", "product_type", "brand", "product", "country", "channel")
_NO_BEFORE = f"There is {sales.UNCOMPARED}"
_OUTLINES = alt.topo_feature("/assets/countries.json", "countries")


def show(page: Page) -> None:
    # For the sections below, too: so the page appears, and changes, in one go.
    sales.ask_ahead(page, st.session_state.get("by", _CHANGES[0]), st.session_state.get("phones", page.known.last.year))
    figures, drawn = sales.figures(page), sales.charts_of(page, _OUTLINES)
    _tiles(page, figures)
    time = next(iter(drawn))
    for left, right in ((time, "Revenue by category"), ("Revenue by country", "Top products")):
        for place, title in zip(st.columns(2), (left, right), strict=True):
            with place:
                draw(drawn[title], heading=title)
    nowhere = [name for name in sales.most(page, "country")["country"].to_list() if countries.number(name) is None]
    if nowhere:
        st.caption("Not on the map: " + ", ".join(nowhere))
    _what_changed(page)
    _phones(page)


def _tiles(page: Page, figures: list[tuple[str, Any, Any]]) -> None:
    before = page.filters.span.known_before(page.known)
    tiles = st.container(key="tiles", horizontal=True)  # as high as they will be, from the start: assets/head.html
    for name, now, was in figures:
        metric = page.reader.metric(name)
        tiles.metric(
            sales.label(name),
            charts.short(now, metric.format),
            **charts.delta(
                charts.change(now, was, metric.format) if before else sales.NOT_COMPARED, worse_when_more=name in _WORSE_WHEN_MORE
            ),
            help=f"{metric.description}. " + (f"{before.text()}: {charts.short(was, metric.format)}" if before else _NO_BEFORE),
            border=True,
        )


@st.fragment
def _what_changed(page: Page) -> None:
    """Which of a dimension fell and which rose; another choice of it redraws nothing else."""
    left, right = st.columns([2, 1])
    left.subheader("What changed")
    dimension = right.selectbox("By", _CHANGES, format_func=sales.label, key="by", bind="query-params")
    rows = sales.changed(page, dimension)
    before = page.filters.span.known_before(page.known)
    if before is None:
        draw(None, f"{_NO_BEFORE}: sales are known from {page.known.first:%-d %b %Y}.")
        return
    draw(sales.changes(rows) if rows.height else None)
    st.caption(f"{page.filters.span.text()} less {before.text()}; what fell most is first.")


@st.fragment
def _phones(page: Page) -> None:
    left, right = st.columns([2, 1])
    left.subheader("Mobile phones by quarter")
    years = list(range(page.known.last.year, page.known.first.year - 1, -1))
    year = right.selectbox("Of", years, key="phones", bind="query-params")
    rows = sales.phones(page, year)
    title = f"Revenue of mobile phones in {year}"
    drawn = charts.bars(rows, "quarter", "revenue", "money", title=title, upright=True) if rows.height else None
    draw(drawn, f"No mobile phone was sold in {year} with these filters.")
