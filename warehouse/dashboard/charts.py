"""Charts and numbers in one manner. Every chart says in words what it shows, for those who cannot see it."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from warehouse.dashboard import countries

Chart = alt.Chart | alt.LayerChart | alt.HConcatChart | alt.VConcatChart
# Six of the eight of Okabe and Ito, 2008: their yellow is not seen on white, their black not on the dark. The tests measure that
# these stay apart, from each other and from both backgrounds, for people who lack any one kind of cone.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
# What a line of each colour has beside it, so that its colour is never the only sign.
DASHES = ([1, 0], [8, 3], [2, 2], [8, 3, 2, 3], [14, 4], [2, 5])
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
_ANTARCTICA = "010"  # takes a fifth of the map and buys nothing
_RUN, _WHOLE = "_run", "whole"
UP, DOWN = COLOURS[0], COLOURS[5]
HEIGHT = 280  # of a chart, in pixels: known before it is drawn, so that nothing jumps
_AXIS = {"money": "~s", "count": "~s", "percent": ".1%", "number": ",.4~g"}
_DAYS = 92  # up to which an axis of days needs no year
WHOLE, SHARE = "%,.0f", "%.1f%%"  # of a table's column: money where cents say nothing, and shares of 100
TOLD = {"money": ",.2f", "count": ",", "percent": ".2%", "number": ",.4g"}


def plain(frame: pl.DataFrame) -> pl.DataFrame:
    """Decimals and large integers as floats, enumerations as texts: what a browser can draw."""
    kinds = [(name, kind) for name, kind in frame.schema.items()]
    floats = [name for name, kind in kinds if isinstance(kind, pl.Decimal) or kind in (pl.Int128, pl.UInt64)]
    texts = [name for name, kind in kinds if isinstance(kind, pl.Enum | pl.Categorical)]
    return frame.with_columns(pl.col(floats).cast(pl.Float64), pl.col(texts).cast(pl.String))


def of_100(*names: str) -> pl.Expr:
    """Shares as numbers of 100, which a table shows in the format SHARE: one place behind the point, no more and no less."""
    return pl.col(names) * 100  # this way round: the other one names the columns after the number


def line(
    frame: pl.DataFrame,
    x: str,
    y: str,
    form: str,
    *,
    title: str,
    colour: str | None = None,
    part: Sequence[str] = (),
    height: int = HEIGHT,
) -> alt.Chart:
    """A line over periods. `form` is the metric's format; `colour` a column that makes a line each, of another dash, too.

    `part` are periods at the ends that are looked at in part: they would look like a crash, so the axis says which they are, and
    a line alone is dashed towards them.
    """
    days = frame[x].dtype.is_temporal()
    kind = "T" if days else "O"
    note = f"{' and '.join(part)} {'is' if len(part) == 1 else 'are'} not whole" if part else None
    axis = alt.Axis(labelAngle=0, labelOverlap=True, labelFlush=True, format=_of_days(frame[x]) if days else alt.Undefined)
    shown: dict[str, Any] = {
        "x": alt.X(f"{x}:{kind}", title=note, axis=axis),
        "y": alt.Y(f"{y}:Q", title=None, axis=values_axis(form)),
        "tooltip": [
            alt.Tooltip(f"{x}:{kind}", title=_words(x), format="%-d %b %Y" if days else alt.Undefined),
            alt.Tooltip(f"{y}:Q", title=_words(y), format=TOLD[form]),
        ],
    }
    text, points = described(title, frame, x, y, form) + (f"; {note}" if note else ""), frame.height <= 60
    if colour:
        shown["color"] = by_name(alt.Color, frame, colour, COLOURS)
        shown["strokeDash"] = by_name(alt.StrokeDash, frame, colour, DASHES)
        shown["tooltip"].insert(0, alt.Tooltip(f"{colour}:N", title=_words(colour)))
    elif part:
        frame = _runs(frame, x, part)
        shown["detail"] = f"{_RUN}:N"
        shown["strokeDash"] = alt.StrokeDashValue([4, 4], condition={"test": f"datum['{_RUN}'] == '{_WHOLE}'", "value": [1, 0]})
    chart = alt.Chart(plain(frame), description=text, height=height)
    made: alt.Chart = chart.mark_line(point=points, strokeWidth=2, color=COLOURS[0]).encode(**shown)
    return made


def _of_days(days: pl.Series) -> str:
    """One format for all labels of an axis: the browser's own would mix months with days of the week."""
    return "%-d %b" if len(days) == 0 or (days.max() - days.min()).days <= _DAYS else "%-d %b %y"  # type: ignore[operator, union-attr]


