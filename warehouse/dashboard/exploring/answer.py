"""The chart and the table of an answer, and which of its rows was clicked."""

from typing import Any

import altair as alt
import polars as pl
import streamlit as st

from warehouse.dashboard import charts, explore
from warehouse.dashboard.explore import Choice
from warehouse.dashboard.page import Page
from warehouse.dashboard.parts import draw
from warehouse.dashboard.periods import in_part
from warehouse.dashboard.sales import label
from warehouse.semantic.shown import shown

MOST_MARKS = 30
FORMATS = {"money": "%,.2f", "count": "%,d", "percent": charts.SHARE, "number": "%,.4f"}
_MOST_DOTS = 120  # more would hide the line
_LARGE = 100_000  # from there on money is shown without cents
_ROW = "row"  # column of a chart's data: the number of the answer's row
_CLICKED = "_clicked"  # whether the chart or the table was clicked last


def chart(page: Page, choice: Choice, compare: bool, frame: pl.DataFrame, key: str) -> int | None:
    """The chart; returns the number of the row whose mark was clicked."""
    metric = page.reader.metric(choice.metrics[0])
    value = f"{choice.metrics[0]} change" if compare else choice.metrics[0]
    if not choice.cut:
        row = frame.row(0, named=True)
        for name in choice.metrics:
            form = page.reader.metric(name).format
            was = row[f"{name} before"] if compare else None
            told = charts.delta(charts.change(row[name], was, form))
            st.metric(label(name), charts.short(row[name], form), help=shown(row[name], form), border=True, **told)
        return None
    title = f"{label(value)} by {', '.join(label(name).lower() for name in choice.cut)}"
    frame = frame.with_row_index(_ROW)
    name = choice.by[0] if len(choice.by) == 1 else "name"
    shows = frame.with_columns(explore.named(frame, choice.by).alias(name)) if choice.by else frame
    if choice.grain:
        colour = name if choice.by else None
        part = in_part(choice.grain, shows[choice.grain], page.filters.span, page.known)
        shape = charts.line(shows, choice.grain, value, metric.format, title=title, colour=colour, part=part, height=380)
        dot: Any = charts.by_name(alt.Shape, shows, name, charts.SHAPES) if colour else alt.value("circle")
        if colour:
            shape.encoding.strokeDash.legend = None  # its dots' shapes are there, which it would fray
        if len(choice.by) > 1:  # their names are long
            shape.encoding.color.legend.columns = dot.legend.columns = 2
    else:
        shows = shows.head(MOST_MARKS)
        # A bar for each row: stacks of some rows, or of shares, would have a length that means nothing.
        parts = choice.by[1] if len(choice.by) > 1 else None
        colour = parts if parts and not compare and shows[parts].n_unique() <= len(charts.COLOURS) else None
        tall = max(200, min(24 * shows.height + 40, 700))
        shape = charts.bars(shows, name, value, metric.format, title=title, colour=colour, signed=compare, height=tall)
    click = alt.selection_point(name="mark", fields=[_ROW], on="click", nearest=True)
    drawn: charts.Chart = shape.encode(opacity=alt.condition(click, alt.value(1.0), alt.value(0.35))).add_params(click)
    if choice.grain:
        drawn = _with_dots(shape, click, frame.height <= _MOST_DOTS, dot)
    event = draw(drawn, on_select=_chart_clicked, key=key)
    marks = event["selection"]["mark"] if event else []
    return int(marks[0][_ROW]) if marks else None


def _with_dots(chart: alt.Chart, click: alt.Parameter, seen: bool, shape: Any) -> alt.LayerChart:
    """A line with a dot for each value, the nearest of which a click picks: a line itself has no place to click at."""
    dot = alt.condition(click, alt.value(1.0), alt.value(0.6 if seen else 0.0), empty=False)
    size = alt.condition(click, alt.value(120), alt.value(30), empty=False)
    dots = chart.mark_point(filled=True, color=charts.COLOURS[0]).encode(opacity=dot, size=size, shape=shape).add_params(click)
    dots.encoding.strokeDash = alt.Undefined
    line = chart.mark_line(strokeWidth=2, color=charts.COLOURS[0])
    text, line.description, dots.description = chart.description, alt.Undefined, alt.Undefined
    layers: alt.LayerChart = alt.layer(line, dots, description=text, height=chart.height)  # type: ignore[assignment]
    return layers


def table(page: Page, choice: Choice, compare: bool, frame: pl.DataFrame, key: str) -> int | None:
    """The table; returns the number of the row that was picked."""
    config: dict[str, Any] = {name: kind_of_column(name) for name in choice.cut}
    order = list(choice.cut)
    shares: list[str] = []
    for name in choice.metrics:
        metric = page.reader.metric(name)
        of = "" if len(choice.metrics) == 1 else f"{label(name)}: "
        points = ", points" if metric.format == "percent" else ""
        columns = {name: label(name)}
        if compare:  # what is looked for comes first
            columns = {
                f"{name} change": f"{of}change{points}".capitalize(),
                **columns,
                f"{name} before": f"{of}before".capitalize(),
            }
        for column, said in columns.items():
            form = charts.WHOLE if metric.format == "money" and _large(frame[column]) else FORMATS[metric.format]
            config[column] = st.column_config.NumberColumn(said, format=form, help=metric.description)
        order += columns
        shares += columns if metric.format == "percent" else []
    event: Any = st.dataframe(
        charts.plain(frame).with_columns(charts.of_100(*shares)),
        hide_index=True,
        column_config=config,
        column_order=order,
        height=380 if frame.height > 8 else "auto",
        on_select=_table_clicked,
        selection_mode="single-row",
        key=key,
    )
    rows = event["selection"]["rows"]
    return int(rows[0]) if rows else None


def _large(values: pl.Series) -> bool:
    """Whether cents would only be in the way."""
    return float(values.cast(pl.Float64).abs().max() or 0) >= _LARGE  # type: ignore[arg-type]


def clicked(marked: int | None, row: int | None) -> int | None:
    """Both keep what was clicked in them: what counts is the last click."""
    return row if st.session_state.get(_CLICKED) == "table" else marked


def _chart_clicked() -> None:
    st.session_state[_CLICKED] = "chart"


def _table_clicked() -> None:
    st.session_state[_CLICKED] = "table"


def kind_of_column(name: str, kind: Any = None) -> Any:
    """How a table shows a column that is no metric."""
    if name == "day":
        return st.column_config.DateColumn(label(name))
    if isinstance(kind, pl.Decimal):
        return st.column_config.NumberColumn(label(name), format=FORMATS["money"])
    return st.column_config.Column(label(name))
