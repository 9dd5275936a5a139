"""The typed, ordered change log of a silver table, and the versions (type 2) that it holds of each member.

The log is made from bronze, never from silver's feed, which folds several versions of a row into one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

from lake.bronze import EPOCH_BITS
from transforms import rules
from transforms.declaration import ByKey, History, Table
from transforms.inputs import Inputs

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame
    from pyspark.sql.window import WindowSpec

# The first known version of a member holds from here on, and the last one until there.
BEGINNING = "timestamp '1900-01-01 00:00:00'"
END = "timestamp '9999-12-31 00:00:00'"


@dataclass(frozen=True)
class Log:
    """Every change of a silver table's rows, through its own function and rules."""

    inputs: Inputs
    silver: Table

    @property
    def bronze(self) -> str:
        """The captured table behind it."""
        return self.silver.driving

    def rows(self, keys: DataFrame | None = None) -> DataFrame:
        """One row for each change: the silver table's columns and `_deleted`; of a delete only the key and lineage are set.

        `keys` restricts the log to some keys of the source.
        """
        from pyspark.sql import functions as F

        bronze, silver = self.inputs.bronze(self.bronze), self.silver
        changes = bronze.rows
        if keys is not None:
            changes = changes.join(keys, bronze.key, "left_semi").select(*(f"`{column}`" for column in changes.columns))
        typed = bronze.typed(changes.filter("_op <> 'd'"), silver.sources[self.bronze])
        alive = silver.function(*(typed if name == self.bronze else self.inputs.frame(name) for name in silver.reads))
        kept = [
            given
            for number, given in enumerate(self.silver.rules)
            if number in rules.keeps_out(self.silver.rules) and given.expression
        ]
        good = reduce(lambda frame, given: frame.filter(f"coalesce(({given.expression}), false)"), kept, alive)
        dead = self._deletes(
            changes.filter("_op = 'd'").selectExpr(*self._keys(), "_sequence", "coalesce(_source_ts, _ingested_at) as _source_ts")
        )
        lost = self._lost(changes)
        return (
            good.withColumn("_deleted", F.lit(False))
            .unionByName(dead, allowMissingColumns=True)
            .unionByName(lost, allowMissingColumns=True)
        )

    def members(self, added: DataFrame, of: str) -> DataFrame | None:
        """Values of `of` that new rows of bronze touch; None when that takes the whole log (it is not the source's key)."""
        if self.origin != [of]:
            return None
        return added.selectExpr(*self._keys()).distinct()

    def restricted(self, members: DataFrame | None, of: str) -> DataFrame:
        """The log of these members; of all of them when there are none."""
        if members is None:
            return self.rows()
        return self.rows(members.withColumnRenamed(of, self._mapping()[of]))

    @property
    def origin(self) -> list[str]:
        """The silver table's key, which is the source's."""
        return list(self._mapping())

    def _mapping(self) -> dict[str, str]:
        assert isinstance(self.silver.update, ByKey)
        return dict(self.silver.update.keys)

    def _keys(self) -> list[str]:
        kinds = self.silver.sources[self.bronze].columns
        return [f"try_cast(`{there}` as {kinds[there].rstrip('?')}) as `{here}`" for here, there in self._mapping().items()]

    def _deletes(self, rows: DataFrame) -> DataFrame:
        from pyspark.sql import functions as F

        return rows.withColumn("_deleted", F.lit(True))

    def _lost(self, changes: DataFrame) -> DataFrame:
        """A delete for each key that the last complete snapshot lacks, at the time when it was taken."""
        from pyspark.sql import functions as F

        bronze = self.inputs.bronze(self.bronze)
        start = bronze.generation << EPOCH_BITS
        taken = bronze.rows.filter(f"_sequence >= {start}").agg(
            F.min(F.expr("coalesce(_source_ts, _ingested_at)")).alias("_taken")
        )
        times = changes.selectExpr(*self._keys(), "_sequence", "coalesce(_source_ts, _ingested_at) as _at")
        last = times.groupBy(*(f"`{column}`" for column in self._mapping())).agg(
            F.max("_sequence").alias("_last"), F.max("_at").alias("_at")
        )
        gone = last.filter(f"_last < {start}").crossJoin(taken)
        keys = [f"`{column}`" for column in self._mapping()]
        return self._deletes(
            gone.selectExpr(*keys, f"cast({start} as bigint) as _sequence", "coalesce(_taken, _at) as _source_ts")
        )


