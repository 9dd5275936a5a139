"""Explore: any metric by any dimension, down to the rows behind a mark."""

import hashlib

import streamlit as st

from lake.errors import UsageError
from warehouse.dashboard import charts, explore
from warehouse.dashboard.explore import Choice
from warehouse.dashboard.exploring import answer, behind, controls, files, saved, split
from warehouse.dashboard.page import Page
from warehouse.dashboard.parts import draw
from warehouse.dashboard.sales import UNCOMPARED, label

TITLE, ICON, ORDER = "Explore", ":material/query_stats:", 2
_MOST_LINES = len(charts.COLOURS)  # more could not be told apart
_EMPTY = "There is nothing with these filters."


def show(page: Page) -> None:
    left, right = st.columns([1, 6])
    with left:
        saved.drawn(page)
    with right:
        split.way_back()
    try:
        choice, compare, top = controls.chosen(page)
        if not choice.metrics:
            st.info("Choose what to measure.")
            return
        _answered(page, choice, compare, top)
    except UsageError as error:
        st.warning(str(error), icon=":material/help:")


def _answered(page: Page, choice: Choice, compare: bool, top: int) -> None:
    reader, declared = page.reader, page.reader.declared
    question = explore.asked(declared, choice, page.filters, None if choice.grain else top)
    told = []
    if choice.grain:
        frame, total = explore.lines(reader, choice, page.filters, _MOST_LINES)
        if total > _MOST_LINES:
            told.append(f"{_MOST_LINES} of {total:,} lines, those with the most {label(_ranking(page, choice)).lower()}")
    else:
        whole = explore.compared(reader, choice, page.filters) if compare else explore.answer(reader, question)
        total = whole.height if compare else explore.count(reader, question)
        frame = whole.head(top)
        told.append(f"{frame.height:,} of {behind.counted(total)}" if frame.height < total else behind.counted(total))
        if choice.by and frame.height > answer.MOST_MARKS:
            told.append(f"the chart has the first {answer.MOST_MARKS}")
    told.append(page.filters.span.text() + (f" against {page.filters.span.before().text()}" if compare else ""))
    known = explore.known(reader, choice.metrics, page.known)
    if st.session_state.get("compare") and page.filters.span.known_before(known) is None:
        told.append(f"{UNCOMPARED} to compare with: it is known from {known.first:%-d %b %Y}")
    if missing := explore.left_out(declared, choice.metrics, page.filters):
        without = ", ".join("the period" if name == "day" else name for name in missing)
        told.append(f"not filtered by {without}, which it does not have")
    if frame.is_empty():
        draw(None, _EMPTY)
        st.caption(" · ".join(told))
        return
    drawn = hashlib.sha256(repr((reader.release.number, choice, compare, question)).encode()).hexdigest()[:12]
    left, right = st.columns([1, 1] if compare or len(choice.cut) > 2 else [3, 2])
    with left:
        marked = answer.chart(page, choice, compare, frame, f"chart {drawn}")
    with right:
        row = answer.table(page, choice, compare, frame, f"table {drawn}")
    st.caption(" · ".join(told))
    number = answer.clicked(marked, row)
    if number is None or number >= frame.height:
        st.caption("Click a mark of the chart, or the box before a row, to split it and to see the rows behind it.")
    else:
        picked = frame.row(number, named=True)
        split.drawn(page, choice, explore.mark(choice.cut, picked))
        behind.drawn(page, choice, compare, picked)
    files.drawn(page, choice, compare)


def _ranking(page: Page, choice: Choice) -> str:
    return page.reader.declared.bases(choice.metrics[0])[0]
