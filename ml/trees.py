"""Decision trees of Spark ML as arrays: what they answer without Java."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_COLUMNS = ("feature", "threshold", "left", "right", "value", "root", "weight")


@dataclass(frozen=True)
class Forest:
    """Every node of every tree. A node with feature -1 is a leaf of this `value`; the others go left where x <= threshold.

    `root` and `weight` have an entry per tree, the rest one per node; left and right are positions of nodes.
    """

    feature: NDArray[np.int64]
    threshold: Floats
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: Floats
    root: NDArray[np.int64]
    weight: Floats

    def predict(self, rows: Floats) -> Floats:
        """The weighted sum of the trees' answers, shape (rows,), for features of shape (rows, features)."""
        node = np.broadcast_to(self.root, (len(rows), len(self.root))).copy()
        every = np.arange(len(rows))[:, None]
        while True:
            feature = self.feature[node]
            inner = feature >= 0
            if not inner.any():
                break
            goes_left = rows[every, np.maximum(feature, 0)] <= self.threshold[node]
            node = np.where(inner, np.where(goes_left, self.left[node], self.right[node]), node)
        # In the order of the trees, as Spark adds them up: the last digit depends on it.
        return np.asarray(np.cumsum(self.value[node] * self.weight, axis=1)[:, -1])

    def save(self, file: Path) -> None:
        """Write it as JSON, whose floats are exact."""
        file.write_text(json.dumps({name: getattr(self, name).tolist() for name in _COLUMNS}))

    @staticmethod
    def load(file: Path) -> "Forest":
        """The inverse of `save`."""
        raw = json.loads(file.read_text())
        whole = {"feature", "left", "right", "root"}
        columns: Any = {name: np.array(raw[name], dtype=np.int64 if name in whole else np.float64) for name in _COLUMNS}
        return Forest(**columns)


def of_spark(model: Any) -> Forest:
    """The trees of a fitted GBTRegressor or GBTClassifier that splits on numbers only. It asks the JVM: a classic session."""
    nodes: list[tuple[int, float, int, int, float]] = []

    def add(node: Any) -> int:
        place = len(nodes)
        nodes.append((-1, 0.0, 0, 0, float(node.prediction())))
        if node.subtreeDepth():
            split = node.split()
            left, right = add(node.leftChild()), add(node.rightChild())
            nodes[place] = (int(split.featureIndex()), float(split.threshold()), left, right, 0.0)
        return place

    roots = [add(tree._java_obj.rootNode()) for tree in model.trees]
    feature, threshold, left, right, value = (np.array(column) for column in zip(*nodes, strict=True))
    return Forest(feature, threshold, left, right, value, np.array(roots), np.array(model.treeWeights, dtype=float))
