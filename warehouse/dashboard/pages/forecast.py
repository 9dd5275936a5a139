"""Forecast: what is likely to be sold, how sure that is, and how good it was before."""

from datetime import date

import altair as alt
import polars as pl
import streamlit as st

from warehouse.dashboard import charts, forecast
from warehouse.dashboard.guarded import guarded, patient
from warehouse.dashboard.page import Page
from warehouse.dashboard.parts import draw

TITLE, ICON, ORDER = "Forecast", ":material/trending_up:", 4


def show(page: Page) -> None:
    if not page.reader.has(forecast.FORECAST):
        st.info("There is no forecast yet. Make one: `cartlake run train`, then `cartlake run score` and `cartlake run publish`.")
        return
    st.caption("The filters at the side do not apply here, but for the release: a forecast is of all countries and channels.")
    category = st.selectbox("Of", forecast.series(page), key="series", bind="query-params")
    _ahead(page, category)
    _tested(page)
    _months(page, category)
    _came_true(page, category)


@guarded
@patient
def _ahead(page: Page, category: str) -> None:
    rows, before = charts.plain(forecast.ahead(page, category)), charts.plain(forecast.sold(page, category))
    st.subheader("The days ahead")
    if rows.is_empty():
        st.info("This release holds no forecast of it.")
        return
    text = charts.described(f"Forecast of {category} by day", rows, "date", "forecast", "money")
    x = alt.X("date:T", title=None)
    money = alt.Axis(format="~s", tickCount=5)
    bands = [
        alt.Chart(rows)
        .mark_area(color=charts.COLOURS[1], opacity=opacity)
        .encode(x, alt.Y(f"{low}:Q", title=None, axis=money), alt.Y2(high))
        for low, high, opacity in (("lower_95", "upper_95", 0.18), ("lower", "upper", 0.35))
    ]
    line = (
        alt.Chart(rows)
        .mark_line(color=charts.COLOURS[5], strokeDash=[5, 3])
        .encode(
            x,
            alt.Y("forecast:Q", axis=money),
            tooltip=[alt.Tooltip(f"{name}", format="" if name == "date" else ",.0f") for name in rows.columns],
        )
    )
    past = (
        alt.Chart(before)
        .mark_line(color=charts.COLOURS[0])
        .encode(x, alt.Y("revenue:Q", axis=money), tooltip=[alt.Tooltip("date:T"), alt.Tooltip("revenue:Q", format=",.0f")])
    )
    draw(alt.layer(*bands, past, line, description=text, height=360))  # type: ignore[arg-type]
    st.caption("Blue: sold. Dashed: expected; within the inner band on 80 days of 100, within the outer one on 95.")


@guarded
@patient
def _tested(page: Page) -> None:
    """Who said so, and how good that was on days that it had not seen."""
    made = forecast.made_by(page)
    if made is None:
        return
    found = forecast.training(page.settings, made)
    last = found.get("last_day")
    st.caption(forecast.provenance(made, date.fromisoformat(last) if last else None))
    st.subheader("How good it was")
    tiles = forecast.goodness(found)
    if not made.version:
        st.info("The plain rule is what models are measured against: it has no test of its own.")
    elif not tiles:
        st.info(f"The lake remembers no test of version {made.version}.")
    else:
        for place, (name, value, change, told) in zip(st.columns(len(tiles)), tiles, strict=True):
            place.metric(name, value, change, delta_color="inverse", border=True, help=told)
        st.caption(f"In the tests of version {made.version} when it was trained, on days that it had not seen.")


@guarded
@patient
def _months(page: Page, category: str) -> None:
    st.subheader("Months ahead")
    rows = forecast.months(page, category) if page.reader.has(forecast.MONTHS) else pl.DataFrame()
    if rows.is_empty():
        st.info("This release holds no forecast by month.")
        return
    shown = charts.plain(rows)
    text = charts.described(f"Forecast of {category} by month", rows, "month", "forecast", "money")
    axis = alt.Axis(format="~s", tickCount=5)
    x = alt.X("month:O", title=None, axis=alt.Axis(labelAngle=0))
    tip = [alt.Tooltip("month:O"), *(alt.Tooltip(f"{name}:Q", format=",.0f") for name in ("forecast", "lower", "upper", "sold"))]
    bar = alt.Chart(shown).mark_bar(color=charts.COLOURS[1]).encode(x, alt.Y("forecast:Q", title=None, axis=axis), tooltip=tip)
    range_ = alt.Chart(shown).mark_rule(strokeWidth=2).encode(x, alt.Y("lower:Q", axis=axis), alt.Y2("upper"))
    draw(alt.layer(bar, range_, description=text, height=charts.HEIGHT))  # type: ignore[arg-type]
    st.caption("The lines are the 80 % intervals; the month under way counts what it has sold already.")


@guarded
@patient
def _came_true(page: Page, category: str) -> None:
    st.subheader("What was forecast, and what was sold")
    rows = forecast.came_true(page, category)
    if rows.is_empty():
        st.info("No day that was forecast has passed yet; come back tomorrow.")
        return
    both = rows.unpivot(["forecast", "revenue"], index="date", variable_name="what", value_name="amount")
    draw(charts.line(both, "date", "amount", "money", title=f"Forecast and sold, {category}", colour="what"))
    inside = rows.filter(pl.col("revenue").is_between(pl.col("lower"), pl.col("upper"))).height
    st.caption(f"{inside} of {rows.height} days were inside the 80 % band.")
