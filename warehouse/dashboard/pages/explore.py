"""Explore: any metric by any dimension, down to the rows behind a mark."""

import contextlib
import hashlib
import io
from datetime import date
from typing import Any

import altair as alt
import polars as pl
import streamlit as st
from streamlit.errors import StreamlitAPIException

from lake.errors import CartlakeError, UsageError
from warehouse.dashboard import charts, explore, filters, views
from warehouse.dashboard.explore import Choice, Mark
from warehouse.dashboard.page import Page
from warehouse.dashboard.parts import draw
from warehouse.dashboard.sales import label
from warehouse.semantic.shown import shown

TITLE, ICON, ORDER = "Explore", ":material/query_stats:", 2
NONE = "none"
_MOST_VALUES, _MOST_MARKS, _MOST_ROWS = 1000, 30, 500
_MOST_DOTS = 120  # more would hide the line
_MOST_LINES = len(charts.COLOURS)  # more could not be told apart
_ORDERS = {explore.FIRST: "Largest first", explore.LAST: "Smallest first", explore.NAME: "By name"}
_MOVES = {explore.FIRST: "What fell most", explore.LAST: "What rose most", explore.NAME: "By name"}
ONLY = "only_"  # begins the controls of further filters
# The controls that a saved view remembers, beside those.
_LISTS = (*filters.DIMENSIONS, "metrics", "cut", "also")
_DATES = ("from", "to")
_CONTROLS = (*_LISTS, *_DATES, "period", "grain", "compare", "order", "moves", "top")
_STEPS = "_steps"  # where somebody was before each split
_TOLD = "_told"  # that a view or a split has just set the controls, so that a default would be in its way
_CLICKED = "_clicked"  # whether the chart or the table was clicked last
_FORMATS = {"money": "%,.2f", "count": "%,d", "percent": "percent", "number": "%,.4f"}
_ROW = "row"  # column of a chart's data: the number of the answer's row
_EMPTY = "There is nothing with these filters."


def show(page: Page) -> None:
    left, right = st.columns([1, 6])
    with left:
        _saved(page)
    if st.session_state.get(_STEPS):
        right.button("One step back", icon=":material/arrow_back:", on_click=_back)
    try:
        choice, compare, top = _chosen(page)
        if not choice.metrics:
            st.info("Choose what to measure.")
            return
        _answered(page, choice, compare, top)
    except UsageError as error:
        st.warning(str(error), icon=":material/help:")


# Controls


def _chosen(page: Page) -> tuple[Choice, bool, int]:
    declared = page.reader.declared
    bind: Any = {"bind": "query-params"}
    told = st.session_state.pop(_TOLD, False)
    what, cut, over, order, number = st.columns([3, 3, 1.4, 2, 1])
    metrics = what.multiselect(
        "Measure",
        sorted(declared.metrics),
        default=None if told else ["revenue"],
        format_func=label,
        key="metrics",
        **bind,
        help="\n".join(f"- **{label(name)}**: {metric.description}" for name, metric in sorted(declared.metrics.items())),
    )
    able = explore.able(declared, metrics)
    default = None if told and st.session_state.get("cut") else [name for name in ("category",) if name in able]
    by = cut.multiselect("By", able, default=default, format_func=label, key="cut", **bind)
    grains = explore.grains(declared, metrics)
    said = over.selectbox("Over time by", [NONE, *grains], format_func=label, key="grain", **bind)
    grain = None if said == NONE else said
    top = number.selectbox("Rows", [30, 100, 1000], key="top", disabled=grain is not None, **bind)
    further, against = st.columns([3, 2], vertical_alignment="bottom")
    only = _further(page, metrics, [name for name in able if name not in page.filters.chosen], further) if metrics else {}
    compare = against.toggle(
        "Compare with the period before",
        key="compare",
        disabled=grain is not None,
        help="Adds what it was and the change, with what fell most first. Not together with 'Over time by'.",
        **bind,
    )
    compare = compare and grain is None and "day" in grains
    orders, key = (_MOVES, "moves") if compare else (_ORDERS, "order")
    first = order.selectbox("First", list(orders), format_func=orders.__getitem__, key=key, disabled=grain is not None, **bind)
    return Choice(tuple(metrics), tuple(by), grain, only, first), compare, top


