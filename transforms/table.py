"""How a table is declared: `@table` on a pure function, and nothing else.

The function takes one DataFrame for each name in `reads`, in that order, and returns one DataFrame. How the table is kept
up to date is declared by `update`; the build (transforms/build.py) does it.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from lake.errors import UsageError
from transforms.rules import Rule, accepted, as_rule, between, not_null, references, rule, unique

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = [
    "Table",
    "accepted",
    "between",
    "by_group",
    "by_key",
    "history",
    "lookup",
    "not_null",
    "rebuild",
    "references",
    "rule",
    "source",
    "table",
    "tables",
    "unique",
]

# Columns of bronze that a silver table keeps, so that each row leads back to the change that made it.
LINEAGE = {"_sequence": "bigint", "_source_ts": "timestamp"}
# Raised when the build would give other rows for the same functions: every table is then computed again.
BUILD_GENERATION = 2
_LAYERS = ("silver", "gold")
_INPUTS = ("bronze.", "silver.", "gold.", "changes.", "ref.")
_LOG = "changes."
# What every bronze table has beside the columns that a source names.
_OWN = ("_op", *LINEAGE)


@dataclass(frozen=True)
class Source:
    """A bronze table and the columns that a silver table takes from it, with Spark types; `?` marks an optional column."""

    name: str
    columns: Mapping[str, str]


@dataclass(frozen=True)
class Lookup:
    """How rows of an input touch rows of the driving input: `column` there equals `of` here.

    `uses` names the columns that the function takes from the input: a change in others touches nothing.
    """

    column: str
    of: str
    uses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rebuild:
    """Compute the whole table and commit the difference."""


@dataclass(frozen=True)
class ByKey:
    """Recompute the keys that changed in `input`; `keys` maps each key column to the input's column."""

    input: str
    keys: Mapping[str, str]


@dataclass(frozen=True)
class ByGroup:
    """Recompute the groups (columns of both the driving input, which is the first read, and the table) that a change touched.

    `across` names further inputs that have these columns: they too are cut down to the groups, and decide which ones.
    """

    columns: tuple[str, ...]
    across: tuple[str, ...] = ()


@dataclass(frozen=True)
class History:
    """Type 2: a version for each change of `columns` of natural key `of`, from the typed change log."""

    columns: tuple[str, ...]
    of: str
    valid_from: str


Update = Rebuild | ByKey | ByGroup | History


@dataclass(frozen=True)
class Table:
    """A declared table."""

    name: str
    grain: str
    key: tuple[str, ...]
    reads: tuple[str, ...]
    update: Update
    function: Callable[..., DataFrame]
    file: str
    fingerprint: str
    doc: str = ""
    sources: Mapping[str, Source] = field(default_factory=dict)
    lookups: Mapping[str, Lookup] = field(default_factory=dict)
    partition_by: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    pii: tuple[str, ...] = ()
    comments: Mapping[str, str] = field(default_factory=dict)
    unknown: bool = False
    strict: bool = False  # an update that would have to be a rebuild is refused
    dated: str = ""  # its column that says when, for backfills: a date, a timestamp or an int yyyymmdd …
    dated_there: str = ""  # … and what the driving input calls it
    also: tuple[str, ...] = ()  # inputs of the change log that it reads; no arguments of the function

    @property
    def inputs(self) -> tuple[str, ...]:
        """Everything whose change may change this table."""
        return tuple(dict.fromkeys([*self.reads, *self.also]))

    @property
    def driving(self) -> str:
        """The input whose rows decide which rows of this table change."""
        return self.update.input if isinstance(self.update, ByKey) else self.reads[0]

    @property
    def grouped(self) -> tuple[str, ...]:
        """The inputs that by_group cuts down to the groups."""
        return (self.driving, *self.update.across) if isinstance(self.update, ByGroup) else ()

    @property
    def depends(self) -> tuple[str, ...]:
        """Tables that must be built before this one: what it reads, what types its change log, what its rules refer to."""
        typing = [silver_of(read) for read in self.reads]
        referred = [given.table for given in self.rules]
        return tuple(dict.fromkeys(name for name in [*self.inputs, *typing, *referred] if name))

    @property
    def declares(self) -> tuple[str, ...]:
        """Columns that the function must return, because something in the declaration names them."""
        groups = self.update.columns if isinstance(self.update, ByGroup) else ()
        judged = [column for given in self.rules for column in (given.column, *given.unique)]
        named = [*self.key, *self.partition_by, *self.pii, *self.comments, *groups, self.dated, *judged]
        return tuple(dict.fromkeys(name for name in named if name))


def rebuild() -> Rebuild:
    """Compute the whole table; commit the difference by key. An equal result commits nothing."""
    return Rebuild()


def by_key(input: str, **keys: str) -> ByKey:
    """Recompute the keys whose rows of `input` changed or that a lookup touches.

    `sale_id="rowid"` says how `input` calls a key column.
    """
    return ByKey(input, keys)


def by_group(*columns: str, across: Sequence[str] = ()) -> ByGroup:
    """Recompute the groups that a change of the first read, or of those in `across`, touched, where it was and where it is."""
    return ByGroup(columns, tuple(across))


