"""Charts and numbers in one manner. Every chart says in words what it shows, for those who cannot see it."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from warehouse.dashboard import countries

Chart = alt.Chart | alt.LayerChart | alt.HConcatChart | alt.VConcatChart
# Okabe and Ito 2008: eight colours that people with any kind of colour blindness tell apart.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#B8A800", "#7F7F7F")
_ANTARCTICA = "010"  # takes a fifth of the map and buys nothing
UP, DOWN = COLOURS[0], COLOURS[5]
HEIGHT = 280  # of a chart, in pixels: known before it is drawn, so that nothing jumps
_AXIS = {"money": "~s", "count": "~s", "percent": ".1%", "number": ",.4~g"}
_TOLD = {"money": ",.2f", "count": ",", "percent": ".2%", "number": ",.4g"}


def plain(frame: pl.DataFrame) -> pl.DataFrame:
    """Decimals and large integers as floats, days as times: what a browser can draw."""
    kinds = [(name, kind) for name, kind in frame.schema.items()]
    floats = [name for name, kind in kinds if isinstance(kind, pl.Decimal) or kind in (pl.Int128, pl.UInt64)]
    texts = [name for name, kind in kinds if isinstance(kind, pl.Enum | pl.Categorical)]
    return frame.with_columns(pl.col(floats).cast(pl.Float64), pl.col(texts).cast(pl.String))


def line(
    frame: pl.DataFrame, x: str, y: str, form: str, *, title: str, colour: str | None = None, height: int = HEIGHT
) -> alt.Chart:
    """A line over periods. `form` is the metric's format; `colour` a column that makes a line each."""
    kind = "T" if frame[x].dtype.is_temporal() else "O"
    shown: dict[str, Any] = {
        "x": alt.X(f"{x}:{kind}", title=None, axis=alt.Axis(labelAngle=0, labelOverlap=True, labelFlush=True)),
        "y": alt.Y(f"{y}:Q", title=None, axis=alt.Axis(format=_AXIS[form], tickCount=5)),
        "tooltip": [alt.Tooltip(f"{x}:{kind}", title=_words(x)), alt.Tooltip(f"{y}:Q", title=_words(y), format=_TOLD[form])],
    }
    if colour:
        shown["color"] = _colour(frame, colour)
        shown["tooltip"].insert(0, alt.Tooltip(f"{colour}:N", title=_words(colour)))
    chart = alt.Chart(plain(frame), description=described(title, frame, x, y, form), height=height)
    made: alt.Chart = chart.mark_line(point=frame.height <= 60, strokeWidth=2, color=COLOURS[0]).encode(**shown)
    return made


def bars(
    frame: pl.DataFrame,
    name: str,
    value: str,
    form: str,
    *,
    title: str,
    upright: bool = False,
    colour: str | None = None,
    signed: bool = False,
    height: int = HEIGHT,
) -> alt.Chart:
    """A bar for each name, in the order of the frame; `signed` draws what fell in another colour than what rose."""
    names: dict[str, Any] = {"sort": None, "title": None}
    values: dict[str, Any] = {"title": None, "axis": alt.Axis(format=_AXIS[form], tickCount=5)}
    across, along = (alt.X, alt.Y) if upright else (alt.Y, alt.X)
    axis = alt.Axis(labelAngle=0, labelOverlap=True) if upright else alt.Axis(labelLimit=240)
    shown: dict[str, Any] = {
        "x" if upright else "y": across(f"{name}:N", axis=axis, **names),
        "y" if upright else "x": along(f"{value}:Q", **values),
        "tooltip": [
            alt.Tooltip(f"{name}:N", title=_words(name)),
            alt.Tooltip(f"{value}:Q", title=_words(value), format=_TOLD[form]),
        ],
    }
    if colour:
        shown["color"] = _colour(frame, colour)
    elif signed:
        shown["color"] = alt.condition(f"datum['{value}'] < 0", alt.value(DOWN), alt.value(UP))
    else:
        shown["color"] = alt.value(COLOURS[0])
    chart = alt.Chart(plain(frame), description=described(title, frame, name, value, form), height=height)
    made: alt.Chart = chart.mark_bar().encode(**shown)
    return made


def world(frame: pl.DataFrame, value: str, form: str, *, title: str, outlines: Any, height: int = HEIGHT) -> "alt.LayerChart":
    """A map of countries, `frame` with a column `country`, darker where there is more."""
    numbered = (
        plain(frame).with_columns(id=pl.col("country").map_elements(countries.number, return_dtype=pl.Int64)).drop_nulls("id")
    )
    land = (
        alt.Chart(outlines)
        .transform_filter(f"datum.id != '{_ANTARCTICA}'")
        .mark_geoshape(fill="#8882", stroke="#8886", strokeWidth=0.5)
    )
    tooltip = [alt.Tooltip("country:N", title="Country"), alt.Tooltip(f"{value}:Q", title=_words(value), format=_TOLD[form])]
    sold = (
        alt.Chart(outlines)
        .mark_geoshape(stroke="#8888", strokeWidth=0.5)
        .transform_lookup("id", alt.LookupData(numbered, "id", ["country", value]))
        .transform_filter(f"isValid(datum['{value}'])")
        .encode(color=alt.Color(f"{value}:Q", title=None, legend=alt.Legend(format=_AXIS[form])), tooltip=tooltip)
    )
    text = described(title, frame, "country", value, form)
    # Fitted by hand: fitted to the data, every outline would be projected anew at each change of a filter.
    scale, middle = alt.expr("min(width / 5.5, height / 2.5)"), alt.expr("[width / 2, height * 0.6]")
    layers = alt.layer(land, sold, description=text, height=height)
    placed: alt.LayerChart = layers.project(type="naturalEarth1", scale=scale, translate=middle)  # type: ignore[assignment]
    return placed


def described(title: str, frame: pl.DataFrame, name: str, value: str, form: str) -> str:
    """A chart in words: its title, its ends, and its largest mark."""
    if frame.is_empty():
        return f"{title}: nothing"
    known = frame.drop_nulls(value)
    if known.is_empty():
        return f"{title}: no value"
    top = known.sort(value, descending=True).row(0, named=True)
    ends = f"{frame.height} values, from {frame[name][0]} to {frame[name][-1]}"
    return f"{title}: {ends}; the largest is {top[name]} with {short(top[value], form)}"


def short(value: Any, form: str) -> str:
    """A number for a tile: 1.23 M rather than 1,234,567.89."""
    if value is None:
        return "–"
    if form == "percent":
        return f"{100 * value:.1f} %"
    number = float(value)
    for size, least, letter in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e3, 1e4, "k")):
        if abs(number) >= least:
            scaled = number / size
            return f"{scaled:.{2 if abs(scaled) < 10 else 1 if abs(scaled) < 100 else 0}f} {letter}"
    return f"{number:,.0f}" if form == "count" else f"{number:,.2f}"


def change(now: Any, before: Any, form: str) -> str | None:
    """From one number to the next: in percent, or in points where both are percent. None where there is nothing to compare."""
    if now is None or before is None:
        return None
    if form == "percent":
        return f"{100 * (now - before):+.1f} points"
    return f"{100 * (float(now) / float(before) - 1):+.1f} %" if before else None


def _colour(frame: pl.DataFrame, name: str) -> alt.Color:
    values: Sequence[Any] = frame[name].unique(maintain_order=True).to_list()
    scale = alt.Scale(domain=list(values), range=[COLOURS[number % len(COLOURS)] for number in range(len(values))])
    return alt.Color(f"{name}:N", title=None, scale=scale, legend=alt.Legend(orient="bottom", columns=4, labelLimit=220))


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()
