"""Bronze: one commit a batch, and the state that its rows and facts give."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lake import bronze, positions
from lake.delta import Lake
from lake.errors import PermanentFailure
from lake.sources.base import OP, ORDER, SOURCE_TS, TIMESTAMP, Table

NAME = "bronze.shop.softcart.orders"


def rows(order: int, *ids: int, op: str = "r", **more: list[Any]) -> pa.Table:
    own = {
        OP: pa.array([op] * len(ids), pa.string()),
        ORDER: pa.array([order] * len(ids), pa.int64()),
        SOURCE_TS: pa.nulls(len(ids), TIMESTAMP),
    }
    return pa.table({"id": pa.array(ids, pa.int32()), **more, **own})


def position(generation: int, complete: bool, base: int = 0, **more: Any) -> dict[str, Any]:
    return {"generation": generation, "complete": complete, "base": base, "at": {}, **more}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path))


def test_a_batch_is_one_commit_with_its_position(lake: Lake) -> None:
    bronze.write(lake, NAME, rows(1, 1, 2), 1, position(1, False, chunk={"after": ["2"]}))
    before = lake.version(NAME)
    assert bronze.write(lake, NAME, rows(2, 3), 1, position(1, True)) == before + 1
    table = lake.read(NAME).to_pylist()
    assert {row["_sequence"] for row in table} == {(1 << 52) + 1, (1 << 52) + 2}
    assert len({row["_batch"] for row in table}) == 2


def test_the_state_at_each_version(lake: Lake) -> None:
    assert bronze.state(lake, NAME) == bronze.State()
    started = bronze.write(lake, NAME, rows(1, 1), 1, position(1, False, chunk={"after": ["1"]}))
    done = bronze.write(lake, NAME, rows(2, 2), 1, position(1, True))
    changed = bronze.write(lake, NAME, rows(1 << 32, 2, op="d"), 1, position(1, True))
    anew = bronze.write(lake, NAME, rows(1, 1), 2, position(2, False, base=1, chunk={"after": ["1"]}))
    facts = [
        (s.generation, s.complete, s.last_complete) for s in (bronze.state(lake, NAME, v) for v in (started, done, changed, anew))
    ]
    assert facts == [(1, False, 0), (1, True, 1), (1, True, 1), (2, False, 1)]
    assert bronze.state(lake, NAME).sequence == (2 << 52) + 1


def test_a_snapshot_that_ends_without_rows_is_complete_from_its_commit_on(lake: Lake) -> None:
    first = bronze.write(lake, NAME, rows(1, 1), 1, position(1, True))
    empty = bronze.write(lake, NAME, rows(1), 2, position(2, True, base=1))
    positions.record(lake, "shop", "ended", {NAME: 2}, position(2, True, base=1), number=1, versions={NAME: empty})
    assert bronze.state(lake, NAME, first).last_complete == 1
    assert bronze.state(lake, NAME, empty).last_complete == 2, "every row of generation 1 is gone"


def test_columns_come_go_and_narrow_but_never_change_their_type(lake: Lake) -> None:
    bronze.write(lake, NAME, rows(1, 1, v=pa.array([5], pa.int64())), 1, position(1, True))
    bronze.write(lake, NAME, rows(2, 2, new=["x"]), 1, position(1, True))
    bronze.write(lake, NAME, rows(3, 3, v=pa.array([7], pa.int32())), 1, position(1, True))
    table = lake.read(NAME, columns=["id", "v", "new"]).sort_by("id").to_pylist()
    assert table == [{"id": 1, "v": 5, "new": None}, {"id": 2, "v": None, "new": "x"}, {"id": 3, "v": 7, "new": None}]
    with pytest.raises(PermanentFailure, match="column v is int64 in bronze and string in the source"):
        bronze.write(lake, NAME, rows(4, 4, v=["7"]), 1, position(1, True))


def test_statistics_of_the_sequence_exist_however_wide_the_table_is(lake: Lake) -> None:
    wide = {f"c{i}": pa.array([i], pa.int64()) for i in range(60)}
    bronze.write(lake, NAME, rows(1, 1, **wide), 1, position(1, True))
    actions = pa.table(lake.open(NAME).get_add_actions(flatten=True))
    assert actions.column("max._sequence").to_pylist() == [(1 << 52) + 1]


def test_captured_tables_are_facts_and_the_last_one_holds(lake: Lake) -> None:
    orders = bronze.describe("shop", Table(("softcart", "orders"), pa.schema([]), ("id",)))
    dotted = bronze.describe("shop", Table(("my.db", "a table"), pa.schema([]), ()))
    assert (orders.name, orders.mirror, orders.mode) == (NAME, "silver.shop__softcart__orders", "cdc")
    assert (dotted.name, dotted.mode) == ("bronze.shop.`my.db`.a table", "snapshot")
    bronze.register(lake, [orders, dotted])
    before = lake.version(bronze.TABLES)
    bronze.register(lake, [dotted, orders])
    assert lake.version(bronze.TABLES) == before
    other_key = bronze.describe("shop", Table(("softcart", "orders"), pa.schema([]), ("a", "b")))
    bronze.register(lake, [other_key])
    assert bronze.captured(lake) == [dotted, other_key]
