"""The content of one file, unpacked: its beginning, its hash at given places, and its records from a place on."""

import gzip
import hashlib
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any

import pyarrow as pa

from lake.errors import PermanentFailure
from lake.sources.base import RESERVED
from lake.sources.files import csv, json, log
from lake.sources.files.csv import Head, Header
from lake.sources.files.folder import File, Format, format_of
from lake.sources.files.record import LONGEST, Bad, Parsed

FILE, LINE = "_file", "_line"
_BLOCK = 2**20
_HASHED_AT_ONCE = 1000  # lines
_NEWLINE = ord("\n")
_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_CORRUPT = (gzip.BadGzipFile, zlib.error)


@dataclass(frozen=True)
class Place:
    """How far a file has been read: bytes of its content (unpacked), the lines in them, and their SHA-256."""

    bytes: int = 0
    lines: int = 0
    hash: str = hashlib.sha256().hexdigest()


@dataclass(frozen=True)
class Digests:
    """SHA-256 of the first n bytes, for each n that was asked for and that the content has; (bytes, SHA-256) of the whole."""

    at: dict[int, Any]  # hashlib objects, which can go on
    whole: tuple[int, str] | None

    def matches(self, place: Place) -> bool:
        return place.bytes in self.at and self.at[place.bytes].hexdigest() == place.hash


@dataclass(frozen=True)
class Beginning:
    """What a file is, told from its first lines: its columns, and the head of a CSV file."""

    form: Format
    columns: pa.Schema
    head: Head | None = None


def digests(file: File, sizes: Collection[int], whole: bool) -> Digests:
    """Hashes of the content's beginnings of these sizes, and with `whole` of all of it, in one pass."""
    found: dict[int, Any] = {}
    sha, done = hashlib.sha256(), 0
    with _open(file) as stream:
        try:
            for size in sorted(sizes):
                while done < size and (block := stream.read(min(_BLOCK, size - done))):
                    sha.update(block)
                    done += len(block)
                if done < size:
                    break
                found[size] = sha.copy()
            while whole and (block := stream.read(_BLOCK)):
                sha.update(block)
                done += len(block)
        except EOFError:  # the end of a gzip file is still to come
            return Digests(found, None)
        except _CORRUPT as error:
            raise _corrupt(file, error) from error
    return Digests(found, (done, sha.hexdigest()) if whole else None)


def beginning(file: File, wanted: Format | None, header: Header, settled: bool) -> Beginning | None:
    """What the file is; None while too little of it is there. PermanentFailure: it cannot be told, or is in UTF-16."""
    with _open(file) as stream:
        try:
            lines = list(islice(iter(lambda: stream.readline(LONGEST), b""), 100))
        except EOFError:
            return None
        except _CORRUPT as error:
            raise _corrupt(file, error) from error
    if lines and lines[0].startswith(_UTF16):
        raise PermanentFailure(f"{file.path} is in UTF-16, and only UTF-8 is read; convert it: iconv -f UTF-16 -t UTF-8")
    lines[:1] = [line.removeprefix(_BOM) for line in lines[:1]]
    if not any(line.strip() for line in lines):
        return None
    form = wanted or format_of(file.name, lines)
    growing = not settled and not lines[-1].endswith(b"\n")
    if growing and (form == "csv" or (form is None and len(lines) == 1)):
        lines.pop()
        if not lines:
            return None
    if form is None:
        raise PermanentFailure(
            f"{file.path} is neither CSV, NDJSON nor a combined log by its first lines; "
            "set `format` of the source, or keep the file out by `tables`"
        )
    if form != "csv":
        return Beginning(form, log.COLUMNS if form == "combined" else json.COLUMNS)
    head = csv.head(lines, header, (*RESERVED, FILE, LINE))
    return Beginning("csv", pa.schema([(name, pa.string()) for name in head.columns]), head) if head else None


class Reading:
    """The records of a file from a place on: iterate once, then `place` is what has been given, at any moment.

    A last line without an end waits while the file may still grow (`settled` is false), unless it is a whole record for certain.
    """

    def __init__(self, file: File, begin: Beginning, start: Place, sha: Any, settled: bool) -> None:
        self._file, self._begin, self._settled = file, begin, settled
        self._bytes, self._lines, self._sha = start.bytes, start.lines, sha.copy()
        self._unhashed: list[bytes] = []
        self.cut = False  # a gzip file whose end is missing
        self.whole = False  # everything that the file holds has been given

    @property
    def place(self) -> Place:
        self._hash()
        return Place(self._bytes, self._lines, self._sha.hexdigest())

    def __iter__(self) -> Iterator[tuple[int, Any, int]]:
        """(number of the record's first line, its values or why it has none, its bytes)."""
        with _open(self._file) as stream:
            self._skip(stream)
            for raw, values in self._parsed(self._raw(stream)):
                # A whole line is what nearly all records are: this loop runs once for each.
                if (raw[-1][-1] != _NEWLINE or isinstance(values, Bad)) and self._waits(raw, values):
                    return
                line, size = self._lines + 1, len(raw[0]) if len(raw) == 1 else sum(map(len, raw))
                self._bytes += size
                self._lines += len(raw)
                self._unhashed += raw
                if len(self._unhashed) >= _HASHED_AT_ONCE or size >= _BLOCK:
                    self._hash()
                if values is not None:
                    yield line, values, size
        self.whole = not self.cut

    def _skip(self, stream: IO[bytes]) -> None:
        if not self._bytes:
            if stream.read(len(_BOM)) == _BOM:
                self._bytes = len(_BOM)
                self._sha.update(_BOM)
            else:
                stream.seek(0)
            return
        stream.seek(self._bytes - 1)
        if stream.read(1) != b"\n" and self._lines:
            self._lines -= 1  # the last line was given without its end: what follows is still the same line

    def _parsed(self, lines: Iterator[bytes]) -> Iterator[Parsed]:
        if self._begin.head is not None:
            return csv.records(lines, self._begin.head, at_start=not self._lines)
        return log.records(lines) if self._begin.form == "combined" else json.records(lines)

    def _raw(self, stream: IO[bytes]) -> Iterator[bytes]:
        try:
            while line := stream.readline(LONGEST):
                yield line
        except EOFError:
            self.cut = True
        except _CORRUPT as error:
            raise _corrupt(self._file, error) from error

    def _waits(self, raw: list[bytes], values: object) -> bool:
        if isinstance(values, Bad) and values.open:
            return not self._settled or self.cut
        unended = not raw[-1].endswith(b"\n") and len(raw[-1]) < LONGEST
        certain = self._begin.head is None and isinstance(values, tuple)
        return unended and not certain and not self._settled

    def _hash(self) -> None:
        self._sha.update(b"".join(self._unhashed))
        self._unhashed.clear()


def _open(file: File) -> IO[bytes]:
    return gzip.open(file.path, "rb") if file.packed else file.path.open("rb")  # type: ignore[return-value]


def _corrupt(file: File, error: Exception) -> PermanentFailure:
    return PermanentFailure(f"{file.path} is not a whole gzip file ({error}); put it there again")
