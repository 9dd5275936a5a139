from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml.segments.served import Node, Segments, _load_pyfunc
from ml.segments.space import COLUMNS, placed

_FLAT = Node((0.5, 0.5, 0.5), (Node((0.2, 0.8, 0.7), (), 0), Node((0.8, 0.1, 0.4), (), 1)))
# The customer at (0.45, 0.5, 0.5) goes left at the top, though the leaf on the right is nearest of all.
_TREE = Node(
    (0.5, 0.5, 0.5),
    (
        Node((0.3, 0.5, 0.5), (Node((0.0, 0.5, 0.5), (), 0), Node((0.1, 0.9, 0.9), (), 1))),
        Node((0.7, 0.5, 0.5), (Node((0.5, 0.5, 0.5), (), 2), Node((0.9, 0.5, 0.5), (), 3))),
    ),
)


def asked(*rows: tuple[float, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(COLUMNS), index=range(7, 7 + len(rows)))


@pytest.fixture
def segments() -> Segments:
    return Segments(_FLAT, ("Best", "Lost"), ((0.2, 0.8, 0.7), (0.8, 0.1, 0.4)))


def test_each_customer_is_of_the_nearest_segment(segments: Segments) -> None:
    frame = asked((5, 30, 300.0), (600, 1, 40.0))
    said = segments.predict(frame)
    assert said["segment"].tolist() == ["Best", "Lost"]
    assert said["segment_key"].tolist() == [0, 1]
    place = placed(frame.to_numpy(dtype=float))
    assert said["distance"].tolist() == pytest.approx(
        [np.linalg.norm(place[0] - [0.2, 0.8, 0.7]), np.linalg.norm(place[1] - [0.8, 0.1, 0.4])]
    )
    assert said.index.tolist() == [7, 8]


def test_a_bisecting_model_is_gone_down_branch_by_branch() -> None:
    tree = Segments(_TREE, ("a", "b", "c", "d"), ())
    key, distance = tree.keys(np.array([[0.45, 0.5, 0.5], [0.55, 0.5, 0.5], [0.95, 0.5, 0.5]]))
    assert key.tolist() == [0, 2, 3]
    assert distance == pytest.approx([0.45, 0.05, 0.05])


def test_columns_may_come_in_any_order_and_with_others(segments: Segments) -> None:
    frame = asked((5, 30, 300.0), (600, 1, 40.0))
    mixed = frame.assign(customer_id=[1, 2])[["customer_id", *reversed(COLUMNS)]]
    pd.testing.assert_frame_equal(segments.predict(mixed), segments.predict(frame))


def test_what_is_saved_answers_the_same(segments: Segments, tmp_path: Path) -> None:
    for known in (segments, Segments(_TREE, ("a", "b", "c", "d"), ((0.1, 0.2, 0.3),) * 4, ("e",))):
        known.save(tmp_path)
        assert _load_pyfunc(str(tmp_path)) == known


@pytest.mark.parametrize("column", COLUMNS)
def test_a_column_that_is_missing_or_no_number_is_named(segments: Segments, column: str) -> None:
    frame = asked((5, 30, 300.0))
    with pytest.raises(ValueError, match=column):
        segments.predict(frame.drop(columns=column))
    for bad in ("often", None, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=column):
            segments.predict(frame.astype(object).assign(**{column: [bad]}))


def test_nobody_asked_gets_no_answer(segments: Segments) -> None:
    assert segments.predict(asked()).shape == (0, 3)
