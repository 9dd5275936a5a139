"""Recommendations: what goes with a basket, in order, and what is said where nothing is known."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from ml.recommend import quality
from ml.recommend.recipes import _nearest
from ml.recommend.served import Neighbours, _load_pyfunc

PRODUCTS = np.array([10, 20, 30, 40, 50])


@pytest.fixture
def model() -> Neighbours:
    """20 and 30 go with 10, 30 more so with 40; 50 is only popular."""
    one, other = np.array([0, 0, 3, 1]), np.array([1, 2, 2, 0])
    near, score = _nearest(5, one, other, np.array([0.5, 0.4, 0.3, 0.2]))
    return Neighbours(PRODUCTS, near, score, np.array([4, 0, 1]))


def test_the_scores_of_a_basket_add_up(model: Neighbours) -> None:
    found, scores, spoke = model.best(model.places([10, 40]), 2)
    assert PRODUCTS[found].tolist() == [30, 20]
    assert scores == [pytest.approx(0.7), 0.5]
    assert PRODUCTS[spoke].tolist() == [10, 10]


def test_what_is_in_the_basket_is_not_recommended_and_the_popular_fills_up(model: Neighbours) -> None:
    found, scores, spoke = model.best(model.places([20]))
    assert PRODUCTS[found].tolist() == [10, 50]
    assert scores == [0.2, 0.0]
    assert spoke == [1, -1]


def test_products_that_are_not_known_are_passed_over(model: Neighbours) -> None:
    answer = model.predict(pd.DataFrame({"products": ["[10, 99]", "[]", "[99]"]}))
    assert json.loads(answer["product_ids"][0])[0] == 20
    assert json.loads(answer["product_ids"][1]) == json.loads(answer["product_ids"][2]) == [50, 10, 20]


@pytest.mark.parametrize("basket", ["ten", "[1, 'x']", 7, None])
def test_what_is_no_basket_is_named(model: Neighbours, basket: object) -> None:
    with pytest.raises(ValueError, match="column 'products': expected a list of product numbers"):
        model.predict(pd.DataFrame({"products": [basket]}))
    with pytest.raises(ValueError, match="column 'products' is missing"):
        model.predict(pd.DataFrame({"product": ["[1]"]}))


def test_a_saved_model_answers_the_same(model: Neighbours, tmp_path: Path) -> None:
    model.save(tmp_path)
    frame = pd.DataFrame({"products": [str([number]) for number in PRODUCTS.tolist()]})
    pd.testing.assert_frame_equal(_load_pyfunc(str(tmp_path)).predict(frame), model.predict(frame))


def test_quality_counts_what_was_found(model: Neighbours) -> None:
    asked = [(10, [20, 30]), (40, [50]), (50, [40])]
    made = quality.found(model, asked, 2)
    assert made["precision_2"] == pytest.approx(3 / 6)
    assert made["recall_2"] == pytest.approx(3 / 4)
    assert made["hit_rate_2"] == pytest.approx(2 / 3)
    plain = quality.found(quality.popular_only(model), asked, 2)
    assert plain["precision_2"] < made["precision_2"]


def test_one_product_of_each_basket_is_shown_and_the_others_are_hidden() -> None:
    lines = pl.DataFrame({"basket": [1, 1, 1, 2, 3, 3], "product_id": [5, 6, 7, 5, 8, 9]})
    asked = quality.hidden(lines)
    assert sorted(sorted([shown, *others]) for shown, others in asked) == [[5, 6, 7], [8, 9]]
    assert asked == quality.hidden(lines.reverse())
