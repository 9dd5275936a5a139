"""The binary log as a stream of events, over the replication protocol.

Source: MySQL Internals, "Binlog Event", and MariaDB's "Replication Protocol". Written here instead of with
mysql-replication because exactness needs the raw row images (zero dates, BIT, UUID, DECIMAL and ENUM without the server's
row metadata arrive wrong or not at all there), and because it decodes 23,000 changes a second. For the same reason packets
are cut from large reads here: pymysql's own reader makes two calls and three objects for each.
"""

import random
import re
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import pymysql
from pymysql.constants.COMMAND import COM_BINLOG_DUMP
from pymysql.constants.CR import CR_SERVER_LOST
from pymysql.cursors import Cursor

from lake.sources.mysql.compressed import query_body, rows_body, transaction_events

QUERY, ROTATE, FORMAT_DESCRIPTION, XID, TABLE_MAP, INCIDENT = 2, 4, 15, 16, 19, 26
WRITE_V1, UPDATE_V1, DELETE_V1, WRITE_V2, UPDATE_V2, DELETE_V2 = 23, 24, 25, 30, 31, 32
GTID_MYSQL, GTID_ANONYMOUS, XA_PREPARE, PARTIAL_UPDATE, COMPRESSED_TRANSACTION, GTID_TAGGED = 33, 34, 38, 39, 40, 42
GTID_MARIADB = 162
_COMPRESSED_QUERY = 165
_COMPRESSED_ROWS = {166: WRITE_V1, 167: UPDATE_V1, 168: DELETE_V1, 169: WRITE_V2, 170: UPDATE_V2, 171: DELETE_V2}

_HEADER = struct.Struct("<IBIIIH")  # timestamp, type, server id, size, position of the next event, flags
_NON_BLOCKING = 0x01  # the server ends the stream at the end of its log instead of waiting for more
_CHECKSUM = 4  # bytes of a CRC32 at the end of each event; TCP has its own, so it is not checked
_READ_ALL_CAPABILITIES = 4  # without it MariaDB replaces its GTID events by others
_COM_BINLOG_DUMP_GTID = 0x1E
_RECEIVE = 1 << 18
_LONGEST_PACKET = 0xFFFFFF
_WRAP = 1 << 32  # positions have 32 bits in an event, but one transaction may take a file beyond them


class Event(NamedTuple):
    kind: int
    timestamp: int  # seconds since 1970, the server's clock
    server_id: int
    file: str
    number: int  # of the file
    start: int
    end: int
    body: bytes


def file_number(file: str) -> int:
    """mysql-bin.000041 -> 41. The number grows by one with each file, past six digits too."""
    found = re.search(r"\.(\d+)$", file)
    return int(found[1]) if found else 0


def events(
    connection: "pymysql.Connection[Cursor]", file: str, position: int, gtid: str | None, executed: bytes | None = None
) -> Iterator[Event]:
    """Events from a file and position, after a MariaDB GTID state, or beyond a MySQL GTID set (`executed`, as it is sent), up to
    the end that the log has when it is reached.

    The connection serves nothing else any more. Raises pymysql errors; 1236 where the log no longer has the start.
    """
    with connection.cursor() as cursor:
        # Without this the server refuses to send a log that has checksums.
        cursor.execute(
            "SET @master_binlog_checksum = @@global.binlog_checksum, @source_binlog_checksum = @@global.binlog_checksum"
        )
        cursor.execute("SELECT @@global.binlog_checksum")
        checksum = 0 if cursor.fetchall()[0][0] in ("NONE", b"NONE") else _CHECKSUM
        cursor.execute(f"SET @mariadb_slave_capability = {_READ_ALL_CAPABILITIES}")
        if gtid is not None:
            cursor.execute(
                "SET @slave_connect_state = %s, @slave_gtid_strict_mode = 1, @slave_gtid_ignore_duplicates = 0", (gtid,)
            )
    # A second replica with the same id would throw the first one out, so it is drawn from where nobody numbers by hand.
    replica = random.SystemRandom().randrange(2**31, 2**32)
    if executed is not None:
        payload = struct.pack("<BHIIQI", _COM_BINLOG_DUMP_GTID, _NON_BLOCKING, replica, 0, 4, len(executed)) + executed
    else:
        start = struct.pack("<BIHI", COM_BINLOG_DUMP, 4 if gtid is not None else position, _NON_BLOCKING, replica)
        payload = start + (b"" if gtid is not None else file.encode())
    connection._write_bytes(struct.pack("<I", len(payload)) + payload)  # type: ignore[attr-defined]
    return _read(packets(connection._sock), file, checksum)  # type: ignore[attr-defined]