def settled(log: DataFrame, of: str, origin: Sequence[str]) -> DataFrame:
    """The log with members filled in where the source's key, `origin`, is not the member `of`.

    A delete names only the source's key, so it is of the member that this key was last. A row that becomes another member ends
    the one it was. A delete ends nothing when another row has become the member meanwhile.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    by_origin = Window.partitionBy(*origin).orderBy("_sequence").rowsBetween(Window.unboundedPreceding, -1)
    known = log.withColumn("_was", F.last(of, ignorenulls=True).over(by_origin))
    filled = known.withColumn(of, F.when(F.col("_deleted"), F.col("_was")).otherwise(F.col(of)))
    moved = known.filter(f"not _deleted and _was is not null and not (_was <=> `{of}`)")
    ended = moved.withColumn(of, F.col("_was")).withColumn("_deleted", F.lit(True))
    events = filled.unionByName(ended).drop("_was")
    by_member = _ordered(of, origin).rowsBetween(Window.unboundedPreceding, -1)
    owners = [F.last(F.when(~F.col("_deleted"), F.col(column)), ignorenulls=True).over(by_member) for column in origin]
    own = reduce(
        lambda one, other: one & other, (F.col(column).eqNullSafe(owner) for column, owner in zip(origin, owners, strict=True))
    )
    return events.withColumn("_own", own).filter("not _deleted or _own").drop("_own")


def _ordered(of: str, origin: Sequence[str]) -> WindowSpec:
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    # Rows of one snapshot chunk share a number; the rest only makes the order the same every time.
    return Window.partitionBy(of).orderBy(F.col("_sequence"), F.desc("_deleted"), *(F.col(column) for column in origin))


def versions(log: DataFrame, update: History, key: str, origin: Sequence[str]) -> DataFrame:
    """One row for each version in a change log: its columns, the surrogate `key`, valid_from, valid_to and is_current.

    `origin` is the source's key among the log's columns.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    if list(origin) != [update.of]:
        log = settled(log, update.of, origin)
    member, business = F.col(update.of), F.col(update.valid_from)
    ordered = _ordered(update.of, origin)
    before = ordered.rowsBetween(Window.unboundedPreceding, -1)
    events = (
        log.filter(member.isNotNull())
        .withColumn("_seen", F.max(business).over(before))
        .withColumn("_first", F.row_number().over(ordered) == 1)
        .withColumn("_was_deleted", F.lag("_deleted").over(ordered))
    )
    same: list[Column] = [F.col(column).eqNullSafe(F.lag(column).over(ordered)) for column in update.columns]
    unchanged = F.when(F.col("_deleted"), F.coalesce("_was_deleted", F.lit(True))).otherwise(
        F.when(F.coalesce("_was_deleted", F.lit(True)), F.lit(False)).otherwise(reduce(lambda one, other: one & other, same))
    )
    kept = events.withColumn("_unchanged", unchanged).filter("not _unchanged")
    forward = business.isNotNull() & (F.col("_seen").isNull() | (business > F.col("_seen"))) & ~F.col("_deleted")
    begins = F.when(forward, business).otherwise(F.col("_source_ts"))
    placed = kept.withColumn("_place", F.row_number().over(ordered))
    moment = F.when(F.col("_place") == 1, F.expr(f"unix_micros({BEGINNING})")).otherwise(F.expr("unix_micros(_begins)"))
    # Each version must begin after the one before it: where clocks say otherwise, a microsecond later.
    latest = ordered.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    timed = (
        placed.withColumn("_begins", begins)
        .withColumn("_moment", F.max(moment - F.col("_place")).over(latest) + F.col("_place"))
        .withColumn("_next", F.lead("_moment").over(ordered))
    )
    return timed.filter("not _deleted").select(
        F.xxhash64(member, F.col("_moment")).alias(key),
        *[column for column in log.columns if column not in ("_deleted", key)],
        F.expr("timestamp_micros(_moment)").alias("valid_from"),
        F.coalesce(F.expr("timestamp_micros(_next)"), F.expr(END)).alias("valid_to"),
        F.col("_next").isNull().alias("is_current"),
    )
