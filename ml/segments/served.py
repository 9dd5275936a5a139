"""The segments as they answer: the nearest centre, or for a bisecting model the way down its tree."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ml.frame import numbers
from ml.segments.space import COLUMNS, Floats, placed


@dataclass(frozen=True)
class Node:
    """A cluster of a bisecting model, or of a flat one; a leaf has no children and a `key`."""

    centre: tuple[float, ...]
    children: tuple["Node", ...] = ()
    key: int = -1

    def leaves(self) -> list["Node"]:
        """The leaves below, by key."""
        if not self.children:
            return [self]
        return sorted((leaf for child in self.children for leaf in child.leaves()), key=lambda leaf: leaf.key)

    def to_json(self) -> dict[str, Any]:
        return {"centre": self.centre, "children": [child.to_json() for child in self.children], "key": self.key}

    @staticmethod
    def of_json(raw: Mapping[str, Any]) -> "Node":
        return Node(tuple(raw["centre"]), tuple(map(Node.of_json, raw["children"])), raw["key"])


@dataclass(frozen=True)
class Segments:
    """A tree whose leaves are the segments, and a name for each, by key. `born` is where each name was given; `gone` are names
    that earlier models gave and that no segment has any more.
    """

    root: Node
    names: tuple[str, ...]
    born: tuple[tuple[float, ...], ...]
    gone: tuple[str, ...] = ()

    def keys(self, places: Floats) -> tuple[np.ndarray[Any, np.dtype[np.int64]], Floats]:
        """The key and the distance to the segment's centre of each place, shape (customers, axes)."""
        key, distance = np.full(len(places), -1, dtype=np.int64), np.zeros(len(places))

        def descend(node: Node, rows: np.ndarray[Any, np.dtype[np.int64]]) -> None:
            if not node.children:
                key[rows] = node.key
                distance[rows] = np.linalg.norm(places[rows] - np.array(node.centre), axis=1)
                return
            centres = np.array([child.centre for child in node.children])
            nearest = ((places[rows, None, :] - centres[None]) ** 2).sum(axis=2).argmin(axis=1)
            for number, child in enumerate(node.children):
                descend(child, rows[nearest == number])

        descend(self.root, np.arange(len(places)))
        return key, distance

    def predict(self, model_input: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """`segment`, `segment_key` and `distance` for rows of ml.customers.features.at. ValueError names a wrong column."""
        key, distance = self.keys(placed(numbers(model_input, COLUMNS)))
        names = np.array(self.names, dtype=object)[key]
        return pd.DataFrame({"segment": names, "segment_key": key, "distance": distance}, index=model_input.index)

    def save(self, folder: Path) -> None:
        """One JSON file."""
        told = {"root": self.root.to_json(), "names": self.names, "born": self.born, "gone": self.gone}
        (folder / "model.json").write_text(json.dumps(told))


def _load_pyfunc(path: str) -> Segments:
    raw = json.loads((Path(path) / "model.json").read_text())
    born, gone = tuple(map(tuple, raw["born"])), tuple(raw.get("gone", ()))
    return Segments(Node.of_json(raw["root"]), tuple(raw["names"]), born, gone)
