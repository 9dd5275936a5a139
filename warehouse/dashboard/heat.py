"""Heat maps. Each cell has its number in it, so that colour is not the only sign."""

from typing import Any

import altair as alt
import polars as pl

from warehouse.dashboard import charts

_DARK = 0.7  # of the largest: from there on white is read more easily on the scheme's blue than black
_CENTS = 100  # below which money in a cell has cents


def grid(
    frame: pl.DataFrame,
    x: str,
    y: str,
    value: str,
    form: str,
    *,
    title: str,
    names: tuple[str | None, str | None],
    upwards: bool = False,
    large: bool = True,
    height: int = charts.HEIGHT,
) -> alt.LayerChart:
    """A cell for each row of a frame, by its columns `x` and `y`, whose titles are `names`: darker where `value` is more.

    `upwards` has the largest `y` on top; `large` is for few cells, with room for larger numbers.
    """
    short = [_short(number, form) for number in frame[value].to_list()]
    rows = charts.plain(frame.with_columns(pl.Series("_text", short, dtype=pl.String)))
    base = alt.Chart(rows).encode(
        x=alt.X(f"{x}:O", title=names[0], sort=None, axis=alt.Axis(labelAngle=0, labelLimit=160)),
        y=alt.Y(f"{y}:O", title=names[1], sort="descending" if upwards else None, axis=alt.Axis(labelLimit=220)),
    )
    dark = _DARK * float(rows[value].max() or 0)  # type: ignore[arg-type]
    tooltip = [alt.Tooltip(f"{x}:N", title=names[0] or x), alt.Tooltip(f"{y}:N", title=names[1] or y)]
    tooltip.append(alt.Tooltip(f"{value}:Q", title=title, format=charts.TOLD[form]))
    colour = alt.Color(f"{value}:Q", legend=None, scale=alt.Scale(scheme="blues", zero=True))
    cells = base.mark_rect().encode(color=colour, tooltip=tooltip)
    ink = alt.condition(f"datum['{value}'] > {dark}", alt.value("white"), alt.value("black"))
    numbers = base.mark_text(fontSize=12 if large else 10).encode(text="_text:N", color=ink)
    text = charts.described(title, frame, x, value, form)
    layers: alt.LayerChart = alt.layer(cells, numbers, description=text, height=height)  # type: ignore[assignment]
    return layers


def _short(value: Any, form: str) -> str:
    """A number with room for a few digits."""
    if form == "money" and value is not None and abs(value) >= _CENTS:
        form = "count"
    return charts.short(value, form).removesuffix(" %")
