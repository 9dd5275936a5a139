"""Data health: what has drifted, how fresh the data is, what is kept out, where numbers come from, what ran."""

import altair as alt
import polars as pl
import streamlit as st

from lake.config import Settings
from warehouse.dashboard import charts
from warehouse.dashboard.health import freshness, kept_out, lineage, monitoring, runs
from warehouse.dashboard.page import Page
from warehouse.dashboard.parts import draw

TITLE, ICON, ORDER = "Data health", ":material/monitor_heart:", 6
# What the lake is read for is remembered for so long: several people look at the same page.
_SECONDS = 15
_DECLARED_SECONDS = 120  # the tables' declarations change with the code alone
_RUN_SECONDS = 5


def show(page: Page) -> None:
    _alerts(page)
    _fresh(page)
    _kept_out(page)
    _lineage(page)
    _runs(page)


@st.cache_data(ttl=_SECONDS, show_spinner="Looking at the lake …")
def _known(_settings: Settings, root: str) -> pl.DataFrame:
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
def _watched(rows: pl.DataFrame) -> None:
    with st.expander("Each check over the days"):
        chosen = st.selectbox("Check", rows["check"].unique().sort().to_list(), key="check", bind="query-params")
        shown = rows.filter(pl.col("check") == chosen)
        line = charts.line(shown, "date", "value", "number", title=chosen)
        limit = alt.Chart(shown).mark_line(strokeDash=[4, 4], color=charts.DOWN, point=shown.height == 1)
        drawn = limit.encode(x="date:T", y="threshold:Q", tooltip=[alt.Tooltip("threshold:Q", title="Threshold")])
        draw(alt.layer(line, drawn, description=str(line.description), height=charts.HEIGHT))  # type: ignore[arg-type]
        st.caption(f"The dashed line is the threshold; a value {monitoring.when(shown)} it is an alert.")


def _fresh(page: Page) -> None:
    st.subheader("How fresh each table is")
    release = page.reader.release
    tables = _known(page.settings, page.settings.lake_root)
    if tables.is_empty():
        st.info("Nothing is captured yet. Begin: `cartlake capture`.")
        return
    held = page.reader.rows('SELECT "table", delta_version FROM meta.release_tables WHERE release = ?', (release.number,))
    found = freshness.beside(tables, dict(held.iter_rows()))
    built = found.filter(pl.col("table").str.contains(r"^(silver|gold)\."))
    tiles = {
        "Newest change at a source": found["changed"].max(),
        "Newest build": built["written"].max(),
        "This release": release.at,
    }
    for place, (name, moment) in zip(st.columns(len(tiles)), tiles.items(), strict=True):
        place.metric(name, freshness.age(moment), border=True)  # type: ignore[arg-type]
    late = freshness.waiting(found)
    if late.is_empty():
        st.success(f"All {found.height} tables are up to date, from their source to this release.", icon=":material/check:")
    else:
        st.warning(
            f"{late.height} of {found.height} tables are not up to date; they stand first, with the reason.",
            icon=":material/schedule:",
        )
    ages = {name: [freshness.age(moment) if moment else None for moment in found[name]] for name in ("changed", "written")}
    shown = found.with_columns(**{name: pl.Series(words, dtype=pl.String) for name, words in ages.items()})
    first = shown.filter(pl.col("standing") != freshness.CURRENT)
    st.dataframe(
        pl.concat([first, shown.filter(pl.col("standing") == freshness.CURRENT)]),
        hide_index=True,
        height=320,
        placeholder="–",
        alt="Each table: how it stands, when it changed at its source and was written, its rows, and its versions",
        column_order=["table", "standing", "changed", "written", "rows", "version", "consumed", "in_release"],
        column_config={
            "table": "Table",
            "standing": "How it stands",
            "changed": st.column_config.TextColumn(
                "At the source", help="The newest change, by the source's clock; a snapshot has none"
            ),
            "written": st.column_config.TextColumn("Written", help="The last commit to the table"),
            "rows": st.column_config.NumberColumn("Rows", format="localized", width=85, help="In bronze each change is one"),
            "version": st.column_config.NumberColumn("Version", width=70, help="The newest in the lake"),
            "consumed": st.column_config.NumberColumn(
                "Read to", width=75, help="The version that all tables made of it have read"
            ),
            "in_release": st.column_config.NumberColumn("Released", width=80, help="Its version in the release at the side"),
        },
    )


@st.fragment
def _kept_out(page: Page) -> None:
    st.subheader("Rows that are kept out")
    counts = _counted(page.settings, page.settings.lake_root)
    if counts.is_empty():
        st.success("No row breaks a rule.", icon=":material/check:")
        return
    named = {f"{table}: {rule}": (table, rule) for table, rule in counts.select("table", "rule").iter_rows()}
    shown = counts.with_columns(pl.Series("broken", list(named)))
    title = "Rows in quarantine by table and rule"
    draw(charts.bars(shown, "broken", "rows", "count", title=title, height=max(charts.HEIGHT, 26 * shown.height)))
    chosen = st.selectbox("The rows of", list(named), key="quarantine", bind="query-params")
    rows = _samples(page.settings, page.settings.lake_root, *named[chosen])
    if rows.is_empty():
        st.info("They have been taken back meanwhile.")
    else:
        st.dataframe(rows, hide_index=True, placeholder="–", alt=f"Rows kept out by {chosen}")
    st.caption(
        f"The newest {kept_out.SAMPLES} at most, as they came. Mend them at the source: the next build takes them back. "
        "`cartlake quarantine replay` judges them again as they are."
    )


@st.fragment
def _lineage(page: Page) -> None:
    left, right = st.columns([2, 1])
    left.subheader("Where a number comes from")
    edges = _of_tables(page.settings, page.settings.lake_root) | lineage.of_metrics(page.reader.declared)
    edges |= lineage.of_models(page.reader)
    names = sorted({node for edge in edges for node in edge}, key=lambda name: (not name.startswith("metric "), name))
    start = names.index("metric revenue") if "metric revenue" in names else 0
    name = right.selectbox("of table or metric", names, index=start, key="lineage", bind="query-params")
    near = lineage.around(edges, name)
    text = lineage.told(near, name)
    st.graphviz_chart(lineage.dot(near, name), width="stretch", alt=text)
    st.caption(text)


@st.fragment
def _runs(page: Page) -> None:
    st.subheader("Last runs")
    port = page.settings.ui.port
    found = _last_runs(page.settings, port)
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
            "started": freshness.age(run.started),
            "took": freshness.duration(run.seconds),
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
