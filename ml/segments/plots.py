"""The pictures of a segmentation."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ml.model import Tried
from ml.segments.served import Segments
from ml.segments.space import AXES

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def choice(every: tuple[Tried, ...]) -> "Figure":
    """Silhouette and stability of each candidate: what the number of segments was chosen by."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots()
    place = np.arange(len(every))
    axes.bar(place - 0.2, [one.metrics["silhouette"] for one in every], 0.4, label="silhouette", color="#0f766e")
    axes.bar(place + 0.2, [one.metrics["adjusted_rand"] for one in every], 0.4, label="adjusted Rand of halves", color="#c2410c")
    axes.set(title="Candidates", ylim=(0, 1), xticks=place, xticklabels=[one.name for one in every])
    axes.legend()
    return figure


def profile(made: Segments, sizes: Mapping[str, int], behaviour: Mapping[str, Mapping[str, float]]) -> "Figure":
    """Where each segment's centre lies on each axis, how its customers behave (means), and how many there are."""
    from matplotlib.figure import Figure

    centres = np.array([leaf.centre for leaf in made.root.leaves()])
    means = np.array([list(behaviour[name].values()) for name in made.names])
    shade = np.column_stack([centres, means / np.maximum(means.max(axis=0), 1e-9)])
    figure = Figure(figsize=(13, 0.7 * len(centres) + 1.5), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shade, cmap="YlGnBu", vmin=0, vmax=1, aspect="auto")
    figures = [
        [*map(_of_axis, AXES.values(), centre), *(f"{value:,.2f}" for value in mean)]
        for centre, mean in zip(centres, means, strict=True)
    ]
    for row, line in enumerate(figures):
        for column, shown in enumerate(line):
            axes.text(column, row, shown, ha="center", va="center", color="white" if shade[row, column] > 0.6 else "black")
    axes.axvline(len(AXES) - 0.5, color="white", linewidth=4)
    labels, columns = [f"{name} ({sizes[name]:,})" for name in made.names], [*AXES, *behaviour[made.names[0]]]
    axes.set(title="Centres, and means of what takes no part in them", yticks=range(len(labels)), yticklabels=labels)
    axes.set_xticks(range(len(columns)), columns)
    return figure


def _of_axis(bounds: tuple[float, float], place: float) -> str:
    low, high = bounds
    return f"{low * (high / low) ** place:,.0f}"
