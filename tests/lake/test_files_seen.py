"""Which facts about files hold, and where a file goes on: decided without a disk."""

import hashlib
from pathlib import Path

from lake.files_seen import Fact, Seen, candidates, holding, start, unchanged
from lake.sources.files.folder import File
from lake.sources.files.read import Digests, Place


def file(name: str, size: int = 9, changed: int = 1) -> File:
    return File(Path(name), name, size, changed)


def seen(name: str, content: bytes = b"", *, whole: bool = True) -> Seen:
    return Seen("t", name, Place(len(content), 1, hashlib.sha256(content).hexdigest()), 9, 1, whole)


def content_of(content: bytes, *sizes: int) -> Digests:
    at = {size: hashlib.sha256(content[:size]) for size in (0, *sizes) if size <= len(content)}
    return Digests(at, None)


def held(facts: list[tuple[int, int, int]], top: int) -> list[int]:
    """Numbers of the facts (number, since, upto) that hold when bronze has come to `top`."""
    found = holding([Fact(number, since, upto, seen(str(number))) for number, since, upto in facts], top)
    return [int(one.file) for one in found]


def test_a_fact_holds_once_its_rows_are_there() -> None:
    assert held([(1, 0, 10), (1, 0, 10), (2, 10, 20)], 20) == [1, 1, 2]
    assert held([(1, 0, 10), (2, 10, 20)], 10) == [1], "killed before the second batch's rows"
    assert held([(1, 0, 10)], 0) == []


def test_a_batch_that_was_killed_never_holds_whatever_came_after_it() -> None:
    assert held([(1, 0, 10), (2, 10, 20), (3, 10, 30)], 30) == [1, 3]
    assert held([(1, 0, 10), (2, 10, 20), (3, 10, 15), (4, 15, 20)], 20) == [1, 3, 4]
    assert held([(1, 0, 10), (2, 10, 20), (3, 10, 10), (4, 10, 20)], 20) == [1, 3, 4], "one in between had no rows"


def test_a_file_is_opened_only_when_it_looks_different_or_was_unfinished() -> None:
    assert unchanged(file("a"), seen("a"), settled=True)
    assert not unchanged(file("a", size=10), seen("a"), settled=True)
    assert not unchanged(file("a", changed=2), seen("a"), settled=True)
    assert not unchanged(file("a"), None, settled=True)
    assert unchanged(file("a"), seen("a", whole=False), settled=False)
    assert not unchanged(file("a"), seen("a", whole=False), settled=True)


def test_a_file_goes_on_behind_what_was_read_of_it_or_of_the_one_it_was() -> None:
    found = content_of(b"one two three", 3, 7)
    assert start(file("a"), found, seen("a", b"one"), []).place.bytes == 3
    assert start(file("b"), found, None, [seen("a", b"one"), seen("c", b"one two")]).place.bytes == 7
    assert start(file("a"), found, seen("a", b"two"), [seen("b", b"zwei")]).place.bytes == 0


def test_only_a_name_that_is_gone_or_changed_may_have_been_renamed() -> None:
    latest = {name: seen(name) for name in ("a", "b", "c")}
    assert [one.file for one in candidates(latest, {"b"})] == ["c", "a"]
