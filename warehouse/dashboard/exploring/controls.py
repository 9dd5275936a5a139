"""What to measure, by what, and against what; and how a view or a split sets it."""

import contextlib
from collections.abc import Mapping
from datetime import date
from typing import Any

import streamlit as st
from streamlit.errors import StreamlitAPIException

from warehouse.dashboard import explore, filters, views
from warehouse.dashboard.explore import Choice
from warehouse.dashboard.page import Page
from warehouse.dashboard.sales import label

NONE = "none"
ONLY = "only_"  # begins the controls of further filters
_MOST_VALUES = 1000
_ORDERS = {explore.FIRST: "Largest first", explore.LAST: "Smallest first", explore.NAME: "By name"}
_MOVES = {explore.FIRST: "What fell most", explore.LAST: "What rose most", explore.NAME: "By name"}
# The controls that a saved view remembers, beside those.
_LISTS = (*filters.DIMENSIONS, "metrics", "cut", "also")
_DATES = ("from", "to")
_CONTROLS = (*_LISTS, *_DATES, "period", "grain", "compare", "order", "moves", "top")
_TOLD = "_told"  # that a view or a split has just set the controls, so that a default would be in its way


def chosen(page: Page) -> tuple[Choice, bool, int]:
    """Draw the controls; what they say, whether it is compared with the period before, and the most rows."""
    declared = page.reader.declared
    bind: Any = {"bind": "query-params"}
    told = st.session_state.pop(_TOLD, False)
    what, cut, over, order, number = st.columns([3, 3, 1.4, 2, 1])
    metrics = what.multiselect(
        "Measure",
        sorted(declared.metrics),
        default=None if told else ["revenue"],
        format_func=label,
        key="metrics",
        **bind,
        help="\n".join(f"- **{label(name)}**: {metric.description}" for name, metric in sorted(declared.metrics.items())),
    )
    able = explore.able(declared, metrics)
    default = None if told and st.session_state.get("cut") else [name for name in ("category",) if name in able]
    by = cut.multiselect("By", able, default=default, format_func=label, key="cut", **bind)
    grains = explore.grains(declared, metrics)
    over_time = over.selectbox("Over time by", [NONE, *grains], format_func=label, key="grain", **bind)
    grain = None if over_time == NONE else over_time
    top = number.selectbox("Rows", [30, 100, 1000], key="top", disabled=grain is not None, **bind)
    further, against = st.columns([3, 2], vertical_alignment="bottom")
    only = _further(page, metrics, [name for name in able if name not in page.filters.chosen], further) if metrics else {}
    earlier = page.filters.span.known_before(explore.known(page.reader, metrics, page.known))
    compare = against.toggle(
        "Compare with the period before",
        key="compare",
        disabled=grain is not None or earlier is None,
        help="Adds what it was and the change, with what fell most first. Not together with 'Over time by', nor where "
        "not all days of the period before are known.",
        **bind,
    )
    compare = compare and grain is None and "day" in grains and earlier is not None
    orders, key = (_MOVES, "moves") if compare else (_ORDERS, "order")
    first = order.selectbox("First", list(orders), format_func=orders.__getitem__, key=key, disabled=grain is not None, **bind)
    return Choice(tuple(metrics), tuple(by), grain, only, first), compare, top


def _further(page: Page, metrics: list[str], able: list[str], place: Any) -> dict[str, tuple[str, ...]]:
    """Filters beyond the side bar's."""
    also = place.multiselect("Filter also by", able, format_func=label, key="also", bind="query-params", placeholder="Nothing")
    only = {}
    for name in also:
        key = f"{ONLY}{name}"
        known = explore.values(page.reader, metrics[0], name, _MOST_VALUES)
        # A split may have led to a value that is too small for the list, and so may a link.
        there = [value for value in (*st.session_state.get(key, ()), *st.query_params.get_all(key)) if value]
        known = sorted({*known, *there}) if len(known) == _MOST_VALUES else known
        only[name] = tuple(place.multiselect(label(name), known, key=key, placeholder="All", bind="query-params"))
    return only


def said() -> views.View:
    """What the controls say, as JSON can hold it."""
    state = {str(key): value for key, value in st.session_state.items() if key in _CONTROLS or str(key).startswith(ONLY)}
    return {key: value.isoformat() if isinstance(value, date) else value for key, value in state.items()}


def take(view: views.View) -> None:
    """Let the controls say what they once said."""
    state = st.session_state
    for key in [key for key in state if str(key).startswith(ONLY)]:
        del state[key]
    values: dict[str, Any] = {}
    for key, value in view.items():
        with contextlib.suppress(ValueError):  # a date that somebody wrote by hand; the control keeps what it says
            values[key] = date.fromisoformat(str(value)) if key in _DATES else value
    tell(values)


def tell(values: Mapping[str, Any]) -> None:
    """Let controls, by their keys, say something. One that is not drawn yet would leave it out of the URL."""
    st.session_state[_TOLD] = True
    for key, value in values.items():
        st.session_state[key] = value
        if key in _DATES or key.startswith(ONLY):
            with contextlib.suppress(StreamlitAPIException):  # it is drawn, and tells the URL itself
                st.query_params[key] = [str(one) for one in value] if isinstance(value, list) else str(value)
