from pathlib import Path

import numpy as np
import pytest
import xgboost

from ml.forecast import regressors

# As Spark 4.2 prints it; the second tree splits on one-hot features, which are categories to it.
DESCRIBED = """GBTRegressionModel: uid=GBTRegressor_1, numTrees=2, numFeatures=3
  Tree 0 (weight 1.0):
    If (feature 0 <= -0.25)
     If (feature 1 <= 1.5E-3)
      Predict: -1.0
     Else (feature 1 > 1.5E-3)
      Predict: 2.0
    Else (feature 0 > -0.25)
     Predict: 0.125
  Tree 1 (weight 0.5):
    If (feature 2 in {1.0})
     Predict: 10.0
    Else (feature 2 not in {1.0})
     If (feature 2 in {0.0})
      Predict: 20.0
     Else (feature 2 not in {0.0})
      Predict: 30.0
"""


def test_trees_are_read_from_what_spark_prints() -> None:
    forest = regressors.parse(DESCRIBED, [1.0, 0.5])
    rows = np.array([[-0.25, 0.0015, 1.0], [-1.0, 0.002, 0.0], [0.0, 0.0, 0.0]])
    assert forest.predict(rows).tolist() == [-1 + 5, 2 + 10, 0.125 + 10]


def test_a_tree_that_is_a_single_leaf() -> None:
    forest = regressors.parse("Tree 0 (weight 1.0):\n  Predict: 3.5\n", [2.0])
    assert forest.predict(np.zeros((2, 1))).tolist() == [7.0, 7.0]


@pytest.mark.parametrize("kind", ["linear", "trees", "boosted", "none"])
def test_regressors_survive_their_files(kind: str, tmp_path: Path) -> None:
    rows = np.random.default_rng(1).normal(size=(50, 3))
    if kind == "none":
        assert regressors.load(tmp_path) is None
        return
    made: regressors.Regressor
    if kind == "linear":
        made = regressors.Linear(np.array([0.1, 1 / 3, -2.0]), 0.7)
        assert made.predict(rows[:1])[0] == pytest.approx(rows[0] @ [0.1, 1 / 3, -2.0] + 0.7)
    elif kind == "trees":
        made = regressors.Trees(regressors.parse(DESCRIBED, [1.0, 0.5]))
    else:
        made = regressors.Boosted(xgboost.train({"nthread": 1}, xgboost.DMatrix(rows, rows[:, 0] ** 2), num_boost_round=5))
    made.save(tmp_path)
    back = regressors.load(tmp_path)
    assert back is not None
    assert np.ptp(made.predict(rows)) > 0
    np.testing.assert_array_equal(back.predict(rows), made.predict(rows))