def _runs(frame: pl.DataFrame, x: str, part: Sequence[str]) -> pl.DataFrame:
    """The rows by the piece of the line that they are on: the whole periods, and from these to a part one at either end."""
    names = frame[x].unique(maintain_order=True).to_list()
    runs = {_WHOLE: [name for name in names if str(name) not in part]}
    if names[:1] and str(names[0]) in part:
        runs["first"] = names[:2]
    if names[1:] and str(names[-1]) in part:
        runs["last"] = names[-2:]
    return pl.concat([frame.filter(pl.col(x).is_in(found)).with_columns(pl.lit(run).alias(_RUN)) for run, found in runs.items()])


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
    values: dict[str, Any] = {"title": None, "axis": values_axis(form)}
    across, along = (alt.X, alt.Y) if upright else (alt.Y, alt.X)
    axis = alt.Axis(labelAngle=0, labelOverlap=True) if upright else alt.Axis(labelLimit=240)
    shown: dict[str, Any] = {
        "x" if upright else "y": across(f"{name}:N", axis=axis, **names),
        "y" if upright else "x": along(f"{value}:Q", **values),
        "tooltip": [
            alt.Tooltip(f"{name}:N", title=_words(name)),
            alt.Tooltip(f"{value}:Q", title=_words(value), format=TOLD[form]),
        ],
    }
    if colour:
        shown["color"] = by_name(alt.Color, frame, colour, COLOURS)
    elif signed:
        # No alt.condition, which is a dictionary: Altair takes 2 ms to find out which class it is for.
        shown["color"] = alt.ColorValue(UP, condition={"test": f"datum['{value}'] < 0", "value": DOWN})
    chart = alt.Chart(plain(frame), description=described(title, frame, name, value, form), height=height)
    made: alt.Chart = chart.mark_bar(color=COLOURS[0]).encode(**shown)
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
    tooltip = [alt.Tooltip("country:N", title="Country"), alt.Tooltip(f"{value}:Q", title=_words(value), format=TOLD[form])]
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
    """From one number to the next: in percent, or in points where both are percent. None where there is nothing to compare.

    What rose or fell has its sign; what is the same to a tenth has none.
    """
    if now is None or before is None or (not before and form != "percent"):
        return None
    moved, unit = (now - before, "points") if form == "percent" else (float(now) / float(before) - 1, "%")
    said = f"{100 * moved:+.1f}"
    return f"{said.lstrip('+-') if float(said) == 0 else said} {unit}"


def delta(text: str | None, *, worse_when_more: bool = False) -> dict[str, Any]:
    """What a tile says below its number: a change with an arrow, green where it is good; anything else without either."""
    moved = text is not None and text[0] in "+-"
    colour = "off" if not moved else "inverse" if worse_when_more else "normal"
    return {"delta": text, "delta_color": colour, "delta_arrow": "auto" if moved else "off"}


def values_axis(form: str) -> alt.Axis:
    """The axis of a metric's values. A prefix goes with every label of it, so that nothing would be 0M."""
    zero = "datum.value == 0 ? '0' : datum.label" if _AXIS[form] == "~s" else alt.Undefined
    return alt.Axis(format=_AXIS[form], tickCount=5, labelExpr=zero)


def by_name(channel: Any, frame: pl.DataFrame, name: str, signs: Sequence[Any]) -> Any:
    """A channel that gives each value of a column, in the order of the frame, one of the signs: a colour, a dash, a shape."""
    values = frame[name].unique(maintain_order=True).to_list()
    scale = alt.Scale(domain=values, range=[signs[number % len(signs)] for number in range(len(values))])
    return channel(f"{name}:N", title=None, scale=scale, legend=alt.Legend(orient="bottom", columns=4, labelLimit=220))


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()
