"""The pictures of a repeat-purchase model."""

from typing import TYPE_CHECKING

import numpy as np

from ml.repeat.scores import Floats, reliability

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def all_of(truth: Floats, probability: Floats) -> "dict[str, Figure]":
    """Calibration, and what share of the buyers the best share of customers holds."""
    return {"calibration.png": calibration(truth, probability), "gain.png": gain(truth, probability)}


def calibration(truth: Floats, probability: Floats) -> "Figure":
    """What was said against what came, by tenths."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 5), layout="constrained")
    axes = figure.subplots()
    said, came = zip(*((said, came) for said, came, _ in reliability(truth, probability)), strict=True)
    top = max(*said, *came)
    axes.plot([0, top], [0, top], color="#999999", linewidth=0.8)
    axes.plot(said, came, marker="o", color="#c2410c")
    axes.set(title="Bought within 30 days, by tenths of customers", xlabel="probability said", ylabel="share that bought")
    return figure


def gain(truth: Floats, probability: Floats) -> "Figure":
    """Cumulative gain."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 5), layout="constrained")
    axes = figure.subplots()
    found = np.cumsum(truth[np.argsort(-probability, kind="stable")]) / max(truth.sum(), 1)
    asked = np.arange(1, len(found) + 1) / len(found)
    points = np.linspace(0, len(found) - 1, min(200, len(found))).astype(int)
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=0.8)
    axes.plot(asked[points], found[points], color="#0f766e")
    axes.set(title="Buyers found", xlabel="share of customers asked, likeliest first", ylabel="share of the buyers")
    return figure
