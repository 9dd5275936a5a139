"""The SQL of an answer, and the answer as a file."""

import io

import polars as pl
import streamlit as st

from warehouse.dashboard import explore
from warehouse.dashboard.explore import Choice
from warehouse.dashboard.page import Page


def drawn(page: Page, choice: Choice, compare: bool) -> None:
    """The SQL, and the answer as a file: all of its rows, made when somebody asks for them."""
    reader, whole = page.reader, explore.asked(page.reader.declared, choice, page.filters)
    with st.expander("SQL and download"):
        st.code(reader.sql(whole), language="sql", wrap_lines=True)
        if compare:
            st.caption(f"And for {page.filters.span.before().text()}:")
            before = explore.asked(reader.declared, choice, page.filters, span=page.filters.span.before())
            st.code(reader.sql(before), language="sql", wrap_lines=True)

        def frame() -> pl.DataFrame:
            return explore.compared(reader, choice, page.filters) if compare else explore.answer(reader, whole)

        def parquet() -> bytes:
            out = io.BytesIO()
            frame().write_parquet(out)
            return out.getvalue()

        name = "-".join((*choice.metrics, *(("by", *choice.cut) if choice.cut else ())))
        left, right = st.columns(2)
        left.download_button("CSV", lambda: frame().write_csv().encode(), f"{name}.csv", "text/csv", on_click="ignore")
        right.download_button("Parquet", parquet, f"{name}.parquet", "application/vnd.apache.parquet", on_click="ignore")
        st.caption("Files have all of the rows.")