def _further(page: Page, metrics: list[str], able: list[str], place: Any) -> dict[str, tuple[str, ...]]:
    """Filters beyond the side bar's."""
    also = place.multiselect("Filter also by", able, format_func=label, key="also", bind="query-params", placeholder="Nothing")
    only = {}
    for name in also:
        key = f"{ONLY}{name}"
        known = explore.values(page.reader, metrics[0], name, _MOST_VALUES)
        # A split may have led to a value that is too small for the list, and so may a link.
        there = [value for value in (*st.session_state.get(key, ()), *st.query_params.get_all(key)) if value]
        known = sorted({*known, *there}) if len(known) == _MOST_VALUES else known
        only[name] = tuple(place.multiselect(label(name), known, key=key, placeholder="All", bind="query-params"))
    return only


# The answer


def _answered(page: Page, choice: Choice, compare: bool, top: int) -> None:
    reader, declared = page.reader, page.reader.declared
    question = explore.asked(declared, choice, page.filters, None if choice.grain else top)
    told = []
    if choice.grain:
        frame, total = explore.lines(reader, choice, page.filters, _MOST_LINES)
        if total > _MOST_LINES:
            told.append(f"{_MOST_LINES} of {total:,} lines, those with the most {label(_ranking(page, choice)).lower()}")
    else:
        whole = explore.compared(reader, choice, page.filters) if compare else explore.answer(reader, question)
        total = whole.height if compare else explore.count(reader, question)
        frame = whole.head(top)
        told.append(f"{frame.height:,} of {_rows(total)}" if frame.height < total else _rows(total))
        if choice.by and frame.height > _MOST_MARKS:
            told.append(f"the chart has the first {_MOST_MARKS}")
    told.append(page.filters.span.text() + (f" against {page.filters.span.before().text()}" if compare else ""))
    if missing := explore.left_out(declared, choice.metrics, page.filters):
        without = ", ".join("the period" if name == "day" else name for name in missing)
        told.append(f"not filtered by {without}, which it does not have")
    if frame.is_empty():
        draw(None, _EMPTY)
        st.caption(" · ".join(told))
        return
    drawn = hashlib.sha256(repr((reader.release.number, choice, compare, question)).encode()).hexdigest()[:12]
    left, right = st.columns([1, 1] if compare or len(choice.cut) > 2 else [3, 2])
    with left:
        marked = _chart(page, choice, compare, frame, f"chart {drawn}")
    with right:
        row = _table(page, choice, compare, frame, f"table {drawn}")
    st.caption(" · ".join(told))
    # Both keep what was clicked in them: what counts is the last click.
    number = row if st.session_state.get(_CLICKED) == "table" else marked
    if number is None or number >= frame.height:
        st.caption("Click a mark of the chart, or the box before a row, to split it and to see the rows behind it.")
    else:
        picked = frame.row(number, named=True)
        _down(page, choice, explore.mark(choice.cut, picked))
        _behind(page, choice, compare, picked)
    _taken_away(page, choice, compare)


def _ranking(page: Page, choice: Choice) -> str:
    return page.reader.declared.bases(choice.metrics[0])[0]


