"""The picture of a recommendation's backtest."""

from typing import TYPE_CHECKING

from ml.model import Tried

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def precision(every: tuple[Tried, ...]) -> "Figure":
    """Precision at ten of each candidate, cut by cut, the newest first."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    for one in every:
        axes.plot(range(1, len(one.losses) + 1), 1 - one.losses, marker="o", label=one.name)
    axes.set(title="Precision at 10", xlabel="cut, the newest first", ylim=(0, None))
    axes.legend()
    return figure
