"""Doing one step: from changed inputs to the rows that may differ, computed again and committed as a difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import pyarrow as pa

from lake.errors import PermanentFailure
from transforms import changelog, rules
from transforms.compare import distinct, touched
from transforms.inputs import MOST_ROWS, Inputs, TooMuch
from transforms.plan import Step
from transforms.quarantine import Scope
from transforms.table import ByGroup, ByKey, History, Table
from transforms.write import Writer, Written

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# With inputs of up to this many rows a first build goes through Python too: writing, reading back and committing files of a
# small table took twice as long.
FEW = 20_000


@dataclass(frozen=True)
class Done:
    """A step as it was done: `how` and `why` differ from the plan's where a rebuild proved necessary."""

    how: str
    why: str
    written: Written
    scope: Scope


class Update:
    """One table in one build."""

    def __init__(self, table: Table, inputs: Inputs, tables: Mapping[str, Table]) -> None:
        self.table, self.inputs, self.tables = table, inputs, tables
        self.engine = inputs.engine
        self.writer = Writer(inputs.engine, inputs.lake, table, self._flag)

    def run(self, step: Step) -> Done:
        """Do the step; what cannot be followed row by row becomes a rebuild, with the reason."""
        why = step.why
        if step.how != "rebuild" and not self.inputs.lake.exists(self.table.name):
            why = "the table is gone"
        elif step.how != "rebuild":
            try:
                match self.table.update:
                    case ByKey() as update:
                        return Done(step.how, why, *self._by_key(update, step.reads))
                    case ByGroup() as update:
                        return Done(step.how, why, *self._by_group(update, step.reads))
                    case History() as update:
                        return Done(step.how, why, *self._history(update, step.reads))
            except TooMuch as reason:
                why = str(reason)
        return Done("rebuild", why, self.writer.whole(self._whole(), self._few()), Scope(self._scope_columns()))

    def _few(self) -> bool:
        lake, at = self.inputs.lake, self.inputs.at
        names = [self._log().bronze if name.startswith("changes.") else name for name in self.table.inputs]
        return sum(lake.count(name, at[name].version) for name in names) <= FEW

    def _scope_columns(self) -> tuple[str, ...]:
        match self.table.update:
            case ByGroup(columns):
                return columns
            case History() as update:
                return (update.of,)
            case _:
                return self.table.key

    def _whole(self) -> DataFrame:
        if isinstance(self.table.update, History):
            return self._with_unknown(self.table.function(self._versions(self.table.update)))
        return self._with_unknown(self._call({}))

    def _call(self, given: Mapping[str, DataFrame]) -> DataFrame:
        """The function on its inputs, of which `given` are restricted already."""
        frames = [
            given[name] if name in given else self.inputs.frame(name, self.table.sources.get(name)) for name in self.table.reads
        ]
        return self.table.function(*frames)

    def _by_key(self, update: ByKey, reads: Mapping[str, tuple[int, int]]) -> tuple[Written, Scope]:
        driving, columns = update.input, [update.keys[column] for column in self.table.key]
        changed = {name: span for name, span in reads.items() if span[0] != span[1]}
        sibling = self.table.lookups[driving].column if driving in self.table.lookups else ""
        if driving.startswith("bronze.") and set(changed) == {driving} and not sibling:
            rows, keys = self._new_in_bronze(driving, changed[driving], columns)
        else:
            rows, keys = self._driving_rows(driving, changed, columns, sibling)
        scope = distinct(keys, rows.select(columns)).rename_columns(list(self.table.key))
        if not scope.num_rows:
            return Written(), Scope(self.table.key, scope)
        frame = self._call({driving: self.engine.frame(rows)})
        return self.writer.part(frame, self._current(scope)), Scope(self.table.key, scope)

    def _new_in_bronze(self, name: str, span: tuple[int, int], columns: Sequence[str]) -> tuple[pa.Table, pa.Table]:
        """The present rows of the keys that changed, and those keys."""
        bronze = self.inputs.bronze(name)
        latest = bronze.latest(bronze.added(*span))
        found = self.engine.arrow(bronze.typed(latest, self.table.sources.get(name)))
        gone = pa.compute.equal(found.column("_op"), "d")
        return found.filter(pa.compute.invert(gone)), found.select(list(columns))

    def _driving_rows(
        self, driving: str, changed: Mapping[str, tuple[int, int]], columns: Sequence[str], sibling: str
    ) -> tuple[pa.Table, pa.Table]:
        """Driving rows that may give other results now, and the keys that changed, those that are gone included."""
        every = self.inputs.frame(driving, self.table.sources.get(driving))
        keys: pa.Table | None = None
        groups: list[DataFrame] = []  # values of the sibling column, or keys, whose driving rows must be computed again
        wanted = [sibling] if sibling else list(columns)
        for name, span in changed.items():
            if name == driving:
                feed = self._changes(driving, span)
                keys = touched(feed, columns)
                groups.append(self.engine.frame(touched(feed, wanted)))
            else:
                groups.append(self._touched_rows(every, name, span).select(*_quoted(wanted)))
        affected = reduce(lambda one, other: one.unionByName(other), groups).distinct()
        rows = self.engine.arrow(every.join(affected, wanted, "left_semi").limit(MOST_ROWS + 1))
        if rows.num_rows > MOST_ROWS:
            raise TooMuch(f"the changes touch more than {MOST_ROWS:,} rows of {driving}")
        return rows, keys if keys is not None else rows.select(list(columns)).slice(0, 0)

    def _changes(self, name: str, span: tuple[int, int]) -> pa.Table:
        if not name.startswith("bronze."):
            return self.inputs.feed(name, *span)
        bronze = self.inputs.bronze(name)
        return self.engine.arrow(bronze.typed(bronze.added(*span), self.table.sources.get(name)))

    def _touched_rows(self, every: DataFrame, name: str, span: tuple[int, int]) -> DataFrame:
        """Rows of the driving input that a changed row of another input touches."""
        on = self.table.lookups[name]
        key = self.tables[name].key if name in self.tables else ()
        values = touched(self._changes(name, span), [on.of], key=key, uses=on.uses).rename_columns([on.column])
        return every.join(self.engine.frame(values), [on.column], "left_semi")

    def _by_group(self, update: ByGroup, reads: Mapping[str, tuple[int, int]]) -> tuple[Written, Scope]:
        driving, columns = self.table.driving, list(update.columns)
        every = self.inputs.frame(driving, self.table.sources.get(driving))
        groups: list[pa.Table] = []
        for name, span in reads.items():
            if span[0] == span[1]:
                continue
            if name == driving:
                groups.append(touched(self._changes(driving, span), columns))
            else:
                groups.append(self.engine.arrow(self._touched_rows(every, name, span).select(*_quoted(columns)).distinct()))
        values = distinct(*groups)
        if not values.num_rows:
            return Written(), Scope(update.columns, values)
        affected = self.engine.frame(values)
        frame = self._call({driving: every.join(affected, columns, "left_semi")})
        current = self._read_current().join(affected, columns, "left_semi")
        return self.writer.part(frame, self.engine.arrow(current)), Scope(update.columns, values)

    def _history(self, update: History, reads: Mapping[str, tuple[int, int]]) -> tuple[Written, Scope]:
        log = self._log()
        members = log.members(self.inputs.bronze(log.bronze).added(*reads[self.table.reads[0]]), update.of)
        versions = changelog.versions(log.restricted(members, update.of), update, self.table.key[0], log.origin)
        current = self._read_current()
        frame = self.table.function(versions)
        if members is None:
            everyone = current.filter(f"not (`{self.table.key[0]}` <=> -1)") if self.table.unknown else current
            return self.writer.part(frame, self.engine.arrow(everyone)), Scope((update.of,))
        theirs = self.engine.arrow(current.join(members, [update.of], "left_semi"))
        return self.writer.part(frame, theirs), Scope((update.of,), self.engine.arrow(members))

    def _log(self) -> changelog.Log:
        silver = self.tables.get("silver." + self.table.reads[0].removeprefix("changes."))
        if silver is None or not isinstance(silver.update, ByKey) or not silver.update.input.startswith("bronze."):
            raise PermanentFailure(f"{self.table.file}: {self.table.reads[0]} needs a silver table kept by_key from bronze")
        return changelog.Log(self.inputs, silver)

    def _versions(self, update: History) -> DataFrame:
        log = self._log()
        return changelog.versions(log.rows(), update, self.table.key[0], log.origin)

    def _current(self, keys: pa.Table) -> pa.Table:
        return self.engine.arrow(self._read_current().join(self.engine.frame(keys), list(self.table.key), "left_semi"))

    def _read_current(self) -> DataFrame:
        lake, name = self.inputs.lake, self.table.name
        return self.engine.read(lake.path(name), lake.version(name))

    def _flag(self, frame: DataFrame) -> DataFrame:
        referred = {}
        for given in self.table.rules:
            if given.table:
                lake = self.inputs.lake
                key = self.tables[given.table].key
                referred[given.table] = self.engine.read(lake.path(given.table), lake.version(given.table)).select(*_quoted(key))
        exempt = f"`{self.table.key[0]}` = -1" if self.table.unknown else ""
        return rules.flag(frame, self.table.rules, referred, exempt)

    def _with_unknown(self, frame: DataFrame) -> DataFrame:
        """The frame and, if the table is declared so, the member -1: texts say Unknown, and it holds for all time."""
        if not self.table.unknown:
            return frame
        fixed = {self.table.key[0]: "-1", "valid_from": changelog.BEGINNING, "valid_to": changelog.END, "is_current": "true"}
        cells = []
        for column, kind in frame.dtypes:
            value = fixed.get(column) or ("'Unknown'" if kind == "string" else "-1" if column.endswith("_key") else "null")
            cells.append(f"cast({value} as {kind}) as `{column}`")
        return frame.unionByName(self.engine.spark.range(1).selectExpr(*cells))


def _quoted(columns: Sequence[str]) -> list[str]:
    return [f"`{column}`" for column in columns]
