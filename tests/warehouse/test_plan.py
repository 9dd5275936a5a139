"""How a table comes to its new version, decided from facts alone."""

import pytest

from warehouse.describe import Pinned, Published
from warehouse.plan import FEED_FLOOR, Found, Held, plan

COLUMNS = (("k", "BIGINT"), ("name", "VARCHAR"))
HELD = Held(version=3, commit="c3", rows=10, columns=COLUMNS)


def step(
    found: Found | None, *, version: int = 5, commit: str = "c5", key: tuple[str, ...] = ("k",), held: Held | None = HELD
) -> tuple[str, str]:
    pins = [Pinned(Published("gold.t", key), version, commit)]
    [made] = plan(pins, {"gold.t": held} if held else {}, {"gold.t": found} if found else {})
    return made.how, made.why


def found(
    changed: int | None = 100, total: int = 1000, columns: tuple[tuple[str, str], ...] = COLUMNS, then: str = "c3"
) -> Found:
    return Found(then, columns, changed, total)


@pytest.mark.parametrize(
    ("made", "how", "why"),
    [
        (step(found()), "changes", "changes of versions 4 to 5"),
        (step(None, held=None), "whole", "new table"),
        (step(None, version=3, commit="c3"), "keep", "still at version 3"),
        (step(found(changed=0)), "keep", "versions 4 to 5 moved rows and changed none"),
        (step(found(changed=None)), "whole", "no change feed back to version 3"),
        (step(found(), key=()), "whole", "has no key to apply changes by"),
        (step(found(then="other")), "whole", "its version 3 is not the published one: made again, or restored"),
        (step(found(), version=3), "whole", "its version 3 is not the published one: made again, or restored"),
        (step(found(), version=2), "whole", "its version 3 is not the published one: made again, or restored"),
        (step(found(columns=(("k", "BIGINT"), ("n", "DATE")))), "whole", "columns changed: +n, -name"),
        (step(found(columns=(("k", "HUGEINT"), ("name", "VARCHAR")))), "whole", "columns changed: k BIGINT to HUGEINT"),
        (step(found(columns=COLUMNS[::-1])), "whole", "columns changed: order"),
        (step(found(changed=FEED_FLOOR, total=1)), "changes", "changes of versions 4 to 5"),
        (step(found(changed=10 * FEED_FLOOR, total=20 * FEED_FLOOR)), "whole", "changes are 50% of the table's size"),
    ],
)
def test_each_case_has_its_way_and_its_reason(made: tuple[str, str], how: str, why: str) -> None:
    assert made == (how, why)


def test_a_table_that_is_gone_is_dropped() -> None:
    [made] = plan([], {"gold.t": HELD}, {})
    assert (made.name, made.how) == ("gold.t", "drop")
