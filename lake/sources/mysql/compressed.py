"""Compressed events of the binary log: MariaDB's (log_bin_compress) and MySQL's (binlog_transaction_compression). Pure.

Source: MariaDB's sql/log_event.cc, `binlog_buf_uncompress`; MySQL Internals, "Transaction_payload_event".
"""

import zlib
from collections.abc import Iterator

import pyarrow as pa

_END, _KIND = 0, 2  # fields of a transaction's payload: its end, how it is compressed
_ZSTD, _PLAIN = 0, 255
_UPDATES = (24, 31)
_HEADER = 19  # bytes before an event's body


def query_body(body: bytes) -> bytes:
    """The body of a QUERY event, whose statement comes compressed."""
    at = 13 + int.from_bytes(body[11:13], "little") + body[8] + 1
    return body[:at] + unzipped(body, at)


def rows_body(body: bytes, second: bool, kind: int) -> bytes:
    """The body of a rows event, whose images come compressed; `second` is the version of events that has an extra header."""
    at = 8 + (int.from_bytes(body[8:10], "little") if second else 0)
    count, at = length(body, at)
    at += (count + 7) // 8 * (2 if kind in _UPDATES else 1)
    return body[:at] + unzipped(body, at)


def unzipped(body: bytes, at: int) -> bytes:
    """What begins at `at`: a byte that says how many bytes the plain length has, that length, and zlib's stream."""
    size = body[at] & 7
    plain = zlib.decompress(body[at + 1 + size :])
    if len(plain) != int.from_bytes(body[at + 1 : at + 1 + size], "big"):
        raise ValueError("a compressed event has another length than it says")
    return plain


def transaction_events(body: bytes) -> Iterator[bytes]:
    """The events, with their headers and without checksums, of a compressed transaction. They are unpacked as they are read."""
    at, kind = 0, _ZSTD
    while body[at] != _END:
        field, at = length(body, at)
        size, at = length(body, at)
        if field == _KIND:
            kind, _ = length(body, at)
        at += size
    payload = pa.py_buffer(body)[at + 1 :]
    if kind not in (_ZSTD, _PLAIN):
        raise ValueError(f"a transaction is compressed in a way ({kind}) that is not known")
    source = pa.BufferReader(payload)
    with pa.CompressedInputStream(source, "zstd") if kind == _ZSTD else source as stream:
        while header := stream.read(_HEADER):
            yield header + stream.read(int.from_bytes(header[9:13], "little") - _HEADER)


def length(data: bytes, at: int) -> tuple[int, int]:
    """A length-encoded integer, and the place after it."""
    first = data[at]
    if first < 251:
        return first, at + 1
    size = {252: 2, 253: 3, 254: 8}[first]
    return int.from_bytes(data[at + 1 : at + 1 + size], "little"), at + 1 + size
