"""The rows of a large frame that have one of a few values, without reading the files that can have none of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING

import pyarrow as pa

from lake.near import bounds
from transforms.engine import Engine

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def having(engine: Engine, frame: DataFrame, values: pa.Table) -> DataFrame:
    """Rows of `frame` whose columns, named as those of `values`, are equal to a row of them; a null equals a null."""
    from pyspark.sql import functions as F

    same = []
    for number, name in enumerate(values.column_names):
        column, limits = quoted([name])[0], bounds(quoted([name])[0], values.column(name))
        frame = frame.filter(limits) if limits else frame
        one, other = F.col(column), F.col(f"_value_{number}")
        # A null-safe comparison is slower, so it is used only where a null is there.
        same.append(one.eqNullSafe(other) if values.column(name).null_count else one == other)
    named = values.rename_columns([f"_value_{number}" for number in range(values.num_columns)])
    return frame.join(engine.frame(named), reduce(lambda one, other: one & other, same), "left_semi")


def quoted(columns: Sequence[str]) -> list[str]:
    """Names of columns as Spark's SQL takes them."""
    return [f"`{column}`" for column in columns]
