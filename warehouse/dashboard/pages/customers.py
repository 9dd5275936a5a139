"""Customers: what kinds there are, who moves, who comes back, what they are worth."""

import altair as alt
import polars as pl
import streamlit as st

from warehouse.dashboard import charts, customers
from warehouse.dashboard.page import Page
from warehouse.dashboard.parts import draw

TITLE, ICON, ORDER = "Customers", ":material/groups:", 3
_UNTRAINED = (
    "No model has been trained yet. Train one: `cartlake run train`, then `cartlake run score` and `cartlake run publish`."
)


def show(page: Page) -> None:
    st.caption("Country, category and channel apply to the cohorts; kinds, scores and buyers are of everybody who ever bought.")
    _kinds(page)
    _moves(page)
    _cohorts(page)
    left, right = st.columns(2)
    with left:
        _buyers(page)
    with right:
        _deciles(page)


def _kinds(page: Page) -> None:
    st.subheader("Kinds of customers")
    if not page.reader.has(customers.KINDS):
        st.info(_UNTRAINED)
        return
    rows = customers.kinds(page)
    left, right = st.columns(2)
    with left:
        draw(charts.bars(rows, "kind", "segmented_customers", "count", title="Customers by kind"))
    with right:
        draw(charts.bars(rows, "kind", "segmented_value", "money", title="Net revenue by kind"))
    st.dataframe(
        charts.plain(rows),
        hide_index=True,
        column_config={
            "kind": "Kind",
            "segmented_customers": st.column_config.NumberColumn("Customers", format="localized"),
            "segmented_value": st.column_config.NumberColumn("Net revenue so far", format="accounting"),
            "value_per_customer": st.column_config.NumberColumn("For each customer", format="accounting"),
        },
    )


def _moves(page: Page) -> None:
    st.subheader("Who changed from one kind to another")
    rows = customers.moves(page) if page.reader.has(customers.MOVES) else pl.DataFrame()
    if rows.is_empty():
        st.info(
            f"Nobody did in {page.filters.span.text()}. A move is noted when a later scoring puts a customer into another kind."
        )
        return
    text = charts.described("Moves", rows, "to_segment", "customers", "count")
    chart = (
        alt.Chart(charts.plain(rows), description=text, height=charts.HEIGHT)
        .mark_rect()
        .encode(
            x=alt.X("to_segment:N", title="to", axis=alt.Axis(labelAngle=0, labelLimit=160)),
            y=alt.Y("from_segment:N", title="from", axis=alt.Axis(labelLimit=220)),
            color=alt.Color("customers:Q", title=None),
            tooltip=["from_segment", "to_segment", "customers"],
        )
    )
    draw(chart)


@st.fragment
def _cohorts(page: Page) -> None:
    left, right = st.columns([2, 1])
    left.subheader("Customers by the month of their first purchase")
    shown = {"Came back": ("share", "percent"), "Revenue so far for each": ("lifetime_value", "money")}
    what = right.selectbox("show", list(shown), key="cohorts", bind="query-params")
    column, form = shown[what]
    rows = customers.cohorts(page)
    if form == "percent":
        rows = rows.filter(pl.col("months") > 0)  # in their first month all of them bought
    draw(_grid(rows, column, form, what) if rows.height else None, "There is no whole month to look at yet.")
    st.caption(
        f"Each row is a month's new customers, each column a month later; {page.known.last:%B %Y}, under way, is left out."
    )


def _grid(rows: pl.DataFrame, column: str, form: str, title: str) -> alt.LayerChart:
    """A heat map with its numbers, so that colour is not the only sign."""
    short = [charts.short(value, form).removesuffix(" %") for value in rows[column].to_list()]
    told = charts.plain(rows.with_columns(text=pl.Series(short, dtype=pl.String)))
    text = charts.described(title, rows, "first_month", column, form)
    base = alt.Chart(told).encode(
        x=alt.X("months:O", title="months later", axis=alt.Axis(labelAngle=0)), y=alt.Y("first_month:O", title=None)
    )
    middle = float(rows[column].cast(pl.Float64).max() or 0) / 2  # type: ignore[arg-type]
    tip = [alt.Tooltip("first_month:O", title="First purchase"), alt.Tooltip("months:O"), alt.Tooltip("text:N", title=title)]
    fill = base.mark_rect().encode(color=alt.Color(f"{column}:Q", legend=None, scale=alt.Scale(scheme="blues")), tooltip=tip)
    said = base.mark_text(fontSize=10).encode(
        text="text:N", color=alt.condition(f"datum['{column}'] > {middle}", alt.value("white"), alt.value("black"))
    )
    layers: alt.LayerChart = alt.layer(fill, said, description=text, height=380)  # type: ignore[assignment]
    return layers


def _buyers(page: Page) -> None:
    st.subheader("Recency and frequency")
    rows = customers.recency_and_frequency(page).filter(pl.col("recency_score") != "Unknown")
    if rows.is_empty():
        draw(None)
        return
    base = alt.Chart(charts.plain(rows)).encode(
        x=alt.X("recency_score:O", title="recency: 5 bought last", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("frequency_score:O", title="frequency: 5 most orders", sort="descending"),
    )
    middle = float(rows["buyers"].max() or 0) / 2  # type: ignore[arg-type]
    fill = base.mark_rect().encode(
        color=alt.Color("buyers:Q", legend=None, scale=alt.Scale(scheme="blues")),
        tooltip=["recency_score", "frequency_score", "buyers"],
    )
    said = base.mark_text().encode(
        text=alt.Text("buyers:Q", format=","),
        color=alt.condition(f"datum.buyers > {middle}", alt.value("white"), alt.value("black")),
    )
    text = charts.described("Buyers by recency and frequency", rows, "recency_score", "buyers", "count")
    draw(alt.layer(fill, said, description=text, height=charts.HEIGHT))  # type: ignore[arg-type]


def _deciles(page: Page) -> None:
    st.subheader("Who will buy within 30 days")
    if not page.reader.has(customers.SCORES):
        st.info(_UNTRAINED)
        return
    rows = customers.deciles(page).with_columns(pl.col("decile").cast(pl.String))
    draw(charts.bars(rows, "decile", "expected", "number", title="Expected buyers by tenth of the customers", upright=True))
    total, customers_in_all = float(rows["expected"].sum()), int(rows["customers"].sum())
    st.caption(f"{total:,.0f} of {customers_in_all:,} customers are expected to buy; tenth 1 are the most likely.")
