"""What pages draw alike."""

import html
from typing import Any

import altair as alt
import streamlit as st

from warehouse.dashboard import charts
from warehouse.dashboard.charts import Chart


def draw(
    chart: Chart | None, empty: str = "Nothing was sold with these filters.", *, heading: str | None = None, **options: Any
) -> Any:
    """A chart in the width there is, or the sentence for no rows; either way in the height that was kept free for it.

    `options` are Streamlit's, such as on_select; returns what it returns, None without a chart.
    """
    said = f"<h3>{html.escape(heading)}</h3>" if heading else ""
    if chart is None:
        if said:
            st.html(said)
        with st.container(height=_height(chart), border=False):
            st.info(empty)
        return None
    told, bare = str(chart.description), chart.copy(deep=False)
    bare.description = alt.Undefined
    # The browser draws a chart anew when its name changes, and moves its marks when its data alone does: ten times as fast.
    # So what changes with the data is told beside it, for those who hear a page: in one element with the heading, since each
    # element of a page costs the browser time at every change of a filter.
    st.html(f'{said}<p class="told">{html.escape(told)}</p>')
    name = told.partition(":")[0]
    return st.altair_chart(_Unchecked(bare), width="stretch", height=_height(chart), alt=name, **options)  # type: ignore[call-overload]


class _Unchecked:
    """A chart that Altair does not check against the schema of Vega-Lite, which takes longer than its data; tests do that."""

    def __init__(self, chart: Chart) -> None:
        self._chart = chart

    def to_dict(self) -> dict[str, Any]:
        return self._chart.to_dict(validate=False)


def _height(chart: Chart | None) -> int:
    return chart.height if chart is not None and isinstance(chart.height, int) else charts.HEIGHT
