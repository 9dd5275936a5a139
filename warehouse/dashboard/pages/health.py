"""Data health: what has drifted, how fresh the data is, what is kept out, where numbers come from, what ran.

Each section stands alone: one that fails says so, and what is said of the lake is said without a release too.
"""

import altair as alt
import polars as pl
import streamlit as st

from lake.config import Settings
from warehouse.dashboard import charts
from warehouse.dashboard.guarded import guarded, patient
from warehouse.dashboard.health import ages, drawn, freshness, kept_out, lineage, monitoring, runs
from warehouse.dashboard.page import Page
from warehouse.dashboard.parts import draw
from warehouse.dashboard.reader import Reader
from warehouse.semantic.loaded import FOLDER, load

TITLE, ICON, ORDER = "Data health", ":material/monitor_heart:", 6
# What the lake is read for is remembered for so long: several people look at the same page.
_SECONDS = 15
_DECLARED_SECONDS = 120  # the tables' declarations change with the code alone
_RUN_SECONDS = 5


def show(page: Page) -> None:
    _alerts(page)
    _of_lake(page.settings, page.reader)


def show_lake(settings: Settings) -> None:
    """What can be said before there is a release, or when it cannot be opened."""
    _of_lake(settings, None)


def _of_lake(settings: Settings, reader: Reader | None) -> None:
    _fresh(settings, reader)
    _kept_out(settings)
    _lineage(settings, reader)
    _runs(settings)


@st.cache_data(ttl=_SECONDS, show_spinner=False)
def _known(_settings: Settings, root: str) -> freshness.Known:
    return freshness.known(_settings)


@st.cache_data(ttl=_SECONDS, show_spinner=False)
def _counted(_settings: Settings, root: str) -> pl.DataFrame:
    return kept_out.counts(_settings)


@st.cache_data(ttl=_SECONDS, show_spinner=False)
def _samples(_settings: Settings, root: str, table: str, rule: str) -> pl.DataFrame:
    return kept_out.samples(_settings, table, rule)


@st.cache_data(ttl=_DECLARED_SECONDS, show_spinner=False)
def _of_tables(_settings: Settings, root: str) -> lineage.Edges:
    return lineage.of_tables(_settings)


@st.cache_data(ttl=_RUN_SECONDS, show_spinner=False)
def _last_runs(_settings: Settings, port: int) -> list[runs.Run] | None:
    return runs.last(_settings)


@guarded
@patient
def _alerts(page: Page) -> None:
    st.subheader("Alerts")
    rows = monitoring.checks(page) if page.reader.has(monitoring.TABLE) else pl.DataFrame()
    if rows.is_empty():
        st.info("Nothing is watched yet: `cartlake run score` watches what the models are asked and what they said, each day.")
        return
    found = monitoring.open_alerts(rows)
    for row in found.to_dicts():
        said = f"**{row['model']}**, {row['metric']}, {row['date']}: {row['detail']}"
        if row["status"] == monitoring.ALERT:
            st.error(said, icon=":material/error:")
        else:
            st.warning(said, icon=":material/warning:")
    if found.is_empty():
        day, last = rows["date"].to_list()[-1], monitoring.newest(rows)
        st.success(f"Nothing has drifted: {last.height:,} checks of {day} are as they should be.", icon=":material/check:")
    _watched(rows)


@st.fragment
@guarded
@patient
def _watched(rows: pl.DataFrame) -> None:
    with st.expander("Each check over the days"):
        chosen = st.selectbox("Check", rows["check"].unique().sort().to_list(), key="check", bind="query-params")
        shown = rows.filter(pl.col("check") == chosen)
        line = charts.line(shown, "date", "value", "number", title=chosen)
        limit = alt.Chart(shown).mark_line(strokeDash=[4, 4], color=charts.DOWN, point=shown.height == 1)
        drawn = limit.encode(x="date:T", y="threshold:Q", tooltip=[alt.Tooltip("threshold:Q", title="Threshold")])
        draw(alt.layer(line, drawn, description=str(line.description), height=charts.HEIGHT))  # type: ignore[arg-type]
        st.caption(f"The dashed line is the threshold; a value {monitoring.when(shown)} it is an alert.")


@guarded
@patient
def _fresh(settings: Settings, reader: Reader | None) -> None:
    st.subheader("How fresh the data is")
    drawn.fresh(_known(settings, settings.lake_root), reader)


@st.fragment
@guarded
@patient
def _kept_out(settings: Settings) -> None:
    st.subheader("Rows that are kept out")
    counts = _counted(settings, settings.lake_root)
    if counts.is_empty():
        st.success("No row breaks a rule.", icon=":material/check:")
        return
    named = {f"{table}: {rule}": (table, rule) for table, rule in counts.select("table", "rule").iter_rows()}
    shown = counts.with_columns(pl.Series("broken", list(named)))
    title = "Rows in quarantine by table and rule"
    draw(charts.bars(shown, "broken", "rows", "count", title=title, height=max(charts.HEIGHT, 26 * shown.height)))
    chosen = st.selectbox("The rows of", list(named), key="quarantine", bind="query-params")
    rows = _samples(settings, settings.lake_root, *named[chosen])
    if rows.is_empty():
        st.info("They have been taken back meanwhile.")
    else:
        st.dataframe(rows, hide_index=True, placeholder="–", alt=f"Rows kept out by {chosen}")
    st.caption(
        f"The newest {kept_out.SAMPLES} at most, as they came. Mend them at the source: the next build takes them back. "
        "`cartlake quarantine replay` judges them again as they are."
    )


@st.fragment
@guarded
@patient
def _lineage(settings: Settings, reader: Reader | None) -> None:
    left, right = st.columns([2, 1])
    left.subheader("Where a number comes from")
    edges = _of_tables(settings, settings.lake_root)
    edges |= lineage.of_metrics(load(FOLDER) if reader is None else reader.declared)
    edges |= frozenset() if reader is None else lineage.of_models(reader)
    names = sorted({node for edge in edges for node in edge}, key=lambda name: (not name.startswith("metric "), name))
    start = names.index("metric revenue") if "metric revenue" in names else 0
    name = right.selectbox("of table or metric", names, index=start, key="lineage", bind="query-params")
    near = lineage.around(edges, name)
    text = lineage.told(near, name)
    st.graphviz_chart(lineage.dot(near, name), width="stretch", alt=text)
    st.caption(text)


@st.fragment
@guarded
@patient
def _runs(settings: Settings) -> None:
    st.subheader("Last runs")
    port = settings.ui.port
    found = _last_runs(settings, port)
    if found is None:
        st.info(f"No Prefect server answers on port {port}. Start it: `cartlake up`.")
        return
    if not found:
        st.info("Nothing has run yet. Start the chain: `prefect deployment run 'daily/default'`.")
        return
    rows = [
        {
            "name": run.name,
            "state": run.state,
            "started": ages.age(run.started),
            "took": ages.duration(run.seconds),
            "url": run.url,
        }
        for run in found
    ]
    st.dataframe(
        pl.DataFrame(rows),
        hide_index=True,
        alt="The last runs, the newest first",
        column_config={
            "name": "Run",
            "state": "State",
            "started": "Started",
            "took": "Took",
            "url": st.column_config.LinkColumn("In Prefect", display_text="open"),
        },
    )
