"""The pictures of a segmentation."""

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


def profile(made: Segments, sizes: dict[str, int]) -> "Figure":
    """Where each segment's centre lies on each axis, and how many customers it has."""
    from matplotlib.figure import Figure

    leaves = made.root.leaves()
    places = np.array([leaf.centre for leaf in leaves])
    figure = Figure(figsize=(9, 0.7 * len(leaves) + 1.5), layout="constrained")
    axes = figure.subplots()
    axes.imshow(places, cmap="YlGnBu", vmin=0, vmax=1, aspect="auto")
    for row, centre in enumerate(places):
        for column, (low, high) in enumerate(AXES.values()):
            shown = f"{low * (high / low) ** centre[column]:,.0f}"
            axes.text(column, row, shown, ha="center", va="center", color="white" if centre[column] > 0.6 else "black")
    labels = [f"{name} ({sizes[name]:,})" for name in made.names]
    axes.set(title="Centres", xticks=range(len(AXES)), xticklabels=list(AXES), yticks=range(len(labels)), yticklabels=labels)
    return figure
