"""Customers: what kinds there are, who moves, who comes back, what they are worth."""

import polars as pl
import streamlit as st

from warehouse.dashboard import charts, customers, heat
from warehouse.dashboard.charts import WHOLE
from warehouse.dashboard.page import Page
from warehouse.dashboard.parts import draw

TITLE, ICON, ORDER = "Customers", ":material/groups:", 3
# What can be shown, by its title: the column and its format.
_COHORTS = {"Came back": ("share", "percent"), "Revenue so far for each": ("lifetime_value", "money")}
_SCORES = {
    "Customers": ("buyers", "count"),
    "Net revenue for each": ("value_per_buyer", "money"),
    "Net revenue so far": ("buyers_value", "money"),
}
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
        _scores(page)
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
        st.markdown("**Customers**")
        draw(charts.bars(rows, "kind", "segmented_customers", "count", title="Customers by kind"))
    with right:
        st.markdown("**Net revenue so far**")
        draw(charts.bars(rows, "kind", "segmented_value", "money", title="Net revenue by kind"))
    st.dataframe(
        charts.plain(rows),
        hide_index=True,
        column_config={
            "kind": "Kind",
            "segmented_customers": st.column_config.NumberColumn("Customers", format="localized"),
            "segmented_value": st.column_config.NumberColumn("Net revenue so far", format=WHOLE),
            "value_per_customer": st.column_config.NumberColumn("For each customer", format=WHOLE),
        },
    )


def _moves(page: Page) -> None:
    st.subheader("Who changed from one kind to another")
    rows = customers.moves(page) if page.reader.has(customers.MOVES) else pl.DataFrame()
    if rows.is_empty():
        st.info(
            f"No customer did, {page.filters.span.text()}. "
            "A move is noted when a later scoring puts a customer into another kind, so it takes two."
        )
        return
    names = ("to", "from")
    draw(heat.grid(rows, "to_segment", "from_segment", "customers", "count", title="Customers who changed", names=names))


@st.fragment
def _cohorts(page: Page) -> None:
    left, right = st.columns([2, 1])
    left.subheader("Customers by the month of their first purchase")
    what = right.selectbox("Show", list(_COHORTS), key="cohorts", bind="query-params")
    column, form = _COHORTS[what]
    rows = customers.cohorts(page)
    if form == "percent":
        rows = rows.filter(pl.col("months") > 0)  # in their first month all of them bought
    names = ("months later", None)
    grid = heat.grid(rows, "months", "first_month", column, form, title=what, names=names, large=False, height=380)
    draw(grid if rows.height else None, "There is no whole month to look at yet.")
    st.caption(
        f"Each row is a month's new customers, each column a month later{', in percent of them' if form == 'percent' else ''}; "
        f"{page.known.last:%B %Y}, under way, is left out."
    )
    if page.filters.chosen:
        cut = " · ".join(", ".join(values) for values in page.filters.chosen.values())
        st.caption(f"Of all new customers of a month, wherever and whatever they bought first: what they bought in {cut}.")


@st.fragment
def _scores(page: Page) -> None:
    st.subheader("Recency, frequency, money")
    what = st.selectbox("Show", list(_SCORES), key="rfm", bind="query-params")
    column, form = _SCORES[what]
    rows = customers.scores(page)
    names = ("recency: 5 bought last", "frequency: 5 most orders")
    title = f"{what} by recency and frequency"
    grid = heat.grid(rows, "recency_score", "frequency_score", column, form, title=title, names=names, upwards=True)
    draw(grid if rows.height else None)
    st.caption("Each score is a fifth of the customers. Explore cuts by the third, the fifth by money, and by all three (RFM).")


def _deciles(page: Page) -> None:
    st.subheader("Who will buy within 30 days")
    if not page.reader.has(customers.SCORES):
        st.info(_UNTRAINED)
        return
    rows = customers.deciles(page).with_columns(pl.col("decile").cast(pl.String))
    draw(charts.bars(rows, "decile", "expected", "number", title="Expected buyers by tenth of the customers", upright=True))
    total, customers_in_all = float(rows["expected"].sum()), int(rows["customers"].sum())
    st.caption(f"{total:,.0f} of {customers_in_all:,} customers are expected to buy; tenth 1 are the most likely.")
