"""Heat maps. Each cell has its number in it, so that colour is not the only sign."""

import altair as alt
import polars as pl

from warehouse.dashboard import charts


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
    short = [charts.short(number, form).removesuffix(" %") for number in frame[value].to_list()]
    rows = charts.plain(frame.with_columns(pl.Series("_text", short, dtype=pl.String)))
    base = alt.Chart(rows).encode(
        x=alt.X(f"{x}:O", title=names[0], sort=None, axis=alt.Axis(labelAngle=0, labelLimit=160)),
        y=alt.Y(f"{y}:O", title=names[1], sort="descending" if upwards else None, axis=alt.Axis(labelLimit=220)),
    )
    # Half of the largest: from there on the blue is dark.
    middle = float(rows[value].max() or 0) / 2  # type: ignore[arg-type]
    tooltip = [alt.Tooltip(f"{x}:N", title=names[0] or x), alt.Tooltip(f"{y}:N", title=names[1] or y)]
    tooltip.append(alt.Tooltip(f"{value}:Q", title=title, format=charts.TOLD[form]))
    colour = alt.Color(f"{value}:Q", legend=None, scale=alt.Scale(scheme="blues", zero=True))
    cells = base.mark_rect().encode(color=colour, tooltip=tooltip)
    ink = alt.condition(f"datum['{value}'] > {middle}", alt.value("white"), alt.value("black"))
    numbers = base.mark_text(fontSize=12 if large else 10).encode(text="_text:N", color=ink)
    text = charts.described(title, frame, x, value, form)
    layers: alt.LayerChart = alt.layer(cells, numbers, description=text, height=height)  # type: ignore[assignment]
    return layers