def _chart(page: Page, choice: Choice, compare: bool, frame: pl.DataFrame, key: str) -> int | None:
    """The chart; returns the number of the row whose mark was clicked."""
    metric = page.reader.metric(choice.metrics[0])
    value = f"{choice.metrics[0]} change" if compare else choice.metrics[0]
    if not choice.cut:
        row = frame.row(0, named=True)
        for name in choice.metrics:
            form = page.reader.metric(name).format
            was = row[f"{name} before"] if compare else None
            st.metric(label(name), shown(row[name], form), charts.change(row[name], was, form), border=True)
        return None
    title = f"{label(value)} by {', '.join(label(name).lower() for name in choice.cut)}"
    frame = frame.with_row_index(_ROW)
    name = choice.by[0] if len(choice.by) == 1 else "name"
    shows = frame.with_columns(explore.named(frame, choice.by).alias(name)) if choice.by else frame
    if choice.grain:
        colour = name if choice.by else None
        chart = charts.line(shows, choice.grain, value, metric.format, title=title, colour=colour, height=380)
        if len(choice.by) > 1:  # their names are long
            chart.encoding.color.legend.columns = 2
    else:
        shows = shows.head(_MOST_MARKS)
        # A bar for each row: stacks of some rows, or of shares, would have a length that means nothing.
        parts = choice.by[1] if len(choice.by) > 1 else None
        colour = parts if parts and not compare and shows[parts].n_unique() <= len(charts.COLOURS) else None
        tall = max(200, min(24 * shows.height + 40, 700))
        chart = charts.bars(shows, name, value, metric.format, title=title, colour=colour, signed=compare, height=tall)
    click = alt.selection_point(name="mark", fields=[_ROW], on="click", nearest=True)
    drawn: charts.Chart = chart.encode(opacity=alt.condition(click, alt.value(1.0), alt.value(0.35))).add_params(click)
    if choice.grain:
        drawn = _with_dots(chart, click, frame.height <= _MOST_DOTS)
    event = draw(drawn, on_select=_chart_clicked, key=key)
    marks = event["selection"]["mark"] if event else []
    return int(marks[0][_ROW]) if marks else None


def _with_dots(chart: alt.Chart, click: alt.Parameter, seen: bool) -> alt.LayerChart:
    """A line with a dot for each value, the nearest of which a click picks: a line itself has no place to click at."""
    dot = alt.condition(click, alt.value(1.0), alt.value(0.6 if seen else 0.0), empty=False)
    size = alt.condition(click, alt.value(120), alt.value(30), empty=False)
    dots = chart.mark_point(filled=True, color=charts.COLOURS[0]).encode(opacity=dot, size=size).add_params(click)
    line = chart.mark_line(strokeWidth=2, color=charts.COLOURS[0])
    text, line.description, dots.description = chart.description, alt.Undefined, alt.Undefined
    layers: alt.LayerChart = alt.layer(line, dots, description=text, height=chart.height)  # type: ignore[assignment]
    return layers


