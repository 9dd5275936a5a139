"""The additive measures of sales, which every rollup above the fact has, and their totals on several levels at once.

No count of orders is among them: it cannot be added up over categories, an order may be in several.
"""

from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

_MONEY = "decimal(18,2)"
MEASURES: Mapping[str, str] = {
    "units": "bigint",
    "amount": _MONEY,
    "discount": _MONEY,
    "net_amount": _MONEY,
    "returned_units": "bigint",
    "returned_amount": _MONEY,
    "net_sales": _MONEY,
    "cost": _MONEY,
    "costed_amount": _MONEY,
    "lines": "bigint",
}
COMMENTS: Mapping[str, str] = {
    "units": "units sold",
    "amount": "gross sales: price * quantity, before discount",
    "discount": "money off",
    "net_amount": "amount - discount",
    "returned_units": "units that came back, at the date of the return",
    "returned_amount": "money given back, at the date of the return",
    "net_sales": "net_amount - returned_amount",
    "cost": "of the lines sold whose cost is known",
    "costed_amount": "net_amount of the lines whose cost is known, which cost is to be held against",
    "lines": "sale lines",
}


def sums() -> list[Column]:
    """The sum of each measure, in its own type."""
    return [F.sum(name).cast(kind).alias(name) for name, kind in MEASURES.items()]


def levels(cells: DataFrame, columns: Sequence[str], grouping: str) -> DataFrame:
    """Sums of `cells` for each grouping set of `columns`; `grouping` is the SQL after GROUP BY.

    `grouping_id` has a bit for each column, set where the column is summed over; `level` names the columns that are not.
    """
    names = ", ".join(columns)
    # grouping_id() takes its columns in an order that depends on the grouping sets.
    bits = " + ".join(f"grouping({name}) * {1 << (len(columns) - 1 - place)}" for place, name in enumerate(columns))
    sums = ", ".join(f"cast(sum({name}) as {kind}) as {name}" for name, kind in MEASURES.items())
    query = f"select {names}, cast({bits} as int) as grouping_id, {sums} from {{cells}} group by {grouping}"
    summed = cells.sparkSession.sql(query, cells=cells)
    kept = [
        F.when(F.col("grouping_id").bitwiseAND(1 << (len(columns) - 1 - place)) == 0, F.lit(column))
        for place, column in enumerate(columns)
    ]
    level = F.coalesce(F.nullif(F.concat_ws("+", *kept), F.lit("")), F.lit("total"))
    return summed.select(level.alias("level"), "grouping_id", *columns, *MEASURES)
