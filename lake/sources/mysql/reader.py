"""MySQL and MariaDB as a source: tables from information_schema, rows by key ranges, changes from the binary log.

Not captured: views, sequences, and system-versioned history. A position is `{server, file, pos}` and, where the server has global
ids, the `gtid` state or set that belongs to it; `binlog` has what else it may hold.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa

from lake import config
from lake.errors import PermanentFailure
from lake.sources.base import RESERVED, Anew, Batch, Change, Failed, Position, Table, TableId
from lake.sources.mysql import stream
from lake.sources.mysql.binlog import Captured, Changes, place
from lake.sources.mysql.cascades import Cascades, foreign_keys
from lake.sources.mysql.connect import Server, connect, failure, rows, server_of, translated
from lake.sources.mysql.follow import gone, moved, mysql_set, start
from lake.sources.mysql.gtid import Gtids
from lake.sources.mysql.snapshot import Ranges
from lake.sources.mysql.types import Column, Mapped, map_column, quote
from lake.sources.mysql.values import CODECS

logger = logging.getLogger(__name__)

_SYSTEM = "('mysql', 'information_schema', 'performance_schema', 'sys')"
_SETTINGS = {  # what the log must be like; None where a server that lacks the setting is fine
    "log_bin": ({"1", "ON"}, "--log-bin"),
    "binlog_format": ({"ROW"}, "SET GLOBAL binlog_format = 'ROW'"),
    "binlog_row_image": ({"FULL"}, "SET GLOBAL binlog_row_image = 'FULL'"),
    "binlog_row_value_options": ({""}, "SET GLOBAL binlog_row_value_options = ''"),
}
_WITHOUT_LOG = '; or follow the tables by a column that grows: mode = "cursor"'
_NOT_A_COMMAND = 1064


class MySQL:
    """One server, followed by its binary log. Raises Transient- or PermanentFailure when it cannot be reached."""

    def __init__(self, source: config.Source, url: str, limits: config.Capture) -> None:
        self._server: Server = server_of(source, url)
        self._source, self._zone = source, source.time_zone
        self._chunk_rows, self._batch_rows, self._batch_bytes = limits.chunk_rows, limits.batch_rows, limits.batch_bytes
        self._connection = connect(self._server)
        self._columns: dict[TableId, list[Column]] = {}
        self._tables: dict[TableId, Table] = {}
        self._row_bytes: dict[TableId, int] = {}
        version, account = self._rows("SELECT VERSION(), CURRENT_USER()")[0]
        self.mariadb = "mariadb" in version.lower()
        user, _, host = account.rpartition("@")
        self._server = replace(self._server, account=f"'{user}'@'{host}'")

    def close(self) -> None:
        self._connection.close()

    def tables(self) -> list[Table]:
        where = f"= {self._connection.escape(self._server.database)}" if self._server.database else f"NOT IN {_SYSTEM}"
        self._columns, keys = defaultdict(list), self._keys(where)
        described = self._rows(
            "SELECT table_schema, table_name, column_name, data_type, column_type, character_set_name, character_octet_length,"
            f" numeric_precision, numeric_scale FROM information_schema.columns WHERE table_schema {where}"
            " ORDER BY table_schema, table_name, ordinal_position"
        )
        letters = {
            charset: self._letters(charset) for charset in {row[5] for row in described} if charset and charset not in CODECS
        }
        for database, table, name, kind, full, charset, octets, precision, scale in described:
            numbers = int(octets or 0), int(precision or 0), int(scale or 0)
            column = Column(name, kind.lower(), full, charset, *numbers, letters.get(charset, ""))
            self._columns[database, table].append(column)
        found = self._rows(
            "SELECT table_schema, table_name, table_rows, avg_row_length FROM information_schema.tables"
            f" WHERE table_schema {where} AND table_type = 'BASE TABLE'"
        )
        for database, table, count, width in sorted(found):
            self._row_bytes[database, table] = int(width or 0)
            self._tables[database, table] = self._table((database, table), keys.get((database, table), ()), int(count or 0))
        return list(self._tables.values())

    def position(self) -> Position:
        self._check_log()
        # Read first, so that it is never ahead of file and position, by which a table skips what it has. (BINLOG_GTID_POS
        # would give the exact one, but reads the whole file for it.)
        gtid = self._rows("SELECT @@gtid_binlog_pos")[0][0] if self.mariadb else None
        status = self._status()
        position: dict[str, Any] = {"server": self._identity(), "file": status[0], "pos": int(status[1])}
        if not self.mariadb:
            gtid = mysql_set(status)
        if gtid is not None:
            position["gtid"] = gtid
        self._check_logged(status)
        return position

    def probe(self, position: Position) -> None:
        """Raise what following the log from here would raise: better before a long snapshot than after it."""
        connection = connect(self._server)
        try:
            with translated(self._server, "binary log"):
                next(stream.events(connection, position["file"], int(position["pos"]), None), None)
        finally:
            connection.close()

    def snapshot(self, table: Table, after: Position | None) -> Iterator[Batch]:
        width = self._row_bytes.get(table.id) or 1
        size = max(1, min(self._chunk_rows, self._batch_bytes // width))
        ranges = Ranges(self._server, self._connection, table, self._columns[table.id], self._mapped(table.id), self._zone)
        return ranges.chunks(after, size) if table.key else ranges.whole(size)

    def fingerprint(self, table: Table) -> str:
        # QUOTE tells NULL from 'NULL'; the sum takes the rows in any order, and equal rows twice. (MySQL 9.6 has no MD5.)
        values = ", ".join(f"QUOTE({quote(column.name)})" for column in self._columns[table.id])
        digest = f"CAST(CONV(LEFT(SHA2(CONCAT_WS(',', {values}), 256), 16), 16, 10) AS UNSIGNED)"
        with translated(self._server, table.name):
            count, total = self._rows(f"SELECT COUNT(*), SUM({digest}) FROM {'.'.join(map(quote, table.id))}")[0]
        return f"{count}-{total or 0}"

    def changes(self, since: Mapping[TableId, Position]) -> Iterator[Change]:
        target = self.position()
        oldest = self._oldest_file()
        reachable: dict[TableId, Position] = {}
        elsewhere: set[TableId] = set()
        for table, position in since.items():
            why = gone(position, target, oldest)
            if why:
                yield Failed(table, why)
                continue
            reachable[table] = position
            if moved(position, target):
                elsewhere.add(table)
                yield Anew(table, f"the log of server {target['server']} ({target['file']}) is followed now, by GTID")
        if not reachable:
            return
        begin = start(list(reachable.values()), target)
        if place(begin) >= place(target):
            return
        captured = {table: self._captured(table) for table in reachable}
        connection = connect(self._server)
        try:
            with translated(self._server, "binary log"):
                events = self._events(connection, begin)
                limits = self._batch_rows, self._batch_bytes
                changes = Changes(captured, reachable, limits, frozenset(elsewhere), self._cascades())
                yield from changes.read(events, begin, target)
        finally:
            connection.close()

    def _events(self, connection: Any, begin: Position) -> Iterator[stream.Event]:
        gtid = begin.get("gtid")
        if self.mariadb:  # without a file, the empty state means: from the first transaction on
            return stream.events(connection, begin["file"], int(begin["pos"]), gtid if gtid or not begin["file"] else None)
        executed = Gtids(gtid).sent() if gtid is not None and not begin["file"] else None
        return stream.events(connection, begin["file"], int(begin["pos"]), None, executed)

    def later(self, one: Position, other: Position) -> Position:
        return max(one, other, key=place)

    def _rows(self, query: str, *args: Any) -> list[tuple[Any, ...]]:
        with translated(self._server):
            return rows(self._connection, query, args or None)

    def _table(self, table: TableId, key: tuple[str, ...], count: int) -> Table:
        columns, mapped = self._columns[table], self._mapped(table)
        unknown = [column for column, known in zip(columns, mapped, strict=True) if known is None]
        taken = [column.name for column in columns if column.name.lower() in RESERVED]  # Delta's names know no case
        error = ""
        if not columns:
            error = (
                f"{self._server.user} may read none of its columns; GRANT SELECT ON {'.'.join(table)} TO {self._server.account};"
            )
        elif unknown:
            error = f"column {unknown[0].name} has the type {unknown[0].column_type}, which is not captured"
        elif taken:
            error = f"column {taken[0]} has a name that bronze needs for itself"
        fields = [pa.field(column.name, known.arrow) for column, known in zip(columns, mapped, strict=True) if known]
        return Table(table, pa.schema(fields), key, count, error, "snapshot" if self._source.mode == "snapshot" else "cdc")

    def _mapped(self, table: TableId) -> list[Mapped]:
        return [map_column(column) for column in self._columns[table]]  # type: ignore[misc]

    def _captured(self, table: TableId) -> Captured:
        columns = {column.name: column for column in self._columns[table]}
        mapped = dict(zip(columns, self._mapped(table), strict=True))
        known = self._tables[table]
        return Captured(table, columns, mapped, known.key, known.schema, self._zone)

    def _cascades(self) -> Cascades | None:
        """The foreign keys by which rows change that the log does not name. None where the log has them."""
        native = dict(self._rows("SHOW GLOBAL VARIABLES LIKE 'innodb_native_foreign_keys'"))  # since MySQL 9.6
        if native.get("innodb_native_foreign_keys") == "OFF":
            return None
        databases = ", ".join(self._connection.escape(name) for name in sorted({table[0] for table in self._tables}))
        # information_schema.referential_constraints, which has the rules, is empty for an account that may only read.
        referring = self._rows(
            "SELECT DISTINCT table_schema, table_name FROM information_schema.key_column_usage"
            f" WHERE table_schema IN ({databases}) AND referenced_table_name IS NOT NULL"
        )
        defined = [(table, self._rows(f"SHOW CREATE TABLE {'.'.join(map(quote, table))}")[0][1]) for table in sorted(referring)]
        keys = [key for table, definition in defined for key in foreign_keys(table, definition)]
        return Cascades(keys, {key.parent: self._captured(key.parent) for key in keys if key.parent in self._columns})

    def _letters(self, charset: str) -> str:
        """The characters of a one-byte charset, empty for any other."""
        if charset == "binary" or self._rows(
            "SELECT maxlen FROM information_schema.character_sets WHERE character_set_name = %s", charset
        ) != [(1,)]:
            return ""
        (letters,) = self._rows("SELECT " + ", ".join(f"CONVERT(_{charset} X'{byte:02x}' USING utf8mb4)" for byte in range(256)))
        return "".join(letters)

    def _keys(self, where: str) -> dict[TableId, tuple[str, ...]]:
        """The primary key of each table, or else the first unique index that cannot hold a NULL."""
        found: dict[tuple[str, str, str], list[tuple[Any, ...]]] = defaultdict(list)
        for database, table, index, *column in self._rows(
            "SELECT table_schema, table_name, index_name, column_name, nullable, sub_part FROM information_schema.statistics"
            f" WHERE non_unique = 0 AND table_schema {where}"
            " ORDER BY table_schema, table_name, index_name <> 'PRIMARY', index_name, seq_in_index"
        ):
            found[database, table, index].append(tuple(column))
        keys: dict[TableId, tuple[str, ...]] = {}
        for (database, table, _), columns in found.items():
            if all(name and nullable != "YES" and not part for name, nullable, part in columns):
                keys.setdefault((database, table), tuple(name for name, _, _ in columns))
        return keys

    def _check_log(self) -> None:
        names = ", ".join(f"'{name}'" for name in _SETTINGS)
        actual = {name.lower(): value for name, value in self._rows(f"SHOW GLOBAL VARIABLES WHERE variable_name IN ({names})")}
        for name, (wanted, mend) in _SETTINGS.items():
            if name in actual and actual[name].upper() not in wanted:
                how = (
                    f"start the server with {mend}"
                    if mend.startswith("--")
                    else f"run {mend}; and keep it in the server's configuration"
                )
                raise PermanentFailure(
                    f"{self._server.where}: {name} is {actual[name] or 'empty'}, so changes cannot be followed; {how}"
                    f"{_WITHOUT_LOG}"
                )

    def _status(self) -> tuple[Any, ...]:
        import pymysql

        for query in ("SHOW MASTER STATUS", "SHOW BINARY LOG STATUS"):  # the second since MySQL 8.4
            try:
                found = rows(self._connection, query)
                if found:
                    return found[0]
            except pymysql.err.MySQLError as error:
                if not error.args or error.args[0] != _NOT_A_COMMAND:
                    raise failure(self._server, error, "binary log") from error
        raise PermanentFailure(f"{self._server.where}: the server keeps no binary log; start it with --log-bin{_WITHOUT_LOG}")

    def _check_logged(self, status: tuple[Any, ...]) -> None:
        only, ignored = ([name.strip() for name in str(part or "").split(",") if name.strip()] for part in status[2:4])
        for database in {table[0] for table in self._tables}:
            if database in ignored or (only and database not in only):
                mend = "change the server's binlog_do_db or binlog_ignore_db"
                raise PermanentFailure(f"{self._server.where}: database {database} is left out of the binary log; {mend}")

    def _identity(self) -> str:
        # MariaDB has no lasting id of its own: @@server_uid changes with the network card. Its GTIDs guard the rest.
        return str(self._rows("SELECT @@server_id" if self.mariadb else "SELECT @@server_uuid")[0][0])

    def _oldest_file(self) -> int:
        return min((stream.file_number(row[0]) for row in self._rows("SHOW BINARY LOGS")), default=0)
