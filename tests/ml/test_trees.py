"""Trees as arrays, and columns by name."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml.frame import numbers
from ml.trees import Forest

# x0 <= 1 ? 10 : (x1 <= 5 ? 20 : 30), and a second tree that is a leaf of 1 with weight 0.5
FOREST = Forest(
    feature=np.array([0, -1, 1, -1, -1, -1]),
    threshold=np.array([1.0, 0, 5.0, 0, 0, 0]),
    left=np.array([1, 0, 3, 0, 0, 0]),
    right=np.array([2, 0, 4, 0, 0, 0]),
    value=np.array([0.0, 10, 0, 20, 30, 1]),
    root=np.array([0, 5]),
    weight=np.array([1.0, 0.5]),
)


def test_each_row_goes_its_own_way() -> None:
    rows = np.array([[1.0, 9.0], [1.5, 5.0], [1.5, 5.1]])
    assert FOREST.predict(rows).tolist() == [10.5, 20.5, 30.5]


def test_a_saved_forest_answers_the_same(tmp_path: Path) -> None:
    FOREST.save(tmp_path / "trees.json")
    rows = np.random.default_rng(1).uniform(0, 10, (100, 2))
    np.testing.assert_array_equal(Forest.load(tmp_path / "trees.json").predict(rows), FOREST.predict(rows))


def test_columns_are_taken_by_name_and_a_bad_one_is_told() -> None:
    frame = pd.DataFrame({"b": [1, 2], "a": [3.5, 4.5], "c": ["x", "1"]})
    assert numbers(frame, ("a", "b")).tolist() == [[3.5, 1.0], [4.5, 2.0]]
    with pytest.raises(ValueError, match="column 'd' is missing, and 1 more"):
        numbers(frame, ("a", "d", "e"))
    with pytest.raises(ValueError, match="column 'c': expected a number, found 'x'"):
        numbers(frame, ("c",))
    with pytest.raises(ValueError, match="column 'a': expected a number, found none in row 1"):
        numbers(pd.DataFrame({"a": [1.0, np.nan]}), ("a",))
