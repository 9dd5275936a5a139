"""A section that fails says so in its place, and the others of its page are shown.

Streamlit runs a fragment again by itself, past every `try` of the page around it, so the guard is inside of it:

    @st.fragment
    @guarded
    def _section(page: Page) -> None: ...
"""

import logging
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import streamlit as st

from lake.errors import CartlakeError

log = logging.getLogger(__name__)
_P = ParamSpec("_P")
_R = TypeVar("_R")


def guarded(section: Callable[_P, _R]) -> Callable[_P, _R | None]:
    """Draw an error where the section would be: ours in its own words, any other as a hint to the log. It then returns None.

    Streamlit's own signals (stop, rerun) are no Exception, and pass.
    """

    @wraps(section)
    def shown(*given: _P.args, **named: _P.kwargs) -> _R | None:
        try:
            return section(*given, **named)
        except CartlakeError as error:
            st.error(str(error), icon=":material/error:")
        except Exception:  # one section's defect is no reason to go without the others
            log.exception("%s of %s", section.__name__, section.__module__)
            st.error("This part cannot be shown; the log of the dashboard says why.", icon=":material/error:")
        return None

    return shown


def patient(section: Callable[_P, _R]) -> Callable[_P, _R]:
    """A spinner turns while the section takes longer than half a second. For those that may: it is one more element to draw."""

    @wraps(section)
    def shown(*given: _P.args, **named: _P.kwargs) -> _R:
        with st.spinner("Looking …"):
            return section(*given, **named)

    return shown
