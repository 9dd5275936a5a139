"""A mark, one step further down."""

import streamlit as st

from warehouse.dashboard import explore
from warehouse.dashboard.explore import Choice, Mark
from warehouse.dashboard.exploring import controls
from warehouse.dashboard.page import Page
from warehouse.dashboard.sales import label

_STEPS = "_steps"  # where somebody was before each split


def said(picked: Mark) -> str:
    """A mark in words."""
    return ", ".join(explore.NOTHING if value is None else value for value in picked.values()) or "all of it"


def drawn(page: Page, choice: Choice, picked: Mark) -> None:
    """Split a mark by another dimension: it becomes a filter."""
    others = explore.splits(page.reader.declared, choice, page.filters, picked)
    if not others or None in picked.values():
        return
    st.subheader(f"Why? Split {said(picked)}")
    left, right, _ = st.columns([2, 1, 3], vertical_alignment="bottom")
    dimension = left.selectbox("Split by", others, format_func=label, key="split")
    right.button("Split", on_click=_split, args=(page, choice, picked, dimension), type="primary")


def _split(page: Page, choice: Choice, picked: Mark, dimension: str) -> None:
    st.session_state[_STEPS] = [*st.session_state.get(_STEPS, []), controls.said()]
    values = explore.down(choice, page.filters, picked, dimension)
    only = values.pop("only")
    values["grain"] = values["grain"] or controls.NONE
    values["also"] = list(only)
    controls.tell(values | {f"{controls.ONLY}{name}": found for name, found in only.items()})


def way_back() -> None:
    """A button that undoes the last split, where there was one."""
    if st.session_state.get(_STEPS):
        st.button("One step back", icon=":material/arrow_back:", on_click=_back)


def _back() -> None:
    *before, last = st.session_state[_STEPS]
    st.session_state[_STEPS] = before
    controls.take(last)
