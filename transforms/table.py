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
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from lake.errors import UsageError
from transforms.declaration import ByGroup, ByKey, History, Lookup, Rebuild, Source, Table, Update
from transforms.refusals import check
from transforms.rules import Rule, accepted, as_rule, between, not_null, references, rule, unique

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = [
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

# Raised when the build would give other rows for the same functions: every table is then computed again.
BUILD_GENERATION = 2
_LAYERS = ("silver", "gold")


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
        check(declared)
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
