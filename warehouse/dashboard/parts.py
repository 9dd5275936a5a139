"""What pages draw alike."""

from typing import Any

import altair as alt
import streamlit as st

from warehouse.dashboard import charts
from warehouse.dashboard.charts import Chart


def draw(chart: Chart | None, empty: str = "Nothing was sold with these filters.", **options: Any) -> Any:
    """A chart in the width there is, or the sentence for no rows at the height the chart would have.

    `options` are Streamlit's, such as on_select; returns what it returns, None without a chart.
    """
    if chart is None:
        with st.container(height=charts.HEIGHT, border=False):
            st.info(empty)
        return None
    told, bare = str(chart.description), chart.copy(deep=False)
    bare.description = alt.Undefined  # Streamlit says it in its own place
    return st.altair_chart(bare, width="stretch", alt=told, **options)
