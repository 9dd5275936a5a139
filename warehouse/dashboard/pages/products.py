"""Products and web: from visit to order, what sells, what is bought together, what is searched for."""

import streamlit as st

from warehouse.dashboard import charts, products
from warehouse.dashboard.charts import SHARE, WHOLE, of_100
from warehouse.dashboard.page import Page
from warehouse.dashboard.parts import draw
from warehouse.dashboard.periods import in_part
from warehouse.dashboard.sales import label

TITLE, ICON, ORDER = "Products and web", ":material/shopping_cart:", 5
_NO_VISIT = "Nobody visited the shop's site in these days. Choose other days at the side."


def show(page: Page) -> None:
    if page.reader.has(products.VISITS):
        _web(page)
    else:
        st.info("The shop's web log is not captured; with a source of kind `files` this page shows visits and searches.")
    _table(page)
    _pairs(page)
    left, right = st.columns(2)
    with left:
        _searches(page)
    with right:
        _recommended(page)


def _web(page: Page) -> None:
    left, right = st.columns(2)
    with left:
        _funnel(page)
    with right:
        _conversion(page)
    _channels(page)
    if page.filters.chosen:
        st.caption("Visits and searches have no country, category or sales channel: those filters do not apply to them.")


def _funnel(page: Page) -> None:
    st.subheader("From visit to order")
    rows = products.funnel(page)
    if not rows["visits"][0]:
        draw(None, _NO_VISIT)
        return
    draw(charts.bars(rows, "step", "visits", "count", title="Visits by the step that they reached"))
    steps = [(row["step"], row["share"]) for row in rows.to_dicts() if row["share"] is not None]
    st.caption("Of those of the step before: " + ", ".join(f"{name.lower()} {100 * share:.1f} %" for name, share in steps))


def _conversion(page: Page) -> None:
    rows = products.conversion(page)
    grain = rows.columns[0]
    st.subheader(f"Conversion by {grain}")
    part = [] if grain == "day" else in_part(grain, rows[grain], page.filters.span, page.known)
    line = charts.line(rows, grain, "conversion", "percent", title=f"Conversion by {grain}", part=part)
    draw(line if rows.height else None, _NO_VISIT)
    st.caption("Visits in which something was ordered, as a share of all visits of people.")


def _channels(page: Page) -> None:
    rows = products.channels(page)
    if rows.is_empty():
        return
    st.subheader("How they came, and how far they got")
    steps = {
        name: st.column_config.NumberColumn(products.STEP_NAMES[name], format=SHARE, help="Of those of the step before")
        for name in products.STEPS[1:]
    }
    st.dataframe(
        charts.plain(rows).with_columns(of_100(*steps, "conversion")),
        hide_index=True,
        placeholder="–",
        alt="Visits, the share that goes on at each step, and conversion, by traffic channel",
        column_config={
            "traffic_channel": "Traffic channel",
            "visits": st.column_config.NumberColumn("Visits", format="localized"),
            **steps,
            "conversion": st.column_config.NumberColumn("Conversion", format=SHARE, help="Of all visits those with an order"),
        },
    )
    st.caption("Each step is the share of those of the step before; conversion is the share of all visits.")


@st.fragment
def _table(page: Page) -> None:
    rows = products.table(page)
    st.subheader("Products")
    if rows.is_empty():
        draw(None)
        return
    first, second, third = st.columns(3)
    by = first.selectbox("Order by", list(products.RANKED), format_func=label, key="rank", bind="query-params")
    ends = second.selectbox("First", ["Best", "Worst"], key="first", bind="query-params")
    least = third.selectbox("Units sold, at least", [1, 10, 50, 100], index=1, key="units", bind="query-params")
    shown = products.ranked(rows, by, ends == "Worst", least)
    st.dataframe(
        charts.plain(shown).with_columns(of_100("gross_margin", "return_rate")),
        hide_index=True,
        height=320,
        placeholder="–",
        alt=f"Products, the {ends.lower()} by {label(by).lower()} first",
        column_config={
            "product": "Product",
            "sku": "Article",
            "revenue": st.column_config.NumberColumn("Revenue", format=WHOLE),
            "units": st.column_config.NumberColumn("Units", format="localized"),
            "gross_margin": st.column_config.NumberColumn("Gross margin", format=SHARE),
            "return_rate": st.column_config.NumberColumn("Return rate", format=SHARE),
        },
    )
    few = rows.height - shown.height
    st.caption(
        f"{shown.height:,} products"
        + (f"; {few:,} more sold fewer than {least} units: a rate says little there." if few else ".")
    )


