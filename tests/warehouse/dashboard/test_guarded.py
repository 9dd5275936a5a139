"""A section that fails: what stands in its place, and what of its page is left."""

import sys
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest


def page() -> None:
    import streamlit as st

    from lake.errors import UsageError
    from warehouse.dashboard.guarded import guarded

    @guarded
    def ours() -> None:
        st.subheader("Ours")
        raise UsageError("release 3 is not kept any more; kept are 4 to 8")

    @st.fragment
    @guarded
    def a_defect() -> None:
        if st.button("Break"):
            raise ZeroDivisionError("a number that is nobody's business")

    @guarded
    def stops() -> None:
        st.text("before")
        st.stop()

    ours()
    a_defect()
    st.text("the next section")
    stops()
    st.text("never shown")


def drawn(run: Any) -> tuple[list[str], list[str]]:
    assert not run.exception
    return [one.value for one in run.error], [one.value for one in run.text]


@pytest.fixture
def main_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit leaves its script as `__main__`, which the processes that later tests start would run."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.mark.usefixtures("main_as_before")
def test_each_section_fails_alone_and_in_its_place() -> None:
    run = AppTest.from_function(page).run()
    assert drawn(run) == (["release 3 is not kept any more; kept are 4 to 8"], ["the next section", "before"])
    assert [one.value for one in run.subheader] == ["Ours"]
    errors, texts = drawn(run.button[0].click().run())
    assert errors[1] == "This part cannot be shown; the log of the dashboard says why."
    assert texts == ["the next section", "before"]
