"""A stream: what changes in one table, as Parquet files for another system to pick up, each change in exactly one of them.

    data/streams/NAME/000041-000042.parquet          what changed from release 41 to 42; `_change` says how
    data/streams/NAME/000041-000042.parquet.writing  the same, while it is written
    data/streams/NAME/000041-000042.parquet.whole    the same, whole and safe on disk
    data/streams/NAME/stream.json                    the table, the release that is consumed, and the file that it went to

A file is consumed once `stream.json` names it; only then it gets its name, and may be taken away at once. So a kill before that
repeats the work, and a kill after it leaves a whole file that the next run gives its name; one that is gone is not written again.
Numbers that no file covers are releases in which the table stayed as it was.
"""

import json
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lake.config import Settings
from lake.crash import crash_point
from lake.errors import PermanentFailure, UsageError
from lake.lock import hold
from warehouse import changes, compare, export, query, release
from warehouse.describe import Published, literal
from warehouse.errors import nearest
from warehouse.files import Shelf, sync

WAIT_SECONDS = 60.0
_STATE = "stream.json"
_WRITING, _WHOLE = ".writing", ".whole"


@dataclass(frozen=True)
class StreamReport:
    """One run of a stream: from release `since` (0: from nothing) to `release`. No rows, no file."""

    stream: str
    table: str
    since: int
    release: int
    rows: int
    file: Path | None
    seconds: float


@dataclass(frozen=True)
class _Offset:
    """What `stream.json` says."""

    table: str
    release: int
    file: str | None


def consume(settings: Settings, table: str, name: str | None = None, *, from_start: bool = False) -> StreamReport:
    """Write what changed in a table since stream `name` (else the table's own) consumed it last; at first, all of its rows.

    `from_start` begins anew with all rows as inserts. UsageError for a table that is not there; PermanentFailure when changes
    that were not consumed are in no kept release any more; TransientFailure while another run of the stream is under way.
    """
    started = time.monotonic()
    found = _found(settings, table)
    stream = name or found
    if not re.fullmatch(r"\w[\w.-]*", stream):
        raise UsageError(f"--name {stream}: expected letters, digits, points, - and _")
    folder = settings.data / "streams" / stream
    with hold(settings.data, f"stream-{stream}", wait=WAIT_SECONDS):
        folder.mkdir(parents=True, exist_ok=True)
        offset = _recover(folder)
        if offset and offset.table != found:
            raise UsageError(f"stream {stream} is of {offset.table}; name this one otherwise: --name NAME")
        since = 0 if offset is None or from_start else offset.release
        newest = release.choose(settings).number
        rows, file = 0, None
        if since > newest:
            raise PermanentFailure(f"stream {stream} is at release {since}, the newest is {newest}; {_anew(stream, found)}")
        if since < newest:
            rows, file = _write(settings, stream, found, since, newest, folder)
            _commit(folder, _Offset(found, newest, file.name if file else None))
    return StreamReport(stream, found, since, newest, rows, file, time.monotonic() - started)


def _found(settings: Settings, table: str) -> str:
    """The table's name in the lake, of all that ever were in a release."""
    with query.connect(settings, live=False) as connection:
        tables = sorted({name for name, _ in _states(connection)})
    found = compare.find(table, tables)
    if found is None:
        raise UsageError(f"there is no table {table}; {nearest(table, tables)}")
    return found


def _write(settings: Settings, stream: str, table: str, since: int, newest: int, folder: Path) -> tuple[int, Path | None]:
    """What changed, whole and safe on disk: how many rows, and the file it will be; no rows leave none."""
    with query.connect(settings, newest, live=False) as connection:
        text = _query(settings, _states(connection), stream, table, since, newest)
        if text is None:
            return 0, None
        file = folder / f"{since:06}-{newest:06}.parquet"
        writing = _beside(file, _WRITING)
        try:
            with writing.open("wb") as sink:
                rows = export.export(connection, text, "parquet", sink)
            crash_point("stream.writing")
            sync(writing)
        except BaseException:
            writing.unlink(missing_ok=True)  # a full disk needs the room
            raise
    if not rows and since:
        writing.unlink()
        return 0, None
    writing.replace(_beside(file, _WHOLE))
    crash_point("stream.written")
    return rows, file


def _query(
    settings: Settings, states: dict[tuple[str, int], Any], stream: str, table: str, since: int, newest: int
) -> str | None:
    """The query for what changed, or all rows; None when the table is as it was, whether `since` is still kept or not."""
    now = states.get((table, newest))
    if since == 0:
        if now is None:
            raise UsageError(f"release {newest} has no table {table}, so no stream can begin with it")
        return f"SELECT {literal(changes.WORDS.insert)} AS {changes.WORDS.column}, * FROM warehouse.{Published(table).sql_name}"
    then = states.get((table, since))
    if now == then:
        return None
    kept = Shelf.of(settings).numbers()
    alike = [number for number in kept if number >= since and states.get((table, number)) == then]
    if not alike:
        raise PermanentFailure(
            f"stream {stream}: {table} changed after release {since}, which it consumed last, and that is no longer kept "
            f"(there are {kept[0]} to {kept[-1]}); {_anew(stream, table)}"
        )
    return changes.select(table, alike[0])


def _anew(stream: str, table: str) -> str:
    named = f" --name {stream}" if stream != table else ""
    return f"begin anew with all of its rows: cartlake stream {table}{named} --from-start"


def _states(connection: Any) -> dict[tuple[str, int], tuple[int, str]]:
    """(Table, release) -> its Delta version and commit there, of every release that ever was."""
    rows = connection.execute(
        'SELECT "table", release, delta_version, delta_commit FROM warehouse.meta.release_tables'
    ).fetchall()
    return {(row[0], row[1]): (row[2], row[3]) for row in rows}


def _commit(folder: Path, offset: _Offset) -> None:
    state = folder / _STATE
    written = _beside(state, _WRITING)
    written.write_text(json.dumps(asdict(offset)) + "\n")
    sync(written)
    written.replace(state)
    sync(folder)
    crash_point("stream.committed")
    _name(folder, offset)
    crash_point("stream.named")


def _recover(folder: Path) -> _Offset | None:
    """How far the stream is, once what a killed run left is finished or removed."""
    state = folder / _STATE
    offset = None
    if state.exists():
        try:
            offset = _Offset(**json.loads(state.read_text()))
        except (ValueError, TypeError) as error:
            raise PermanentFailure(
                f"{state} is not as it was written ({error}); put it back from a backup, or remove it to begin anew"
            ) from error
        _name(folder, offset)
    for left in (*folder.glob(f"*{_WRITING}"), *folder.glob(f"*{_WHOLE}")):
        left.unlink()
    return offset


def _name(folder: Path, offset: _Offset) -> None:
    """Give the consumed file its name, if it does not have it yet."""
    if offset.file and _beside(folder / offset.file, _WHOLE).exists():
        _beside(folder / offset.file, _WHOLE).replace(folder / offset.file)
        sync(folder)


def _beside(file: Path, ending: str) -> Path:
    return file.with_name(file.name + ending)
