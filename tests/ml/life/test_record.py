"""What a run says of a backtest."""

from typing import Any

import numpy as np

from ml.life import record
from ml.model import Fitted, Trained, Tried

NEW, OLD = '{"name": "gbt", "rounds": 8}', '{"name": "gbt", "rounds": 5}'
NAIVE = Tried("naive", "{}", np.array([1.0, 1.0]))
SERVED: Any = None


def test_an_older_recipe_of_the_same_name_is_told_apart() -> None:
    tried = (Tried("gbt", NEW, np.array([0.4, 0.6])), Tried("gbt", OLD, np.array([0.7, 0.9])))
    trained = Trained("mase", tried, NAIVE, lambda _: Fitted(SERVED, SERVED))
    values = record.metrics(trained, tried[0], trained.fit(tried[0]))
    assert {name: value for name, value in values.items() if name.startswith("candidate/")} == {
        "candidate/gbt/mase": 0.5,
        "candidate/gbt of the champion/mase": 0.8,
    }
    assert record.backtest(trained)["recipes"] == {
        NEW: {"name": "gbt", "losses": [0.4, 0.6]},
        OLD: {"name": "gbt of the champion", "losses": [0.7, 0.9]},
    }
