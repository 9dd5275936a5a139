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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from lake.errors import UsageError
from transforms.rules import Rule, as_rule, references, rule

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["Table", "by_group", "by_key", "history", "lookup", "rebuild", "references", "rule", "source", "table", "tables"]

# Columns of bronze that a silver table keeps, so that each row leads back to the change that made it.
LINEAGE = {"_sequence": "bigint", "_source_ts": "timestamp"}
# Raised when the build would give other rows for the same functions: every table is then computed again.
BUILD_GENERATION = 1
_LAYERS = ("silver", "gold")


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
    """Recompute the groups (columns of both the driving input, which is the first read, and the table) that a change touched."""

    columns: tuple[str, ...]


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
    dated: str = ""  # column of the driving input and of the table that says when: for backfills
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
    def depends(self) -> tuple[str, ...]:
        """Tables that must be built before this one: what it reads and what its rules refer to."""
        referred = [rule.table for rule in self.rules if rule.table]
        return tuple(dict.fromkeys([*self.inputs, *referred]))


def rebuild() -> Rebuild:
    """Compute the whole table; commit the difference by key. An equal result commits nothing."""
    return Rebuild()


def by_key(input: str, **keys: str) -> ByKey:
    """Recompute the keys whose rows of `input` changed or that a lookup touches.

    `sale_id="rowid"` says how `input` calls a key column.
    """
    return ByKey(input, keys)


def by_group(*columns: str) -> ByGroup:
    """Recompute the groups that a change of the first read touched, where it was and where it is now."""
    return ByGroup(columns)


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
    dated: str = "",
) -> Callable[[Callable[..., DataFrame]], Callable[..., DataFrame]]:
    """Declare the table that the decorated function computes; its name is the function's, its layer the module's folder.

    `columns` comments on columns. `unknown` adds the member -1, for facts whose member is not known. UsageError names the
    file when the declaration contradicts itself.
    """

    def declare(function: Callable[..., DataFrame]) -> Callable[..., DataFrame]:
        module = sys.modules[function.__module__]
        sources = {read.name: read for read in reads if isinstance(read, Source)}
        names = tuple(read.name if isinstance(read, Source) else read for read in reads)
        keys = (key,) if isinstance(key, str) else tuple(key)
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
            rules=tuple(as_rule(rule) for rule in rules),
            pii=tuple(pii),
            comments=dict(columns or {}),
            unknown=unknown,
            strict=strict,
            dated=dated,
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
