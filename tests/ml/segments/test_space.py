import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.segments.space import AXES, placed

_ROWS = st.lists(st.tuples(*(st.floats(0, 1e7) for _ in AXES)), min_size=1, max_size=20)


def test_bounds_are_the_corners_of_the_space() -> None:
    low, high = zip(*AXES.values(), strict=True)
    assert placed(np.array([low, high])).tolist() == pytest.approx(np.array([[0] * len(AXES), [1] * len(AXES)]))


@given(_ROWS)
def test_every_customer_is_inside_whatever_the_tails(rows: list[tuple[float, ...]]) -> None:
    places = placed(np.array(rows))
    assert ((places >= 0) & (places <= 1)).all()


@given(_ROWS)
def test_more_is_never_placed_lower(rows: list[tuple[float, ...]]) -> None:
    at, more = np.array(rows), np.array(rows) * 1.5
    assert (placed(more) >= placed(at)).all()


def test_money_sent_back_beyond_what_was_paid_is_the_lowest_place() -> None:
    rows = np.array([[10.0, 2.0, -50.0]])
    assert placed(rows)[0, 2] == 0
