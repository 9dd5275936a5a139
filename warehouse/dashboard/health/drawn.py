"""How fresh the data is, as the page draws it: source by source in plain words, then each table, its versions folded away."""

from collections.abc import Sequence

import polars as pl
import streamlit as st

from warehouse.dashboard.health import freshness
from warehouse.dashboard.health.ages import age
from warehouse.dashboard.health.sources import SourceStatus
from warehouse.dashboard.reader import Reader


def fresh(known: freshness.Known, reader: Reader | None) -> None:
    """The section. Without a release it says how the lake stands."""
    if not any(one.tables for one in known.sources):
        st.info("Nothing is captured yet. Begin: `cartlake capture`.")
        _sources(known.sources)
        return
    found = known.tables
    if reader is not None:
        number = reader.release.number
        held = reader.rows('SELECT "table", delta_version FROM meta.release_tables WHERE release = ?', (number,))
        found = freshness.beside(found, dict(held.iter_rows()))
    built = found.filter(pl.col("table").str.contains(r"^(silver|gold)\."))
    tiles = {"Newest capture": found["captured"].max(), "Newest build": built["written"].max()}
    tiles |= {"This release": reader.release.at} if reader is not None else {}
    for place, (name, moment) in zip(st.columns(len(tiles)), tiles.items(), strict=True):
        place.metric(name, age(moment), border=True)  # type: ignore[arg-type]
    _sources(known.sources)
    late = freshness.waiting(found)
    if late.is_empty():
        upto = "to this release" if reader is not None else "to gold"
        st.success(f"All {found.height} tables hold what was captured, from there {upto}.", icon=":material/check:")
    else:
        st.warning(
            f"{late.height} of {found.height} tables are not up to date; they stand first, with the reason.",
            icon=":material/schedule:",
        )
    _tables(found)


def _sources(sources: Sequence[SourceStatus]) -> None:
    for one in sources:
        if one.error:
            st.error(f"**{one.name}**: {one.told}", icon=":material/error:")
        elif one.late:
            told = f"**{one.name}**: {one.told}. Is capture running? `cartlake status` asks the source."
            st.warning(told, icon=":material/schedule:")
    rows = [(one.name, one.told, age(one.captured), age(one.changed) if one.changed else None, one.tables) for one in sources]
    st.dataframe(
        pl.DataFrame(rows, schema=["source", "told", "captured", "changed", "tables"], orient="row"),
        hide_index=True,
        placeholder="–",
        alt="Each source: how it stands, when it was last captured, its newest change, and its tables",
        column_config={
            "source": "Source",
            "told": "How it stands",
            "captured": st.column_config.TextColumn("Captured", help="When the lake last got something of it, or read on"),
            "changed": st.column_config.TextColumn(
                "Newest change", help="By the source's own clock, of what is captured; a first snapshot has none"
            ),
            "tables": st.column_config.NumberColumn("Tables", width=70),
        },
    )


def _tables(found: pl.DataFrame) -> None:
    ages = {name: [age(moment) if moment else None for moment in found[name]] for name in ("changed", "captured", "written")}
    told = found.with_columns(**{name: pl.Series(words, dtype=pl.String) for name, words in ages.items()})
    first = pl.col("standing") != freshness.CURRENT
    shown = pl.concat([told.filter(first), told.filter(~first)])
    st.dataframe(
        shown,
        hide_index=True,
        height=320,
        placeholder="–",
        alt="Each table: how it stands, when its sources were captured, when it was written, and its rows",
        column_order=["table", "standing", "captured", "written", "rows"],
        column_config={
            "table": "Table",
            "standing": "How it stands",
            "captured": st.column_config.TextColumn(
                "Captured", help="When capture last went on at its source; where it is made of several, at the oldest"
            ),
            "written": st.column_config.TextColumn("Written", help="The last commit to the table"),
            "rows": st.column_config.NumberColumn("Rows", format="localized", width=85, help="In bronze each change is one"),
        },
    )
    with st.expander("Versions of each table"):
        st.dataframe(
            shown,
            hide_index=True,
            height=320,
            placeholder="–",
            alt="Each table: its newest version, what was read of it, what the release holds, and its newest change",
            column_order=["table", "version", "consumed", "in_release", "changed"],
            column_config={
                "table": "Table",
                "version": st.column_config.NumberColumn("Version", help="The newest in the lake"),
                "consumed": st.column_config.NumberColumn("Read to", help="The version that all tables made of it have read"),
                "in_release": st.column_config.NumberColumn("Released", help="Its version in the release at the side"),
                "changed": st.column_config.TextColumn(
                    "At the source", help="The newest change, by the source's clock; a snapshot has none"
                ),
            },
        )