def history(columns: Sequence[str], *, of: str, valid_from: str = "updated_at") -> History:
    """Type 2 dimension of natural key `of`, from `changes.<silver table>`, which must be the only read.

    A version begins at `valid_from` when that moves forward, else when the source made the change. The function gets one row
    for each version: the silver table's columns, the surrogate key, valid_from, valid_to and is_current.
    """
    return History(tuple(columns), of, valid_from)


def source(name: str, columns: Mapping[str, str]) -> Source:
    """A bronze input: the columns taken, with their Spark types; `"bigint?"` marks one that the source may lack."""
    return Source(name, columns)


def lookup(column: str, *, of: str = "", uses: Sequence[str] = ()) -> Lookup:
    """A lookup whose input calls the column `of`, or of which the function takes only the columns `uses`."""
    return Lookup(column, of or column, tuple(uses))


def table(
    *,
    grain: str,
    key: str | Sequence[str],
    reads: Sequence[str | Source],
    update: Update,
    lookups: Mapping[str, str | Lookup] | None = None,
    partition_by: str | Sequence[str] = (),
    rules: Sequence[str | Rule] = (),
    pii: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
    unknown: bool = False,
    strict: bool = False,
    dated: str | Mapping[str, str] = "",
) -> Callable[[Callable[..., DataFrame]], Callable[..., DataFrame]]:
    """Declare the table that the decorated function computes; its name is the function's, its layer the module's folder.

    `columns` comments on columns. `unknown` adds the member -1, for facts whose member is not known. `strict` refuses an
    update that would have to be a rebuild. `dated` names the column that says when, for backfills of days;
    `{"sold_at": "timestamp"}` where the driving input calls it `timestamp`. UsageError names the file when the declaration
    contradicts itself.
    """
    when, there = next(iter(dated.items()), ("", "")) if isinstance(dated, Mapping) else (dated, dated)

    def declare(function: Callable[..., DataFrame]) -> Callable[..., DataFrame]:
        module = sys.modules[function.__module__]
        sources = {read.name: read for read in reads if isinstance(read, Source)}
        names = tuple(read.name if isinstance(read, Source) else read for read in reads)
        keys = (key,) if isinstance(key, str) else tuple(key)
        if isinstance(update, ByKey) and (strange := update.keys.keys() - set(keys)):
            raise UsageError(f"{_shown(module)}: by_key maps {', '.join(sorted(strange))}, which is no column of the key")
        declared = Table(
            name=f"{function.__module__.split('.')[-2]}.{function.__name__}",
            grain=grain,
            key=keys,
            reads=names,
            update=_with_keys(update, keys),
            function=function,
            file=_shown(module),
            fingerprint=fingerprint(module),
            doc=inspect.cleandoc(function.__doc__ or ""),
            sources=sources,
            lookups={name: lookup(on) if isinstance(on, str) else on for name, on in (lookups or {}).items()},
            partition_by=(partition_by,) if isinstance(partition_by, str) else tuple(partition_by),
            rules=tuple(as_rule(given) for given in rules),
            pii=tuple(pii),
            comments=dict(columns or {}),
            unknown=unknown,
            strict=strict,
            dated=when,
            dated_there=there,
        )
        _check(declared)
        function.table = declared  # type: ignore[attr-defined]
        return function

    return declare


def tables(package: str = "transforms") -> dict[str, Table]:
    """Every declared table, found by walking the silver and gold folders."""
    found: dict[str, Table] = {}
    for layer in _LAYERS:
        folder = importlib.import_module(f"{package}.{layer}")
        for module in sorted(info.name for info in pkgutil.iter_modules(folder.__path__) if not info.name.startswith("_")):
            loaded = importlib.import_module(f"{package}.{layer}.{module}")
            declared = getattr(getattr(loaded, module, None), "table", None)
            if not isinstance(declared, Table):
                raise UsageError(f"{_shown(loaded)}: expected a function {module} with @table, named as its file")
            found[declared.name] = declared
    return found


def fingerprint(module: ModuleType) -> str:
    """Hash of a module's code and of the helper modules beside it that it imports; comments and layout do not count."""
    sources = {module.__name__: module}
    for value in vars(module).values():
        home = value if isinstance(value, ModuleType) else sys.modules.get(getattr(value, "__module__", None) or "")
        if home is not None and home.__name__.split(".")[-1].startswith("_") and home.__name__.startswith("transforms."):
            sources[home.__name__] = home
    digest = hashlib.sha256(str(BUILD_GENERATION).encode())
    for name in sorted(sources):
        path = Path(sources[name].__file__ or "")
        digest.update(ast.dump(ast.parse(path.read_text())).encode())
    return digest.hexdigest()[:16]


def silver_of(read: str) -> str:
    """The silver table whose change log `read` is: silver.customers of changes.customers; empty of other inputs."""
    return f"silver.{read.removeprefix(_LOG)}" if read.startswith(_LOG) else ""


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


def _with_keys(update: Update, key: tuple[str, ...]) -> Update:
    if not isinstance(update, ByKey):
        return update
    return ByKey(update.input, {column: update.keys.get(column, column) for column in key})


def _shown(module: ModuleType) -> str:
    path = Path(module.__file__ or module.__name__)
    return "/".join(path.parts[-3:])


def _check(declared: Table) -> None:
    """Refuse what can be refused before anything runs."""
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
