"""A table in key ranges: each range is one query through connectorx, and a place to go on from."""

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from typing import Any

import pyarrow as pa
import pymysql
from pymysql.cursors import Cursor, SSCursor

from lake.errors import PermanentFailure
from lake.sources.base import OP, ORDER, SOURCE_TS, TIMESTAMP, WARNINGS, Batch, Position, Table
from lake.sources.mysql import dates
from lake.sources.mysql.connect import SESSION, Server, connect, rows, translated
from lake.sources.mysql.types import BYTES, TEXT, Column, Mapped, convert, out_of_range, quote

# Ranges in flight at once. With the one that is being written a snapshot holds three in memory, of `capture.batch_bytes` at most.
_READERS = 2
_DRIVER_ROWS = 10_000
_NUMBERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year"})
_INTEGERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})
_MOST_SPARSE = 2  # values of a key for each row
_BY_NUMBER = frozenset({"enum", "set", "bit"})  # ORDER BY and `>` agree only on their numbers


class Ranges:
    """Reads one table. `connection` finds where ranges end; connectorx reads them, ahead of the caller.

    `where` is a condition that all rows must meet. Ranges follow the table's key: any columns that tell its rows apart.
    """

    def __init__(
        self,
        server: Server,
        connection: "pymysql.Connection[Cursor]",
        table: Table,
        columns: Sequence[Column],
        mapped: Sequence[Mapped],
        zone: str,
        where: str = "",
    ) -> None:
        self._server, self._connection, self._table = server, connection, table
        self._columns, self._mapped, self._zone = list(columns), list(mapped), zone
        self._source, self._where = ".".join(quote(part) for part in table.id), where
        by_name = {column.name: column for column in columns}
        self._key = [by_name[name] for name in table.key]

    def chunks(self, after: Position | None, size: int) -> Iterator[Batch]:
        """Chunks of `size` rows, from the start or after an earlier one."""
        number = int(after["chunk"]) + 1 if after else 1
        ends = self._ends(list(after["after"]) if after else None, size)
        ahead: deque[tuple[Future[pa.Table], list[str] | None]] = deque()
        with ThreadPoolExecutor(max_workers=_READERS, thread_name_prefix="snapshot") as pool:
            try:
                while True:
                    for low, high in islice(ends, _READERS - len(ahead)):
                        ahead.append((pool.submit(self._range, low, high), high))
                    if not ahead:
                        return
                    reading, end = ahead.popleft()
                    rows_read = reading.result()
                    # The next range is looked up and started before this one is handed out, so that reading and writing overlap.
                    for low, high in islice(ends, 1):
                        ahead.append((pool.submit(self._range, low, high), high))
                    yield Batch(self._table.id, self._finish(rows_read, number), {"chunk": number, "after": end}, end is None)
                    number += 1
            finally:
                for reading, _ in ahead:
                    reading.cancel()

    def _ends(self, low: list[str] | None, size: int) -> Iterator[tuple[list[str] | None, list[str] | None]]:
        """(beyond, up to) of each range; None is an open end."""
        dense = self._dense()
        if dense:
            first, last = dense
            at = first - 1 if low is None else int(low[0])
            while at + size < last:
                yield low, [str(at + size)]
                at, low = at + size, [str(at + size)]
            yield low, None
            return
        high = self._boundary(low, size)
        while high is not None:
            yield low, high
            low, high = high, self._boundary(high, size)
        yield low, None

    def _dense(self) -> tuple[int, int] | None:
        """(lowest, highest) key where it is one integer, most of whose values are there: then ranges need no looking up.

        A range of N values has at most N rows. To find where N rows end the server walks over them: 1 s of 5 for 5 M rows.
        """
        if len(self._key) != 1 or self._key[0].data_type not in _INTEGERS or self._where:
            return None
        name = quote(self._key[0].name)
        with translated(self._server, self._table.name):
            ((first, last),) = rows(self._connection, f"SELECT MIN({name}), MAX({name}) FROM {self._source}")
        if first is None or last - first >= _MOST_SPARSE * max(self._table.rows, 1):
            return None
        return int(first), int(last)

    def whole(self, size: int) -> Iterator[Batch]:
        """All rows in batches, in no order and so with nowhere to go on from: for a table without a key."""
        with translated(self._server, self._table.name):
            number, held = 1, None
            for batch in self._stream(f"SELECT {self._selected()} FROM {self._source}", size):
                if held is not None:
                    yield Batch(self._table.id, self._finish(held, number), {"chunk": number})
                    number += 1
                held = batch
            empty = self._table.schema.empty_table() if held is None else held
            yield Batch(self._table.id, self._finish(empty, number), {"chunk": number}, last=True)

    def _selected(self) -> str:
        return ", ".join(
            f"{mapped.select} AS {quote(column.name)}" for column, mapped in zip(self._columns, self._mapped, strict=True)
        )

    def _range(self, low: list[str] | None, high: list[str] | None) -> pa.Table:
        conditions = [self._where, self._beyond(low, ">"), self._beyond(high, "<=")]
        where = " AND ".join(f"({condition})" for condition in conditions if condition)
        with translated(self._server, self._table.name):
            return self._read(f"SELECT {self._selected()} FROM {self._source}" + (f" WHERE {where}" if where else ""))

    def _read(self, query: str) -> pa.Table:
        if self._server.encrypted:
            return pa.concat_tables(self._driver_batches(query, _DRIVER_ROWS))
        import connectorx

        return connectorx.read_sql(self._server.url, query, protocol="binary", pre_execution_query=SESSION, return_type="arrow")

    def _stream(self, query: str, size: int) -> Iterator[pa.Table]:
        if self._server.encrypted:
            yield from self._driver_batches(query, size)
            return
        import connectorx

        options = {"return_type": "arrow_stream", "batch_size": size}
        for batch in connectorx.read_sql(self._server.url, query, protocol="binary", pre_execution_query=SESSION, **options):
            yield pa.table(batch)

    def _driver_batches(self, query: str, size: int) -> Iterator[pa.Table]:
        """The same rows by the slower driver, which can encrypt (50,000 rows a second); one empty batch where there are none."""
        columns = list(zip(self._columns, self._mapped, strict=True))
        schema = pa.schema([pa.field(column.name, _driver_type(mapped)) for column, mapped in columns])
        with closing(connect(self._server)) as connection, connection.cursor(SSCursor) as cursor:
            cursor.execute(query)
            found = cursor.fetchmany(size)
            while True:
                values = list(zip(*found, strict=True)) or [()] * len(columns)
                arrays = [_driver_array(v, field.type) for v, field in zip(values, schema, strict=True)]
                yield pa.table(arrays, schema=schema)
                found = cursor.fetchmany(size)
                if not found:
                    return

    def _finish(self, read: pa.Table, number: int) -> pa.Table:
        arrays: list[pa.Array | pa.ChunkedArray] = []
        notes: dict[int, list[str]] = defaultdict(list)
        for column, mapped in zip(self._columns, self._mapped, strict=True):
            try:
                wire, odd = dates.read(read.column(column.name), column, mapped)
                arrays.append(convert(wire, mapped, self._zone))
                odd += out_of_range(wire, arrays[-1], column)
                for row, note in odd:
                    notes[row].append(note)
            except pa.ArrowInvalid as error:
                raise PermanentFailure(f"{self._table.name}: column {column.name} ({column.column_type}): {error}") from error
        count = read.num_rows
        found = (
            pa.table(arrays, schema=self._table.schema)
            .append_column(OP, pa.repeat(pa.scalar("r"), count))
            .append_column(ORDER, pa.repeat(pa.scalar(number, pa.int64()), count))
            .append_column(SOURCE_TS, pa.nulls(count, TIMESTAMP))
        )
        if not notes:
            return found
        texts = ["; ".join(notes[row]) if row in notes else None for row in range(count)]
        return found.append_column(WARNINGS, pa.array(texts, pa.string()))

    def _boundary(self, low: list[str] | None, size: int) -> list[str] | None:
        """The key, as SQL literals, of the row that ends the range which begins after `low`; None where the rest is shorter."""
        names = ", ".join(_comparable(column) for column in self._key)
        conditions = " AND ".join(f"({condition})" for condition in (self._where, self._beyond(low, ">")) if condition)
        where = f" WHERE {conditions}" if conditions else ""
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