def _table(page: Page, choice: Choice, compare: bool, frame: pl.DataFrame, key: str) -> int | None:
    """The table; returns the number of the row that was picked."""
    config: dict[str, Any] = {name: _column(name) for name in choice.cut}
    order = list(choice.cut)
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
            config[column] = st.column_config.NumberColumn(said, format=_FORMATS[metric.format], help=metric.description)
        order += columns
    event: Any = st.dataframe(
        charts.plain(frame),
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


def _chart_clicked() -> None:
    st.session_state[_CLICKED] = "chart"


def _table_clicked() -> None:
    st.session_state[_CLICKED] = "table"


# Down


def _said(picked: Mark) -> str:
    return ", ".join(explore.NOTHING if value is None else value for value in picked.values()) or "all of it"


def _down(page: Page, choice: Choice, picked: Mark) -> None:
    """Split a mark by another dimension: it becomes a filter."""
    others = explore.splits(page.reader.declared, choice, page.filters, picked)
    if not others or None in picked.values():
        return
    st.subheader(f"Why? Split {_said(picked)}")
    left, right, _ = st.columns([2, 1, 3], vertical_alignment="bottom")
    dimension = left.selectbox("Split by", others, format_func=label, key="split")
    right.button("Split", on_click=_split, args=(page, choice, picked, dimension), type="primary")


def _split(page: Page, choice: Choice, picked: Mark, dimension: str) -> None:
    state = st.session_state
    state[_TOLD] = True
    state[_STEPS] = [*state.get(_STEPS, []), _controls()]
    said = explore.down(choice, page.filters, picked, dimension)
    only = said.pop("only")
    said["grain"] = said["grain"] or NONE
    for name, value in (said | {"also": list(only)} | {f"{ONLY}{name}": found for name, found in only.items()}).items():
        _tell(name, value)


def _back() -> None:
    *before, last = st.session_state[_STEPS]
    st.session_state[_STEPS] = before
    _open(last)


def _behind(page: Page, choice: Choice, compare: bool, row: dict[str, Any]) -> None:
    """The rows behind the picked mark."""
    declared, span = page.reader.declared, page.filters.span
    picked = explore.mark(choice.cut, row)
    st.subheader(f"Behind {_said(picked)}")
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
    st.caption(f"{_rows(total)} of {declared.models[model].table}{adding}{newest}.")
    first = [name for name in ("day", "product", "traffic_channel") if name in names]
    others = [name for name in names if name not in (*first, *explore.GRAINS, "weekday")]
    order = [*first, *(name for name in rows.columns if name not in names), *others]
    config = {name: _column(name, kind) for name, kind in rows.schema.items()}
    st.dataframe(charts.plain(rows), hide_index=True, height=320, column_config=config, column_order=order)


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _column(name: str, kind: Any = None) -> Any:
    """How a table shows a column that is no metric."""
    if name == "day":
        return st.column_config.DateColumn(label(name))
    if isinstance(kind, pl.Decimal):
        return st.column_config.NumberColumn(label(name), format=_FORMATS["money"])
    return st.column_config.Column(label(name))


# Away with it


def _taken_away(page: Page, choice: Choice, compare: bool) -> None:
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


# Saved views


def _saved(page: Page) -> None:
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
        left.button("Open", on_click=_open, args=(known.get(name or "", {}),), disabled=name is None)
        right.button("Forget", on_click=_forget, args=(page, name or ""), disabled=name is None)
        st.text_input("Save this one as", key="view_name", max_chars=views.LONGEST)
        st.button("Save", on_click=_save, args=(page,))


def _controls() -> views.View:
    """What the controls say, as JSON can hold it."""
    said = {str(key): value for key, value in st.session_state.items() if key in _CONTROLS or str(key).startswith(ONLY)}
    return {key: value.isoformat() if isinstance(value, date) else value for key, value in said.items()}


def _save(page: Page) -> None:
    name = str(st.session_state.get("view_name", ""))
    try:
        views.save(views.file_of(page.settings), name, _controls())
    except CartlakeError as error:
        st.toast(str(error), icon=":material/error:")
    else:
        st.toast(f"Saved as {name.strip()}")


def _forget(page: Page, name: str) -> None:
    try:
        views.remove(views.file_of(page.settings), name)
    except CartlakeError as error:
        st.toast(str(error), icon=":material/error:")


def _open(view: views.View) -> None:
    state = st.session_state
    state[_TOLD] = True
    for key in [key for key in state if str(key).startswith(ONLY)]:
        del state[key]
    for key, value in view.items():
        with contextlib.suppress(ValueError):  # a date that somebody wrote by hand; the control keeps what it says
            _tell(key, date.fromisoformat(str(value)) if key in _DATES else value)


def _tell(key: str, value: Any) -> None:
    """Let a control say something. One that is not drawn yet would leave it out of the URL."""
    st.session_state[key] = value
    if key in _DATES or key.startswith(ONLY):
        with contextlib.suppress(StreamlitAPIException):  # it is drawn, and tells the URL itself
            st.query_params[key] = [str(one) for one in value] if isinstance(value, list) else str(value)
