import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.segments.names import carried, described, named
from ml.segments.served import Node
from ml.segments.space import placed

_CENTRES = st.lists(st.tuples(*(st.floats(0, 1),) * 3), min_size=3, max_size=8)


def tree(*centres: tuple[float, ...]) -> Node:
    return Node((0.5,) * len(centres[0]), tuple(Node(centre, (), key) for key, centre in enumerate(centres)))


def place(days: float, orders: float, basket: float) -> tuple[float, ...]:
    return tuple(placed(np.array([[days, orders, basket]]))[0].tolist())


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ((10, 25, 800), "Active regulars, large baskets"),
        ((120, 4, 90), "Cooling repeat buyers, medium baskets"),
        ((500, 1, 20), "Lapsed one-time buyers, small baskets"),
    ],
)
def test_a_name_says_how_lately_how_often_and_how_much(figures: tuple[float, float, float], words: str) -> None:
    assert described(place(*figures)) == words


@settings(deadline=None)
@given(_CENTRES)
def test_no_two_segments_of_a_model_have_one_name(centres: list[tuple[float, ...]]) -> None:
    given_ = [name for name, _ in named(centres, [])]
    assert len(set(given_)) == len(centres)


@settings(deadline=None)
@given(_CENTRES, _CENTRES)
def test_no_two_have_one_name_after_another_model_either(
    centres: list[tuple[float, ...]], before: list[tuple[float, ...]]
) -> None:
    given_ = [name for name, _ in named(centres, named(before, []))]
    assert len(set(given_)) == len(centres)


@settings(deadline=None)
@given(_CENTRES, st.randoms(use_true_random=False))
def test_the_same_centres_in_another_order_keep_their_names(centres: list[tuple[float, ...]], random: object) -> None:
    centres = list(dict.fromkeys(centres))
    known = named(centres, [])
    order = list(range(len(centres)))
    random.shuffle(order)  # type: ignore[attr-defined]
    again = named([centres[number] for number in order], known)
    assert again == [known[number] for number in order]


def test_a_name_is_kept_while_its_centre_drifts_past_the_words_bounds() -> None:
    known = named([place(55, 9, 420), place(500, 1, 20)], [])
    drifted = named([place(500, 1, 20), place(75, 7, 380)], known)
    assert [name for name, _ in drifted] == [known[1][0], known[0][0]]
    assert described(place(75, 7, 380)) != known[0][0]  # afresh it would have been called otherwise


def test_drift_is_counted_from_where_the_name_was_given_so_that_small_steps_do_not_add_up() -> None:
    known = named([(0.1, 0.5, 0.5), (0.9, 0.1, 0.1)], [])
    first = known[0][0]
    for recency in (0.2, 0.3):
        known = named([(recency, 0.5, 0.5), (0.9, 0.1, 0.1)], known)
        assert known[0] == (first, (0.1, 0.5, 0.5))
    assert named([(0.4, 0.5, 0.5), (0.9, 0.1, 0.1)], known)[0][0] != first


def test_only_a_really_new_cluster_gets_a_new_name() -> None:
    known = named([(0.1, 0.9, 0.8), (0.9, 0.1, 0.2)], [])
    more = named([(0.9, 0.1, 0.2), (0.5, 0.4, 0.9), (0.12, 0.88, 0.8)], known)
    assert [more[2], more[0]] == known
    assert more[1][0] not in {name for name, _ in known}
    assert more[1][1] == (0.5, 0.4, 0.9)


def test_a_cluster_that_is_gone_leaves_its_name() -> None:
    known = named([(0.1, 0.9, 0.8), (0.5, 0.5, 0.5), (0.9, 0.1, 0.2)], [])
    assert named([(0.1, 0.9, 0.8), (0.9, 0.1, 0.2)], known) == [known[0], known[2]]


def test_a_name_that_is_gone_is_never_given_to_another_kind() -> None:
    """The kind in the middle goes, and two trainings later others come, whom the same words describe."""
    left, middle, right = (0.1, 0.9, 0.8), place(120, 4, 90), (0.9, 0.1, 0.2)
    others = place(70, 7, 390)
    assert described(others) == described(middle)
    first = carried(tree(left, middle, right), None)
    second = carried(tree(left, right), first)
    third = carried(tree(left, right), second)
    fourth = carried(tree(left, right, others), third)
    assert first.names[1] == described(middle)
    assert second.names == third.names == (first.names[0], first.names[2])
    assert fourth.names == (first.names[0], first.names[2], f"{described(middle)} 2")
    assert fourth.gone == (first.names[1],)


def test_a_new_cluster_takes_no_name_from_one_that_stayed() -> None:
    """The new one is too far from both names; which of the two it is less far from must not matter."""
    known = [("stayed", (0.0, 0.0, 0.0)), ("gone", (0.0, 0.24, 0.0))]
    stayed, new = (0.0, 0.1, 0.0), (0.0, 0.0, 0.3)
    apart = {name: float(np.linalg.norm(np.array(new) - at)) for name, at in known}
    assert min(apart.values()) > 0.25
    assert apart["stayed"] < apart["gone"]
    assert named([stayed, new], known)[0][0] == "stayed"
