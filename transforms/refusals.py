"""What is refused in a declaration before anything runs: where it contradicts itself, or names a column that is not there."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping

from lake.errors import UsageError
from transforms.declaration import LINEAGE, ByGroup, ByKey, History, Rebuild, Table

_INPUTS = ("bronze.", "silver.", "gold.", "changes.", "ref.")
# What every bronze table has beside the columns that a source names.
_OWN = ("_op", *LINEAGE)


def check(declared: Table) -> None:
    """UsageError, which names the file, for what can be refused before anything runs."""
    update, where = declared.update, declared.file
    takes = len(inspect.signature(declared.function).parameters)
    if takes != len(declared.reads):
        raise UsageError(f"{where}: the function takes {takes} inputs, and reads names {len(declared.reads)}")
    if not declared.key and not isinstance(update, Rebuild):
        raise UsageError(f"{where}: only a table with update=rebuild() may have no key")
    if isinstance(update, ByKey) and update.input not in declared.reads:
        raise UsageError(f"{where}: by_key({update.input!r}), which is not in reads")
    for name in declared.lookups:
        if name not in declared.reads:
            raise UsageError(f"{where}: a lookup in {name}, which is not in reads")
    for name in declared.grouped:
        if name not in declared.reads:
            raise UsageError(f"{where}: by_group across {name}, which is not in reads")
    for read in declared.reads:
        if not read.startswith(_INPUTS):
            raise UsageError(f"{where}: reads {read}, which is none of {', '.join(f'{layer}*' for layer in _INPUTS)}")
    _check_options(declared)
    if isinstance(update, History):
        if len(declared.reads) != 1 or not declared.reads[0].startswith("changes."):
            raise UsageError(f"{where}: history() reads one change log, such as changes.customers")
        if len(declared.key) != 1:
            raise UsageError(f"{where}: history() needs one surrogate key column")
    elif any(read.startswith("changes.") for read in declared.reads):
        raise UsageError(f"{where}: only history() reads a change log")
    for read in declared.reads:
        if read.startswith("bronze.") and read not in declared.sources:
            raise UsageError(f"{where}: declare the columns of {read}: source({read!r}, {{…}})")
    wrong = unknown_column(declared, {name: [*read.columns, *_OWN] for name, read in declared.sources.items()})
    if wrong:
        raise UsageError(wrong)


def _check_options(declared: Table) -> None:
    update, where = declared.update, declared.file
    if declared.dated and not isinstance(update, ByKey | ByGroup):
        raise UsageError(f"{where}: dated is for update=by_key() or by_group(); another table is not computed by days")
    if declared.strict and isinstance(update, Rebuild):
        raise UsageError(f"{where}: strict=True with update=rebuild() could never be built")
    names = [given.name for given in declared.rules]
    for given in declared.rules:
        if names.count(given.name) > 1:
            raise UsageError(f"{where}: two rules are called {given.name!r}; give one a name of its own")
        if given.unique and declared.strict:
            raise UsageError(f"{where}: strict=True, and {given.name!r} can only be judged with all rows")


def unknown_column(declared: Table, known: Mapping[str, Collection[str]]) -> str:
    """What is wrong where a declaration names a column that an input lacks; empty if nothing is.

    `known` has the columns of inputs; one that is not in it is not judged.
    """
    update, driving = declared.update, declared.driving
    asked = [(driving, declared.dated_there, "dated")] if declared.dated else []
    if isinstance(update, ByKey):
        asked += [(driving, there, f"by_key (for {here})") for here, there in update.keys.items()]
    if isinstance(update, ByGroup):
        asked += [(name, column, "by_group") for name in (driving, *update.across) for column in update.columns]
    if isinstance(update, History):
        asked += [(driving, column, "history") for column in (update.of, update.valid_from, *update.columns)]
    for name, on in declared.lookups.items():
        asked += [(rows, on.column, f"the lookup in {name}") for rows in declared.grouped or (driving,)]
        asked += [(name, column, "its lookup") for column in (on.of, *on.uses)]
    for name, column, what in asked:
        if name in known and column not in known[name]:
            return f"{declared.file}: {what} names {column}, which {name} does not have; it has {', '.join(known[name])}"
    return ""
