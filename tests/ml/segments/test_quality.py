import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.segments.quality import adjusted_rand, silhouette

_LABELS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=60)


def test_adjusted_rand_is_that_of_a_worked_example() -> None:
    # Pairs together: 2 in both, 3 + 1 by one, 3 + 1 by the other, of 10: expected 1.6, (2 - 1.6) / (4 - 1.6).
    one, other = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 1])
    assert adjusted_rand(one, other) == pytest.approx((2 - 1.6) / (4 - 1.6))


@given(_LABELS)
def test_adjusted_rand_is_one_of_the_same_and_cares_for_neither_order_nor_numbering(pairs: list[tuple[int, int]]) -> None:
    one, other = (np.array(side) for side in zip(*pairs, strict=True))
    assert adjusted_rand(one, one) == pytest.approx(1)
    assert adjusted_rand(one, other) == pytest.approx(adjusted_rand(other, one))
    assert adjusted_rand(one, other) == pytest.approx(adjusted_rand(one, 4 - other))
    assert adjusted_rand(one, other) <= 1 + 1e-12


def test_adjusted_rand_of_unrelated_labels_is_about_nothing() -> None:
    random = np.random.default_rng(2)
    assert abs(adjusted_rand(random.integers(0, 5, 5000), random.integers(0, 5, 5000))) < 0.01


def test_silhouette_is_that_of_a_worked_example() -> None:
    places, labels = np.array([[0.0], [1.0], [10.0], [12.0]]), np.array([0, 0, 1, 1])
    # a, b of each point: (1, 11), (1, 10), (2, 9.5), (2, 11.5)
    expected = np.mean([1 - 1 / 11, 1 - 1 / 10, 1 - 2 / 9.5, 1 - 2 / 11.5])
    assert silhouette(places, labels) == pytest.approx(expected)


def test_silhouette_counts_a_customer_alone_as_nothing_and_one_group_as_nothing() -> None:
    places = np.array([[0.0], [0.0], [5.0]])
    assert silhouette(places, np.array([0, 0, 1])) == pytest.approx(2 / 3)
    assert silhouette(places, np.array([0, 0, 0])) == 0


def test_silhouette_falls_when_groups_overlap() -> None:
    random = np.random.default_rng(4)
    labels = np.repeat([0, 1], 500)
    apart, near = (random.normal(0, 1, (1000, 2)) + labels[:, None] * gap for gap in (12.0, 1.0))
    assert silhouette(apart, labels) > 0.8 > 0.4 > silhouette(near, labels)
