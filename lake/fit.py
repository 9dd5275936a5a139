"""How the columns of a batch meet those of its bronze table: new ones join, dropped ones stay as null, wider ones widen it.

Pure: it decides and converts, and commits nothing.
"""

import pyarrow as pa
import pyarrow.compute as pc

from lake.errors import PermanentFailure

_DIGITS = {pa.int8(): 3, pa.int16(): 5, pa.int32(): 10, pa.int64(): 19}
_EXACT_IN = {pa.int8(): (pa.float32(), pa.float64()), pa.int16(): (pa.float32(), pa.float64()), pa.int32(): (pa.float64(),)}
_LONGEST = 38


def grown(name: str, rows: pa.Schema, bronze: pa.Schema) -> pa.Schema:
    """The schema that bronze needs to hold these rows: its own where it does already.

    Raises PermanentFailure, with the column and both types, where no type holds what both have.
    """
    fields = []
    for field in bronze:
        kind = rows.field(field.name).type if field.name in rows.names else field.type
        wider = common(field.type, kind)
        if wider is None:
            raise PermanentFailure(
                f"{name}: column {field.name} is {field.type} in bronze and {kind} in the source, and no type holds both; "
                "change it back, or remove the bronze table's folder to capture it anew"
            )
        fields.append(field.with_type(wider))
    known = set(bronze.names)
    return pa.schema([*fields, *(field for field in rows if field.name not in known)])


def fit(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """The rows in these columns, null where they have none."""
    columns = []
    for field in schema:
        if field.name in rows.column_names:
            values = rows.column(field.name)
            same = values.type == field.type or (pa.types.is_string_view(values.type) and pa.types.is_string(field.type))
            columns.append(values if same else pc.cast(values, field.type))
        else:
            columns.append(pa.nulls(rows.num_rows, field.type))
    return pa.table(columns, names=schema.names)


def common(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """The narrowest type that holds every value of both without loss, None if there is none."""
    if one == other:
        return one
    for narrow, wide in ((one, other), (other, one)):
        if wide in _EXACT_IN.get(narrow, ()) or (narrow, wide) == (pa.float32(), pa.float64()):
            return wide
    if pa.types.is_integer(one) and pa.types.is_integer(other):
        return one if one.bit_width > other.bit_width else other
    if _exact(one) and _exact(other):
        scale = max(_scale(one), _scale(other))
        whole = max(_whole(one), _whole(other))
        return pa.decimal128(whole + scale, scale) if whole + scale <= _LONGEST else None
    return None


def _exact(kind: pa.DataType) -> bool:
    return pa.types.is_decimal(kind) or kind in _DIGITS


def _scale(kind: pa.DataType) -> int:
    return int(kind.scale) if pa.types.is_decimal(kind) else 0


def _whole(kind: pa.DataType) -> int:
    return int(kind.precision - kind.scale) if pa.types.is_decimal(kind) else _DIGITS[kind]