@st.fragment
def _pairs(page: Page) -> None:
    left, right = st.columns([2, 1])
    left.subheader("Bought together")
    least = right.selectbox("In at least … orders", [3, 5, 10, 20, 50], index=1, key="pairs", bind="query-params")
    rows = products.pairs(page, least)
    if rows.is_empty():
        st.info("No two products were bought together so often. Choose fewer orders.")
        return
    st.dataframe(
        charts.plain(rows).with_columns(of_100("confidence")),
        hide_index=True,
        height=280,
        alt="Pairs of products that are bought together more often than by chance",
        column_config={
            "product": "Who buys this",
            "bought_with": "buys this, too",
            "orders": st.column_config.NumberColumn("Orders with both", format="localized"),
            "confidence": st.column_config.NumberColumn("Share of those who buy the first", format=SHARE),
            "lift": st.column_config.NumberColumn("Times as often as by chance", format="%.1f"),
        },
    )
    most = f"The {products.PAIRS} pairs that are furthest above chance, of" if rows.height == products.PAIRS else "Of"
    st.caption(f"{most} all days; the filters at the side do not apply.")


def _searches(page: Page) -> None:
    st.subheader("Searched for most")
    if not page.reader.has(products.SEARCHES):
        st.info("This release holds no searches: they come from the shop's web log, with the next build and publish.")
        return
    rows = products.searches(page)
    draw(
        charts.bars(rows, "term", "searches", "count", title="Searches by term", height=360) if rows.height else None,
        "Nobody searched in these days. Choose other days at the side.",
    )
    if rows.is_empty():
        return
    st.markdown("**Searched for, and nothing ordered in the same visit**")
    ordered, vain = products.with_order(page), products.in_vain(page)
    if not ordered:
        st.info("No visit with a search came to an order in these days, whatever was searched for.")
    elif vain.is_empty():
        st.success("After every term somebody ordered.", icon=":material/check:")
    else:
        st.dataframe(
            vain,
            hide_index=True,
            height=240,
            alt="Terms that were searched for only in visits without an order",
            column_config={"term": "Term", "searches": st.column_config.NumberColumn("Searches", format="localized")},
        )


@st.fragment
def _recommended(page: Page) -> None:
    st.subheader("Offer beside")
    names = products.recommended(page) if page.reader.has(products.RECOMMENDED) else {}
    if not names:
        st.info("Nothing is recommended yet. Train: `cartlake run train`, then `cartlake run score` and `cartlake run publish`.")
        return
    chosen = st.selectbox(
        "Product", list(names), format_func=lambda sku: f"{names[sku]} · {sku}", key="beside", bind="query-params"
    )
    rows = products.recommendations(page, chosen)
    st.dataframe(
        rows,
        hide_index=True,
        placeholder="–",
        alt=f"What to offer beside {names[chosen]}",
        column_config={
            "rank": st.column_config.NumberColumn("Rank", width="small"),
            "product": "Product",
            "score": st.column_config.NumberColumn("Score", format="%.2f", width="small"),
        },
    )
    without = " Without a score: what sells most, where too little was bought with it." if rows["score"].null_count() else ""
    st.caption(f"{_made_by(page)}{without} Of all days; the filters at the side do not apply.")


def _made_by(page: Page) -> str:
    made = products.recommended_by(page)
    if not made["model_version"]:
        return f"By a plain rule, of {made['scored_on']}: no model is better yet."
    return f"Model {made['model']}, version {made['model_version']}, of {made['scored_on']}."
