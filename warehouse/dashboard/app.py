"""The frame around each page: release, filters, navigation."""

import importlib
import itertools
import logging
import pkgutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import ModuleType

import streamlit as st
from altair.utils import schemapi

from lake.config import Settings, load
from warehouse.dashboard import filters, pages, periods, sales
from warehouse.dashboard.guarded import guarded
from warehouse.dashboard.page import Page
from warehouse.dashboard.reader import Reader, Readers
from warehouse.release import Release

log = logging.getLogger(__name__)
NEWEST = "Newest"
_PAGE = "_page"
_ICON = Path(__file__).parent / "assets" / "icon.svg"
_LOOK_EVERY = "5s"  # for a new release: a listing of a folder


@st.cache_resource(show_spinner=False)
def _settings() -> Settings:
    return load()


@st.cache_resource(show_spinner=False)
def _readers() -> Readers:
    return Readers(_settings(), _warm)


def _warm(reader: Reader) -> None:
    """Ask what the first page asks, with each set of filters: the first to use one would wait a second for its questions' SQL."""
    known = reader.days()
    if known is None:
        return
    span = periods.named(known)[filters.DEFAULT]
    for count in range(len(filters.DIMENSIONS) + 1):
        for names in itertools.combinations(filters.DIMENSIONS, count):
            chosen = {name: tuple(reader.values(name)[:1]) for name in names}
            page = Page(_settings(), reader, filters.Filters(span, chosen), known, ())
            sales.figures(page)
            sales.charts_of(page, {})
            sales.changed(page, "category")
            sales.phones(page, known.last.year)


@st.cache_resource(show_spinner=False)
def _pages() -> list[ModuleType]:
    """The modules of pages/, in the order of their navigation."""
    found = [importlib.import_module(f"{pages.__name__}.{module.name}") for module in pkgutil.iter_modules(pages.__path__)]
    return sorted(found, key=lambda module: int(module.ORDER))


def main() -> None:
    """The frame, which is the same for all pages so that it keeps what was chosen, and the page that was asked for."""
    schemapi.disable_debug_mode()  # a check of each part of a chart, and of the whole once more: tests do that
    # First: the navigation would fetch its page's icon for the browser's tab from a font server.
    st.set_page_config(page_icon=str(_ICON), layout="wide")
    asked = st.navigation(
        [st.Page(_shown(module), title=module.TITLE, icon=module.ICON, url_path=_path(module)) for module in _pages()]
    )
    st.title(asked.title)
    st.session_state[_PAGE] = _page()
    asked.run()
    _watch()


def _shown(module: ModuleType) -> Callable[[], None]:
    def show() -> None:
        page = st.session_state[_PAGE]
        if page is not None:
            guarded(module.show)(page)
        elif hasattr(module, "show_lake"):  # what it says of the lake needs no release
            guarded(module.show_lake)(_settings())

    show.__name__ = _path(module)
    return show


def _path(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2]


@guarded
def _page() -> Page | None:
    """What a page needs; None, and the reason on the page, where there is nothing to show."""
    kept = _readers().kept()
    if not kept:
        st.info("The warehouse has no release yet. Make one: `cartlake run publish`", icon=":material/hourglass_empty:")
        return None
    release = _chosen(kept)
    reader = _readers().reader(release)
    known = reader.days()
    if known is None:
        st.info("Nothing has been sold yet: this page fills with the first sale.", icon=":material/hourglass_empty:")
        return None
    return Page(_settings(), reader, filters.asked_for(reader, known), known, tuple(kept))


def _chosen(kept: list[Release]) -> Release:
    """The release picker: the newest, whichever that will be, or one that is kept."""
    by_number = {str(release.number): release for release in kept}
    with st.sidebar:
        option = st.selectbox(
            "Release",
            [NEWEST, *reversed(by_number)],
            key="release",
            bind="query-params",
            help="Look at the shop as an earlier release saw it.",
        )
        release = by_number.get(option, kept[-1])
        # Beside the picker, not in its options: an option whose words change is another option to Streamlit.
        st.caption(f"Release {release.number} of {_time(release.at)}")
    return release


@st.fragment(run_every=_LOOK_EVERY)
def _watch() -> None:
    """Show a new release as soon as it is there, without a restart or a click."""
    numbers = [release.number for release in _readers().kept()]
    before = st.session_state.get("_releases")
    st.session_state["_releases"] = numbers
    if before is not None and before != numbers:
        st.rerun()


def _time(at: datetime) -> str:
    return f"{at:%d %b %Y %H:%M} UTC"