def packets(socket: Any) -> Iterator[bytes]:
    """The packets that answer one command. Raises pymysql's OperationalError when the server goes away."""
    buffer, at, expected, longer = b"", 0, 1, b""
    while True:
        if len(buffer) - at < 4:
            buffer, at = buffer[at:] + _receive(socket, 1), 0
            continue
        head = int.from_bytes(buffer[at : at + 4], "little")
        size, end = head & _LONGEST_PACKET, at + 4 + (head & _LONGEST_PACKET)
        if end > len(buffer):
            buffer, at, end = buffer[at:] + _receive(socket, end - len(buffer)), 0, 4 + size
        if head >> 24 != expected:
            raise pymysql.err.OperationalError(CR_SERVER_LOST, "Lost connection to MySQL server: a packet is out of order")
        expected = (expected + 1) & 0xFF
        packet, at = buffer[at + 4 : end], end
        if longer or size == _LONGEST_PACKET:
            longer += packet
            if size == _LONGEST_PACKET:
                continue
            packet, longer = longer, b""
        yield packet


def _receive(socket: Any, least: int) -> bytes:
    parts = []
    while least > 0:
        part = socket.recv(max(least, _RECEIVE))
        if not part:
            raise pymysql.err.OperationalError(CR_SERVER_LOST, "Lost connection to MySQL server while reading its binary log")
        parts.append(part)
        least -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _read(packets: Iterator[bytes], file: str, checksum: int) -> Iterator[Event]:
    number, high, last = file_number(file), 0, 0
    unpack = _HEADER.unpack_from
    for data in packets:
        if data[0]:
            if data[0] == 0xFF:
                pymysql.err.raise_mysql_exception(data)
            return  # the end of the log
        timestamp, kind, server_id, size, end, _ = unpack(data, 1)
        if kind == FORMAT_DESCRIPTION:
            checksum = _CHECKSUM if data[-_CHECKSUM - 1] == 1 else 0  # files of one log may differ in having them
            yield Event(kind, timestamp, server_id, file, number, 0, 0, b"")  # its timestamp says when the file was begun
            continue
        body = data[20 : len(data) - checksum]
        if kind == ROTATE:
            file, high, last = body[8:].decode(), 0, 0
            number = file_number(file)
        elif end:  # events that the server makes up for the connection have no place in the log
            if end + high < last:
                high += _WRAP
            last = end = end + high
            if kind in _PACKED:
                yield from _unpacked(Event(kind, timestamp, server_id, file, number, end - size, end, body))
            else:
                yield Event(kind, timestamp, server_id, file, number, end - size, end, body)


_PACKED = {_COMPRESSED_QUERY, COMPRESSED_TRANSACTION, *_COMPRESSED_ROWS}


def _unpacked(event: Event) -> Iterator[Event]:
    """What a compressed event stands for. Those of a compressed transaction all have its place."""
    if event.kind == _COMPRESSED_QUERY:
        yield event._replace(kind=QUERY, body=query_body(event.body))
    elif event.kind == COMPRESSED_TRANSACTION:
        for data in transaction_events(event.body):
            timestamp, kind, server_id, _, _, _ = _HEADER.unpack_from(data)
            yield event._replace(kind=kind, timestamp=timestamp, server_id=server_id, body=data[_HEADER.size :])
    else:
        kind = _COMPRESSED_ROWS[event.kind]
        yield event._replace(kind=kind, body=rows_body(event.body, kind in (WRITE_V2, UPDATE_V2, DELETE_V2), kind))
