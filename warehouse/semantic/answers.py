"""A question asked of a release."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import ibis
import ibis.expr.types as ir
from ibis.backends.sql.datatypes import DuckDBType

from lake.config import Settings
from lake.errors import PermanentFailure
from warehouse import query
from warehouse.describe import quoted
from warehouse.errors import translated
from warehouse.release import read_keys
from warehouse.semantic.asked import Question, question
from warehouse.semantic.compiled import Compiled, compile_question
from warehouse.semantic.declared import Declared
from warehouse.semantic.loaded import FOLDER, load
from warehouse.semantic.once import Once
from warehouse.semantic.routing import Release
from warehouse.semantic.star import Joined, Star

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Answer:
    """A compiled question on an open release: its SQL, and its rows when they are asked for."""

    connection: duckdb.DuckDBPyConnection
    compiled: Compiled

    @property
    def sql(self) -> str:
        return str(ibis.to_sql(self.compiled.query, dialect="duckdb"))

    def rows(self) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Columns and rows; money as Decimal."""
        return query.run_sql(self.connection, self.sql)

    def frame(self) -> "pl.DataFrame":
        """The same as a Polars frame."""
        import polars as pl

        with translated(self.connection):
            found = pl.from_arrow(self.connection.execute(self.sql).to_arrow_table())
        assert isinstance(found, pl.DataFrame)
        return found


@contextmanager
def ask(
    settings: Settings,
    metrics: Sequence[str],
    *,
    by: Sequence[str] = (),
    where: str | None = None,
    order: Sequence[str] = (),
    limit: int | None = None,
    release: int | None = None,
    as_of: datetime | None = None,
    rollups: bool = True,
    folder: Path = FOLDER,
) -> Iterator[Answer]:
    """The answer from the newest release, from one by number, or from the one of a time. UsageError says what has no answer."""
    declared = load(folder)
    asked = question(declared, metrics, by, where, order, limit, rollups)
    with query.connect(settings, release=release, as_of=as_of, live=False) as connection:
        yield answer(connection, Star(declared, tables_of(connection, declared)), asked)


def answer(connection: duckdb.DuckDBPyConnection, star: Star, asked: Question, once: Once | None = None) -> Answer:
    """The answer from the tables of a connection. PermanentFailure for a join that would count rows twice.

    `once` remembers what was found out about the release; without one it is found out anew.
    """
    sizes = dict(connection.execute("SELECT schema_name || '.' || table_name, estimated_size FROM duckdb_tables()").fetchall())
    compiled = compile_question(asked, star, Release(sizes, partial((once or Once()).holds, connection)))
    _check_joins(connection, star, compiled.joins)
    return Answer(connection, compiled)


def tables_of(connection: duckdb.DuckDBPyConnection, declared: Declared) -> dict[str, ir.Table]:
    """Those tables of the models that the connection has, as schema.table."""
    found = connection.execute(
        "SELECT schema_name, table_name, list(column_name ORDER BY column_index), list(data_type ORDER BY column_index) "
        "FROM duckdb_columns() WHERE schema_name || '.' || table_name IN (SELECT unnest(?)) GROUP BY ALL",
        [sorted({model.table for model in declared.models.values()})],
    ).fetchall()
    return {
        f"{schema}.{name}": ibis.table(
            {column: DuckDBType.from_string(kind) for column, kind in zip(columns, kinds, strict=True)},
            name=name,
            database=schema,
        )
        for schema, name, columns, kinds in found
    }


def _check_joins(connection: duckdb.DuckDBPyConnection, star: Star, joins: Sequence[Joined]) -> None:
    """PermanentFailure for a member that is there twice, which would count its facts twice. A release has checked its keys."""
    has_keys = connection.execute(
        "SELECT count(*) FROM duckdb_tables() WHERE schema_name = 'meta' AND table_name = 'keys'"
    ).fetchall()
    keys = read_keys(connection) if has_keys != [(0,)] else {}
    for join in joins:
        if keys.get(join.table) == [join.column] and star.declared.models[join.model].filter is None:
            continue
        rows = star.rows(join.model)
        often = rows.filter(rows[join.column].notnull()).group_by(join.column).having(ibis._.count() > 1).aggregate()
        [(count,)] = connection.execute(str(ibis.to_sql(often.count().name("n").as_table(), dialect="duckdb"))).fetchall()
        if count:
            raise PermanentFailure(
                f"model {join.model}: {count} values of {quoted(join.column)} are in {join.table} more than once, so that a join "
                "would count rows several times; join by its key, or give the model a filter that leaves one row for each"
            )
