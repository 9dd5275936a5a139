"""Doing one step: from changed inputs to the rows that may differ, computed again and committed as a difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from lake.errors import PermanentFailure
from transforms import changelog, ref, rules
from transforms.compare import count_with, distinct, latest, touched
from transforms.days import within
from transforms.declaration import ByGroup, ByKey, History, Table, silver_of
from transforms.inputs import MOST_ROWS, Inputs, TooMuch
from transforms.near import having, quoted
from transforms.plan import Days, Step, refusal
from transforms.quarantine import Scope
from transforms.write import SMALL, Writer, Written

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# With inputs of up to this many rows a first build goes through Python too: writing, reading back and committing files of a
# small table took twice as long.
FEW = 20_000
# Where more of a small table's groups changed, finding their rows costs more than it saves: 2.6 s of processor time for all the
# 1,000 days of 5 M sales, and 1.9 without looking for them.
_MOST_GROUPS = 0.8


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
                        return Done(step.how, why, *self._by_key(update, step.reads, step.window))
                    case ByGroup() as update:
                        return Done(step.how, why, *self._by_group(update, step.reads, step.window))
                    case History() as update:
                        return Done(step.how, why, *self._history(update, step.reads))
            except TooMuch as reason:
                why = str(reason)
        if step.how != "rebuild" and self.table.strict:
            raise PermanentFailure(f"{self.table.name}: {refusal(self.table, why)}")
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

    def _by_key(self, update: ByKey, reads: Mapping[str, tuple[int, int]], window: Days | None) -> tuple[Written, Scope]:
        driving, columns = update.input, [update.keys[column] for column in self.table.key]
        changed = {name: span for name, span in reads.items() if span[0] != span[1]}
        sibling = self.table.lookups[driving].column if driving in self.table.lookups else ""
        if driving.startswith("bronze.") and set(changed) == {driving} and not sibling and not window:
            rows, keys = self._new_in_bronze(driving, changed[driving], columns)
        else:
            rows, keys = self._driving_rows(driving, changed, columns, sibling, window)
        scope = distinct(keys, rows.select(columns)).rename_columns(list(self.table.key))
        if not scope.num_rows:
            return Written(), Scope(self.table.key, scope)
        frame = self._call({driving: self.engine.frame(rows)})
        return self._write_keys(frame, scope), Scope(self.table.key, scope)

    def _new_in_bronze(self, name: str, span: tuple[int, int], columns: Sequence[str]) -> tuple[pa.Table, pa.Table]:
        """The present rows of the keys that changed, and those keys."""
        bronze = self.inputs.bronze(name)
        found = self.engine.arrow(bronze.typed(bronze.latest(bronze.added(*span)), self.table.sources.get(name)))
        gone = pa.compute.equal(found.column("_op"), "d")
        return found.filter(pa.compute.invert(gone)), found.select(list(columns))

    def _driving_rows(
        self,
        driving: str,
        changed: Mapping[str, tuple[int, int]],
        columns: Sequence[str],
        sibling: str,
        window: Days | None,
    ) -> tuple[pa.Table, pa.Table]:
        """Driving rows that may give other results now, and the keys that changed, those that are gone included."""
        feed = self._changes(driving, changed[driving]) if driving in changed else None
        if feed is not None and not sibling and not window and set(changed) == {driving}:
            there, keys = latest(feed, columns), touched(feed, columns)
            if self._one_row_each(driving, columns, keys, there.num_rows):
                return self._few_enough(there, driving), keys
        every = self.inputs.frame(driving, self.table.sources.get(driving))
        wanted = [sibling] if sibling else list(columns)
        keys = [] if feed is None else [touched(feed, columns)]
        # Values of the sibling column, or keys, whose driving rows must be computed again.
        groups = [] if feed is None else [touched(feed, wanted)]
        for name, span in changed.items():
            if name != driving:
                groups += self._touched(every, name, span, wanted)
        if window:
            dated = self._dated(every, columns, self.table.key, window)
            keys.append(dated)
            groups.append(self._wanted(having(self.engine, every, dated), wanted, driving))
        values = distinct(*groups) if groups else pa.table({})
        again = having(self.engine, every, values) if values.num_rows else every.limit(0)
        rows = self._few_enough(self.engine.arrow(again.limit(MOST_ROWS + 1)), driving)
        return rows, distinct(*keys) if keys else rows.select(list(columns)).slice(0, 0)

    def _one_row_each(self, driving: str, columns: Sequence[str], keys: pa.Table, there: int) -> bool:
        """Whether the driving input has at most one row of each of these keys: then its change feed says all about them.

        A declared table says so by its own key. Of another, where `there` keys are said to be left, the rows are counted.
        """
        if driving in self.tables:
            key = self.tables[driving].key
            return bool(key) and set(key) <= set(columns)
        lake, version = self.inputs.lake, self.inputs.at[driving].version
        return lake.is_plain(driving, version) and count_with(lake.files(driving, version), keys) == there

    def _few_enough(self, rows: pa.Table, name: str) -> pa.Table:
        if rows.num_rows > MOST_ROWS:
            raise TooMuch(f"the changes touch more than {MOST_ROWS:,} rows of {name}")
        return rows

    def _wanted(self, rows: DataFrame, columns: Sequence[str], name: str) -> pa.Table:
        """The distinct values of some columns of the rows of an input."""
        found = rows.select(*quoted(columns)).distinct().limit(MOST_ROWS + 1)
        return self._few_enough(self.engine.arrow(found), name)

    def _dated(self, every: DataFrame, there: Sequence[str], here: Sequence[str], window: Days) -> pa.Table:
        """Values of columns (`there` in an input, `here` in the table) of the rows that are, or were until now, in these days."""
        lake, current = self.inputs.lake, self._read_current()
        zone = str(lake.read(ref.SHOP).column("time_zone")[0]) if lake.exists(ref.SHOP) else "UTC"
        found = []
        for frame, dated, columns in ((every, self.table.dated_there, there), (current, self.table.dated, here)):
            inside = frame.filter(within(dated, dict(frame.dtypes)[dated], window, zone))
            rows = self.engine.arrow(inside.select(*quoted(columns)).distinct().limit(MOST_ROWS + 1))
            if rows.num_rows > MOST_ROWS:
                raise TooMuch(f"these days hold more than {MOST_ROWS:,} rows")
            found.append(rows.rename_columns(list(there)))
        return distinct(*found)

    def _changes(self, name: str, span: tuple[int, int]) -> pa.Table:
        if not name.startswith("bronze."):
            return self.inputs.feed(name, *span)
        bronze = self.inputs.bronze(name)
        return self.engine.arrow(bronze.typed(bronze.added(*span), self.table.sources.get(name)))

    def _touched(self, every: DataFrame, name: str, span: tuple[int, int], columns: Sequence[str]) -> list[pa.Table]:
        """Values of `columns` in the rows of `every` that a changed row of another input touches: one table, or none."""
        on = self.table.lookups[name]
        key = self.tables[name].key if name in self.tables else ()
        values = touched(self._changes(name, span), [on.of], key=key, uses=on.uses).rename_columns([on.column])
        return [self._wanted(having(self.engine, every, values), columns, self.table.driving)] if values.num_rows else []

    def _by_group(self, update: ByGroup, reads: Mapping[str, tuple[int, int]], window: Days | None) -> tuple[Written, Scope]:
        columns = list(update.columns)
        cut = {name: self.inputs.frame(name, self.table.sources.get(name)) for name in self.table.grouped}
        groups: list[pa.Table] = []
        for name, span in reads.items():
            if span[0] == span[1]:
                continue
            if name in self.table.grouped:
                groups.append(touched(self._changes(name, span), columns))
            else:
                for every in cut.values():
                    groups += self._touched(every, name, span, columns)
        if window:
            groups += [self._dated(every, columns, columns, window) for every in cut.values()]
        if not any(group.num_rows for group in groups):
            none = self.engine.arrow(self._read_current().select(*quoted(columns)).limit(0))
            return Written(), Scope(update.columns, none)
        values = distinct(*groups)
        current = self._read_current()
        if self.inputs.lake.count(self.table.name) <= SMALL:
            known = self.engine.arrow(current.select(*quoted(columns)).distinct()).num_rows
            if values.num_rows > known * _MOST_GROUPS:
                return self.writer.part(self._whole(), self.engine.arrow(current)), Scope(update.columns)
        frame = self._call({name: having(self.engine, rows, values) for name, rows in cut.items()})
        if set(columns) == set(self.table.key):
            return self._write_keys(frame, values), Scope(update.columns, values)
        return self.writer.part(frame, self._current(values)), Scope(update.columns, values)

    def _write_keys(self, frame: DataFrame, keys: pa.Table) -> Written:
        """Write the rows of these keys. The table's own rows are only read first where a key has another type there."""
        lake, name = self.inputs.lake, self.table.name
        kinds = lake.schema(name)
        if all(kinds.field(column).type == keys.schema.field(column).type for column in self.table.key):
            return self.writer.keys(frame, keys)
        return self.writer.part(frame, self._current(keys))

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
        silver = self.tables.get(silver_of(self.table.reads[0]))
        if silver is None or not isinstance(silver.update, ByKey) or not silver.update.input.startswith("bronze."):
            raise PermanentFailure(f"{self.table.file}: {self.table.reads[0]} needs a silver table kept by_key from bronze")
        return changelog.Log(self.inputs, silver)

    def _versions(self, update: History) -> DataFrame:
        log = self._log()
        return changelog.versions(log.rows(), update, self.table.key[0], log.origin)

    def _current(self, keys: pa.Table) -> pa.Table:
        """The rows of the table that have these values."""
        return self.engine.arrow(having(self.engine, self._read_current(), keys))

    def _read_current(self) -> DataFrame:
        lake, name = self.inputs.lake, self.table.name
        return self.engine.read(lake.path(name), lake.version(name))

    def _flag(self, frame: DataFrame) -> DataFrame:
        referred = {}
        for given in self.table.rules:
            if given.table:
                lake = self.inputs.lake
                key = self.tables[given.table].key
                referred[given.table] = self.engine.read(lake.path(given.table), lake.version(given.table)).select(*quoted(key))
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
