"""The pictures of a forecast."""

from typing import TYPE_CHECKING, Any

from ml.forecast import backtest
from ml.forecast.intervals import WIDTHS, Intervals
from ml.forecast.panel import TOTAL, Floats, Panel

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def to_come(known: Panel, ahead: Floats, spread: Intervals, name: str) -> "Figure":
    """The total's last months and next days, with both intervals. `ahead` has shape (categories, horizon)."""
    from matplotlib.figure import Figure

    sold, total = backtest.with_total(known.values["net"])[0], backtest.with_total(ahead)[0]
    horizon = len(total)
    past = range(max(0, known.days - max(120, 2 * horizon)), known.days)
    next_days: Any = [known.day(known.days + h) for h in range(horizon)]
    shown: Any = [known.day(day) for day in past]
    figure = Figure(figsize=(11, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(shown, sold[past.start :], label="sold", color="#333333", linewidth=1)
    axes.plot(next_days, total, label=f"forecast ({name})", color="#c2410c")
    for width, shade in zip(WIDTHS, (0.22, 0.12), strict=True):
        axes.fill_between(
            next_days, *spread.around(TOTAL, total, width), color="#c2410c", alpha=shade, label=f"{width} %", linewidth=0
        )
    axes.set(title="Net revenue a day", ylim=(0, None))
    axes.legend()
    return figure


def residuals(known: Panel, at: tuple[int, ...], tested: Floats) -> "Figure":
    """What the total's backtest missed by, in all and by days ahead. `tested` has shape (cuts, categories, horizon)."""
    from matplotlib.figure import Figure

    horizon = tested.shape[-1]
    missed = backtest.with_total(backtest.truth(known, at, horizon))[:, 0] - backtest.with_total(tested)[:, 0]
    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.hist(missed.ravel(), bins=30, color="#0f766e")
    left.set(title="Residuals of the total in the backtest", xlabel="sold − forecast")
    right.boxplot([missed[:, h] for h in range(horizon)], widths=0.6)
    right.axhline(0, color="#333333", linewidth=0.8)
    right.set(title="by days ahead", xticks=range(7, horizon + 1, 7), xticklabels=range(7, horizon + 1, 7))
    return figure
