"""Which type holds what two types have, and what happens to columns that come, go and change."""

from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lake.errors import PermanentFailure
from lake.fit import common, fit, grown


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (pa.int16(), pa.int64(), pa.int64()),
        (pa.int64(), pa.decimal128(20, 0), pa.decimal128(20, 0)),
        (pa.int32(), pa.decimal128(5, 2), pa.decimal128(12, 2)),
        (pa.decimal128(10, 2), pa.decimal128(10, 4), pa.decimal128(12, 4)),
        (pa.float32(), pa.float64(), pa.float64()),
        (pa.int32(), pa.float64(), pa.float64()),
        (pa.int64(), pa.float64(), None),  # beyond 2**53 a double would round
        (pa.decimal128(38, 0), pa.decimal128(38, 10), None),
        (pa.int32(), pa.string(), None),
        (pa.string(), pa.binary(), None),
        (pa.date32(), pa.timestamp("us", tz="UTC"), None),
    ],
)
def test_two_types_have_one_that_holds_both_or_none(one: pa.DataType, other: pa.DataType, both: pa.DataType | None) -> None:
    assert common(one, other) == common(other, one) == both


KINDS = st.sampled_from(
    [
        pa.int8(),
        pa.int16(),
        pa.int32(),
        pa.int64(),
        pa.float32(),
        pa.float64(),
        *(pa.decimal128(p, s) for p in (3, 9, 20) for s in (0, 2)),
    ]
)


@settings(deadline=None)
@given(KINDS, KINDS, st.integers(-9, 9))
def test_a_value_survives_the_way_to_the_common_type(one: pa.DataType, other: pa.DataType, number: int) -> None:
    both = common(one, other)
    value = pa.array([Decimal(number) if pa.types.is_decimal(one) else number]).cast(one)
    if both is not None:
        assert value.cast(both).cast(one) == value


def test_columns_come_go_and_widen() -> None:
    bronze = pa.schema([("id", pa.int32()), ("old", pa.string())])
    rows = pa.table({"id": pa.array([2**40]), "new": ["x"]})
    schema = grown("bronze.shop.db.t", rows.schema, bronze)
    assert schema == pa.schema([("id", pa.int64()), ("old", pa.string()), ("new", pa.string())])
    assert fit(rows, schema).to_pylist() == [{"id": 2**40, "old": None, "new": "x"}]


def test_what_no_type_holds_is_refused_with_the_column_and_both_types() -> None:
    with pytest.raises(PermanentFailure, match="column v is int32 in bronze and string in the source"):
        grown("bronze.shop.db.t", pa.schema([("v", pa.string())]), pa.schema([("v", pa.int32())]))
