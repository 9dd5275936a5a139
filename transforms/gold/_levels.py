"""Totals on several levels at once, from the finest rollup. Only additive measures: orders cannot be added up over categories."""

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

_MEASURES = {
    "units": "bigint",
    "amount": "decimal(18,2)",
    "discount": "decimal(18,2)",
    "net_amount": "decimal(18,2)",
    "cost": "decimal(18,2)",
    "lines": "bigint",
}


def levels(cells: DataFrame, columns: Sequence[str], grouping: str) -> DataFrame:
    """Sums of `cells` for each grouping set of `columns`; `grouping` is the SQL after GROUP BY.

    `grouping_id` has a bit for each column, set where the column is summed over; `level` names the columns that are not.
    """
    names = ", ".join(columns)
    # grouping_id() takes its columns in an order that depends on the grouping sets.
    bits = " + ".join(f"grouping({name}) * {1 << (len(columns) - 1 - place)}" for place, name in enumerate(columns))
    sums = ", ".join(f"cast(sum({name}) as {kind}) as {name}" for name, kind in _MEASURES.items())
    query = f"select {names}, cast({bits} as int) as grouping_id, {sums} from {{cells}} group by {grouping}"
    summed = cells.sparkSession.sql(query, cells=cells)
    kept = [
        F.when(F.col("grouping_id").bitwiseAND(1 << (len(columns) - 1 - place)) == 0, F.lit(column))
        for place, column in enumerate(columns)
    ]
    level = F.coalesce(F.nullif(F.concat_ws("+", *kept), F.lit("")), F.lit("total"))
    return summed.select(level.alias("level"), "grouping_id", *columns, *_MEASURES)
