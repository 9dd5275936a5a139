"""The rows behind a mark."""

from typing import Any

import streamlit as st

from warehouse.dashboard import charts, explore
from warehouse.dashboard.explore import Choice
from warehouse.dashboard.exploring import split
from warehouse.dashboard.exploring.answer import kind_of_column
from warehouse.dashboard.page import Page
from warehouse.dashboard.sales import label
from warehouse.semantic.shown import shown

_MOST_ROWS = 500


def drawn(page: Page, choice: Choice, compare: bool, row: dict[str, Any]) -> None:
    """The rows behind the picked mark."""
    declared, span = page.reader.declared, page.filters.span
    picked = explore.mark(choice.cut, row)
    st.subheader(f"Behind {split.said(picked)}")
    places = iter(st.columns(2))
    models = explore.sources(declared, choice.metrics)
    model = models[0]
    if len(models) > 1:
        model = next(places).selectbox("Rows of", models, format_func=label, key="rows_of")
    before = False
    if compare:
        spans = [span, span.before()]
        before = next(places).selectbox("In", spans, format_func=lambda one: one.text(), key="rows_in") == spans[1]
    condition = explore.behind(explore.where(declared, choice, page.filters, span.before() if before else span), picked)
    rows, total = page.reader.behind(model, condition or None, _MOST_ROWS)
    adding = ""
    if metric := explore.sums_up(declared, choice.metrics, model):
        number = shown(row[f"{metric} before" if before else metric], page.reader.metric(metric).format)
        adding = f", which together are the mark's {label(metric).lower()}{' before' if before else ''}, {number}"
    names = list(declared.reach(model))
    newest = f"; the {'newest' if 'day' in names else 'first'} {_MOST_ROWS} are shown" if total > _MOST_ROWS else ""
    st.caption(f"{counted(total)} of {declared.models[model].table}{adding}{newest}.")
    first = [name for name in ("day", "product", "traffic_channel") if name in names]
    others = [name for name in names if name not in (*first, *explore.GRAINS, "weekday")]
    order = [*first, *(name for name in rows.columns if name not in names), *others]
    config = {name: kind_of_column(name, kind) for name, kind in rows.schema.items()}
    st.dataframe(charts.plain(rows), hide_index=True, height=320, column_config=config, column_order=order)


def counted(count: int) -> str:
    """A number of rows in words."""
    return f"{count:,} row{'' if count == 1 else 's'}"