def _driver_type(mapped: Mapped) -> pa.DataType:
    """The Arrow type in which the driver's values of a column travel: what connectorx would give, or text where that is exact."""
    if mapped.rule in ("days", "utc", "local"):
        return pa.int64()
    if pa.types.is_decimal(mapped.arrow):
        return pa.int64() if mapped.select.endswith("AS SIGNED)") else pa.string()
    return mapped.arrow


def _driver_array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_string(kind):
        values = [value.decode() if isinstance(value, bytes) else None if value is None else str(value) for value in values]
    return pa.array(values, kind)


def _comparable(column: Column) -> str:
    # An enum or set `+ 0` would go through a double, which does not hold 64 bits.
    return f"CAST({quote(column.name)} AS UNSIGNED)" if column.data_type in _BY_NUMBER else quote(column.name)


def _literal_query(column: Column) -> str:
    name = quote(column.name)
    if column.data_type in _BY_NUMBER:
        return f"CAST(CAST({name} AS UNSIGNED) AS CHAR)"
    if column.data_type in BYTES or column.data_type in TEXT:
        return f"HEX({name})"
    if column.data_type in ("float", "double"):
        return f"{name} * 1e0"
    return f"CAST({name} AS CHAR)"


def _literal(column: Column, value: Any) -> str:
    if column.data_type in BYTES or column.data_type in TEXT:
        # The very bytes, in the column's own charset: a conversion may not lead back to the same character.
        text = column.data_type in TEXT and column.charset not in (None, "binary")
        return f"{f'_{column.charset} ' if text else ''}X'{value}'"
    if column.data_type in ("float", "double"):
        return f"{value!r}e0" if "e" not in repr(value) else repr(value)
    return str(value) if column.data_type in _NUMBERS or column.data_type in _BY_NUMBER else f"'{value}'"
