"""A table in key ranges: each range is one query through connectorx, and a place to go on from."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pymysql
from pymysql.cursors import Cursor

from lake.errors import PermanentFailure
from lake.sources.base import OP, ORDER, SOURCE_TS, TIMESTAMP, Batch, Position, Table
from lake.sources.mysql_connect import SESSION, Server, rows, translated
from lake.sources.mysql_types import BYTES, TEXT, Column, Mapped, convert, quote

_NUMBERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year"})
_BY_NUMBER = frozenset({"enum", "set", "bit"})  # ORDER BY and `>` agree only on their numbers


class Ranges:
    """Reads one table. `connection` finds where ranges end; connectorx reads them, one ahead of the caller."""

    def __init__(
        self,
        server: Server,
        connection: "pymysql.Connection[Cursor]",
        table: Table,
        columns: Sequence[Column],
        mapped: Sequence[Mapped],
        zone: str,
    ) -> None:
        self._server, self._connection, self._table = server, connection, table
        self._columns, self._mapped, self._zone = list(columns), list(mapped), zone
        self._source = ".".join(quote(part) for part in table.id)
        by_name = {column.name: column for column in columns}
        self._key = [by_name[name] for name in table.key]

    def chunks(self, after: Position | None, size: int) -> Iterator[Batch]:
        """Chunks of `size` rows, from the start or after an earlier one."""
        number = int(after["chunk"]) + 1 if after else 1
        low: list[str] | None = list(after["after"]) if after else None
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="snapshot") as ahead:
            high = self._boundary(low, size)
            reading = ahead.submit(self._range, low, high)
            while True:
                # The next range is looked up and started before this one is handed out, so reading and writing overlap.
                rows_read, end, last = reading.result(), high, high is None
                if not last:
                    low, high = end, self._boundary(end, size)
                    reading = ahead.submit(self._range, low, high)
                yield Batch(self._table.id, self._finish(rows_read, number), {"chunk": number, "after": end}, last)
                if last:
                    return
                number += 1

    def whole(self, size: int) -> Iterator[Batch]:
        """All rows in batches, in no order and so with nowhere to go on from: for a table without a key."""
        with translated(self._server, self._table.name):
            stream = self._read(f"SELECT {self._selected()} FROM {self._source}", return_type="arrow_stream", batch_size=size)
            number, held = 1, None
            for batch in stream:
                if held is not None:
                    yield Batch(self._table.id, self._finish(held, number), {"chunk": number})
                    number += 1
                held = pa.table(batch)
            empty = self._table.schema.empty_table() if held is None else held
            yield Batch(self._table.id, self._finish(empty, number), {"chunk": number}, last=True)

    def _selected(self) -> str:
        return ", ".join(
            f"{mapped.select} AS {quote(column.name)}" for column, mapped in zip(self._columns, self._mapped, strict=True)
        )

    def _range(self, low: list[str] | None, high: list[str] | None) -> pa.Table:
        conditions = [self._beyond(low, ">"), self._beyond(high, "<=")]
        where = " AND ".join(f"({condition})" for condition in conditions if condition)
        with translated(self._server, self._table.name):
            return self._read(
                f"SELECT {self._selected()} FROM {self._source}" + (f" WHERE {where}" if where else ""), return_type="arrow"
            )

    def _read(self, query: str, **options: Any) -> Any:
        import connectorx

        return connectorx.read_sql(self._server.url, query, protocol="binary", pre_execution_query=SESSION, **options)

    def _finish(self, read: pa.Table, number: int) -> pa.Table:
        arrays = []
        for column, mapped in zip(self._columns, self._mapped, strict=True):
            try:
                arrays.append(convert(read.column(column.name), mapped, self._zone))
            except pa.ArrowInvalid as error:
                raise PermanentFailure(f"{self._table.name}: column {column.name} ({column.column_type}): {error}") from error
        count = read.num_rows
        return (
            pa.table(arrays, schema=self._table.schema)
            .append_column(OP, pa.array(["r"] * count, pa.string()))
            .append_column(ORDER, pa.array([number] * count, pa.int64()))
            .append_column(SOURCE_TS, pa.nulls(count, TIMESTAMP))
        )

    def _boundary(self, low: list[str] | None, size: int) -> list[str] | None:
        """The key, as SQL literals, of the row that ends the range which begins after `low`; None where the rest is shorter."""
        names = ", ".join(_comparable(column) for column in self._key)
        where = f" WHERE {self._beyond(low, '>')}" if low else ""
        literals = ", ".join(_literal_query(column) for column in self._key)
        query = f"SELECT {literals} FROM {self._source}{where} ORDER BY {names} LIMIT 1 OFFSET {size - 1}"
        with translated(self._server, self._table.name):
            found = rows(self._connection, query)
        return [_literal(column, value) for column, value in zip(self._key, found[0], strict=True)] if found else None

    def _beyond(self, bound: Sequence[str] | None, operator: str) -> str:
        """(a, b) > (x, y) written out, because the server uses no index for the short form."""
        if bound is None:
            return ""
        terms, strict = [], operator[0]
        for index, column in enumerate(self._key):
            same = [f"{_comparable(c)} = {b}" for c, b in zip(self._key[:index], bound[:index], strict=True)]
            last = operator if index == len(self._key) - 1 else strict
            terms.append("(" + " AND ".join([*same, f"{_comparable(column)} {last} {bound[index]}"]) + ")")
        return " OR ".join(terms)


def _comparable(column: Column) -> str:
    return f"{quote(column.name)} + 0" if column.data_type in _BY_NUMBER else quote(column.name)


def _literal_query(column: Column) -> str:
    name = quote(column.name)
    if column.data_type in _BY_NUMBER:
        return f"CAST({name} + 0 AS CHAR)"
    if column.data_type in BYTES or (column.data_type in TEXT and column.charset == "binary"):
        return f"HEX({name})"
    if column.data_type in TEXT:
        return f"HEX(CONVERT({name} USING utf8mb4))"
    if column.data_type in ("float", "double"):
        return f"CAST({name} AS DOUBLE)"
    return f"CAST({name} AS CHAR)"


def _literal(column: Column, value: Any) -> str:
    if column.data_type in BYTES or column.data_type in TEXT:
        text = column.data_type in TEXT and column.charset != "binary"
        return f"{'_utf8mb4 ' if text else ''}X'{value}'"
    if column.data_type in ("float", "double"):
        return f"{value!r}e0" if "e" not in repr(value) else repr(value)
    return str(value) if column.data_type in _NUMBERS or column.data_type in _BY_NUMBER else f"'{value}'"
