"""`meta.files`: what has been read of each file of a source, as appended facts, and what to do with a file as it is now.

The facts of a batch are written before its rows are. They hold once bronze has come to their `upto`, the `_order` of the batch's
last row; those of a batch that was killed in between end where a later batch begins, or beyond bronze, and hold no more.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import pyarrow as pa

from lake.crash import crash_point
from lake.delta import Lake
from lake.sources.files.folder import File
from lake.sources.files.read import Digests, Place

NAME = "meta.files"
_SCHEMA = pa.schema(
    [
        ("fact", pa.int64()),
        *[(name, pa.string()) for name in ("source", "table", "file", "hash")],
        *[(name, pa.int64()) for name in ("bytes", "lines", "size", "changed", "rows", "bad", "since", "upto")],
        ("whole", pa.bool_()),
        ("recorded_at", pa.timestamp("us", tz="UTC")),
    ]
)
_COMMENTS = {
    "fact": "number of the batch, growing within a source; the later one of a file holds",
    "hash": "SHA-256 of the first `bytes` bytes of the content (unpacked)",
    "bytes": "how far the file has been read",
    "size": "of the file itself, as it was then; -1: it was in the middle",
    "changed": "time of the file's last change, in nanoseconds since 1970",
    "rows": "rows that this batch took from the file",
    "bad": "lines that it put into quarantine",
    "since": "bronze's last _order before the batch",
    "upto": "bronze's last _order after it: the fact holds when bronze has come so far",
    "whole": "whether everything that the file held has been read",
}
_MOST_ORPHANS = 100


@dataclass(frozen=True)
class Seen:
    """What one batch read of one file of a table (its bronze name)."""

    table: str
    file: str
    place: Place
    size: int
    changed: int
    whole: bool
    rows: int = 0
    bad: int = 0


@dataclass(frozen=True)
class Fact:
    number: int
    since: int
    upto: int
    seen: Seen


@dataclass(frozen=True)
class Start:
    """Where to go on in a file, the hash that goes on with it, and (bytes, SHA-256) of the whole content where it is known."""

    file: File
    place: Place
    sha: Any
    whole: tuple[int, str] | None = None


def load(lake: Lake, source: str) -> list[Fact]:
    """Every fact of a source, oldest first."""
    if not lake.exists(NAME):
        return []
    rows = lake.read(NAME, filters=[("source", "=", source)]).sort_by("fact").to_pylist()
    return [
        Fact(
            row["fact"],
            row["since"],
            row["upto"],
            Seen(
                row["table"],
                row["file"],
                Place(row["bytes"], row["lines"], row["hash"]),
                *(row[column] for column in ("size", "changed", "whole", "rows", "bad")),
            ),
        )
        for row in rows
    ]


def record(lake: Lake, source: str, number: int, since: int, upto: int, found: Sequence[Seen]) -> list[Fact]:
    """Append the facts of one batch. The caller holds the source's lock, so numbers cannot clash."""
    lake.create(NAME, _SCHEMA, comment="What has been read of each file, as appended facts.", comments=_COMMENTS)
    now = datetime.now(UTC)
    rows = [
        {
            "fact": number,
            "source": source,
            "table": seen.table,
            "file": seen.file,
            **vars(seen.place),
            **{column: getattr(seen, column) for column in ("size", "changed", "whole", "rows", "bad")},
            "since": since,
            "upto": upto,
            "recorded_at": now,
        }
        for seen in found
    ]
    lake.append(NAME, pa.Table.from_pylist(rows, schema=_SCHEMA))
    crash_point("files.recorded")
    return [Fact(number, since, upto, seen) for seen in found]


def holding(facts: Sequence[Fact], top: int) -> list[Seen]:
    """What one table's facts (oldest first) truly say when bronze's last `_order` is `top`."""
    batches = [list(batch) for _, batch in groupby(facts, key=lambda fact: fact.number)]
    held: list[list[Fact]] = []
    for batch in reversed(batches):
        if batch[0].upto <= top:
            held.append(batch)
            top = batch[0].since
    return [fact.seen for batch in reversed(held) for fact in batch]


def unchanged(file: File, last: Seen | None, settled: bool) -> bool:
    """Whether a file looks as it did when it was read, so that its content need not be looked at."""
    same = last is not None and (last.size, last.changed) == (file.size, file.changed)
    # What an unfinished file still held back is looked at again once nobody writes to it any more.
    return same and last is not None and (last.whole or not settled)


def sizes(last: Seen | None, orphans: Collection[Seen]) -> set[int]:
    """Where the hash of a file must be known for `start`."""
    return {0, *(seen.place.bytes for seen in orphans), *([last.place.bytes] if last else [])}


def start(file: File, found: Digests, last: Seen | None, orphans: Iterable[Seen]) -> Start:
    """Where to go on in a changed or new file, if its whole content was not read before, under whatever name.

    Behind its own beginning as it was read last; else behind that of a file that is gone from its name (`orphans`): it was
    renamed, and has grown. Anything else is new.
    """
    if last is not None and found.matches(last.place):
        return Start(file, last.place, found.at[last.place.bytes], found.whole)
    renamed = max((seen.place for seen in orphans if found.matches(seen.place)), key=lambda place: place.bytes, default=Place())
    return Start(file, renamed, found.at[renamed.bytes], found.whole)


def candidates(latest: Mapping[str, Seen], still: Collection[str]) -> list[Seen]:
    """The newest contents that may have been renamed: those of names that are not `still` there unchanged."""
    return [seen for name, seen in reversed(list(latest.items())) if name not in still][:_MOST_ORPHANS]
