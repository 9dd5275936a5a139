"""Views, opened and saved by name."""

import streamlit as st

from lake.errors import CartlakeError
from warehouse.dashboard import views
from warehouse.dashboard.exploring import controls
from warehouse.dashboard.page import Page


def drawn(page: Page) -> None:
    """Open, save and forget views."""
    file = views.file_of(page.settings)
    with st.popover("Views", icon=":material/bookmark:"):
        try:
            known = views.read(file)
        except CartlakeError as error:  # the rest of the page does not need them
            st.error(str(error))
            return
        name = st.selectbox(
            "View", sorted(known), index=None, placeholder="Saved views" if known else "None saved yet", key="view"
        )
        left, right = st.columns(2)
        left.button("Open", on_click=controls.take, args=(known.get(name or "", {}),), disabled=name is None)
        right.button("Forget", on_click=_forget, args=(page, name or ""), disabled=name is None)
        st.text_input("Save this one as", key="view_name", max_chars=views.LONGEST)
        st.button("Save", on_click=_save, args=(page,))


def _save(page: Page) -> None:
    name = str(st.session_state.get("view_name", ""))
    try:
        views.save(views.file_of(page.settings), name, controls.said())
    except CartlakeError as error:
        st.toast(str(error), icon=":material/error:")
    else:
        st.toast(f"Saved as {name.strip()}")


def _forget(page: Page, name: str) -> None:
    try:
        views.remove(views.file_of(page.settings), name)
    except CartlakeError as error:
        st.toast(str(error), icon=":material/error:")
