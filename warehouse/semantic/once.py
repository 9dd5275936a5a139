"""Which distinct counts add up. An order has one day, country and channel, though nothing in a database makes it so."""

import duckdb
import ibis

from warehouse.semantic.star import Star


class Once:
    """Whether nothing that a column of a rollup counts is in two of its rows, so that its counts may be added up.

    It is so when the rollup's counts add up to the count over the whole fact. One of these is of one release, and asks it once
    for each column.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], bool] = {}

    def holds(self, connection: duckdb.DuckDBPyConnection, star: Star, rollup: str, column: str) -> bool:
        if (rollup, column) not in self._known:
            declared = star.declared.models[rollup]
            file = f"{star.declared.folder / 'models' / rollup}.yml"
            added = star.rows(rollup)[column].sum().as_table()
            whole = star.measure(str(declared.rolls_up), file, declared.holds[column]).as_table()
            parts, all_ = (connection.execute(str(ibis.to_sql(one, dialect="duckdb"))).fetchall()[0][0] for one in (added, whole))
            self._known[rollup, column] = (parts or 0) == all_
        return self._known[rollup, column]
