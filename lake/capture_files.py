"""Capture of a folder of files: each file once, in batches that a kill neither loses nor doubles.

A batch may end in the middle of a file, or hold many small ones. It is written in three commits: first its bad lines to
quarantine (again is harmless), then to `meta.files` what it reads (which holds once bronze is there), last its rows to bronze.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from lake import bronze, files_seen, positions
from lake.capture_report import Progress, TableReport
from lake.capture_run import chosen
from lake.config import Settings, Source
from lake.crash import crash_point
from lake.delta import Lake
from lake.errors import CartlakeError, PermanentFailure
from lake.files_seen import Seen, Start
from lake.quarantine import Line, add_lines
from lake.sources.base import OP, ORDER, SOURCE_TS, TIMESTAMP, Table
from lake.sources.files import folder as files
from lake.sources.files.folder import File
from lake.sources.files.read import FILE, LINE, Beginning, Place, Reading, beginning, digests
from lake.sources.files.record import Bad
from lake.sources.strings import strings

logger = logging.getLogger(__name__)

_BEFORE_FIRST = 2**32 - 1  # smaller orders are those of a snapshot's chunks
_ORDERS = (1 << bronze.EPOCH_BITS) - 1
_SETTLED_SECONDS = 60  # a file that has not changed for so long is not being written
_FIELD_BYTES = 64  # what a value costs in memory beside its text
Contents = defaultdict[int, dict[str, int]]  # bytes -> SHA-256 -> lines
_OWN = (FILE, LINE, OP, ORDER, SOURCE_TS)


def capture_files(lake: Lake, source: Source, settings: Settings, on_progress: Progress) -> list[TableReport]:
    """Read what is new in the source's folder. The caller holds the source's lock.

    A file that cannot be read is its table's error, and the others go on. PermanentFailure when the folder is not there.
    """
    folder = folder_of(settings, source)
    try:
        found = files.tables(folder)
    except FileNotFoundError:
        if folder.is_relative_to(settings.data):
            return []  # made when the sandbox's shop is
        raise PermanentFailure(
            f"source {source.name}: there is no folder {folder}; make it, or correct the source's url"
        ) from None
    except OSError as error:
        raise PermanentFailure(f"source {source.name}: {folder}: {error.strerror}; the files must be readable") from error
    wanted = chosen([Table(id, pa.schema([]), (), follow="files") for id in found], source.tables, source.name)
    known = positions.facts(lake, source.name)
    facts = files_seen.load(lake, source.name)
    tops = {fact.seen.table: _top(lake, fact.seen.table) for fact in facts}
    held = {name: files_seen.holding([f for f in facts if f.seen.table == name], top) for name, top in tops.items()}
    contents: Contents = defaultdict(dict)
    for seen in (seen for seens in held.values() for seen in seens):
        contents[seen.place.bytes][seen.place.hash] = seen.place.lines
    number = max((fact.number for fact in facts), default=0)
    reports = []
    for table in wanted:
        one = _Capture(lake, source, settings, table, contents, number, on_progress)
        if one.name in positions.paused(known):
            reports.append(TableReport(source.name, table.name, one.name, table.mode, paused=True))
            continue
        reports.append(one.run(found[table.id], {seen.file: seen for seen in held.get(one.name, [])}))
        number = one.number
    _record_failures(lake, source.name, known, reports)
    return reports


def folder_of(settings: Settings, source: Source) -> Path:
    """The folder of a source: a relative one is below that of cartlake.toml, `data/…` below the data folder, wherever that is."""
    told = Path(settings.url(source.name)).expanduser()
    if told.parts[:1] == ("data",):
        return settings.data.joinpath(*told.parts[1:])
    return settings.home / told


def _record_failures(lake: Lake, source: str, known: Sequence[positions.Fact], reports: Sequence[TableReport]) -> None:
    """Keep what stopped a table, for `cartlake status`, once; and that it goes on again."""
    failures, number = positions.failures(known), positions.next_number(known)
    for report in reports:
        before = failures.get(report.name)
        if report.error and (before is None or before.position.get("error") != report.error):
            positions.record(lake, source, "failed", {report.name: 1}, {"error": report.error}, number=number)
            number += 1
    mended = [report.name for report in reports if not report.error and not report.paused and report.name in failures]
    if mended or ("" in failures and reports):
        positions.record(lake, source, "reached", dict.fromkeys(mended, 1), {}, number=number)


@dataclass
class _Batch:
    """Rows of one table that are not committed yet, and what they leave of each file."""

    rows: list[pa.Table] = field(default_factory=list)
    bad: list[Line] = field(default_factory=list)
    seen: dict[str, Seen] = field(default_factory=dict)
    count: int = 0
    bytes: int = 0


class _Capture:
    """One table of one run. `contents`: all that the source has given, which grows as it goes."""

    def __init__(
        self,
        lake: Lake,
        source: Source,
        settings: Settings,
        table: Table,
        contents: Contents,
        number: int,
        on_progress: Progress,
    ) -> None:
        self._lake, self._source, self._limits = lake, source, settings.capture
        self._table, self._contents, self._on_progress = table, contents, on_progress
        self._captured = bronze.describe(source.name, table)
        self.name, self.number = self._captured.name, number
        self._report = TableReport(source.name, table.name, self.name, table.mode)
        self._top = _top(lake, self.name)
        self._batch = _Batch()

    def run(self, present: Sequence[File], last: dict[str, Seen]) -> TableReport:
        began = time.monotonic()
        try:
            for start in self._starts(present, last):
                self._guarded(start.file, lambda start=start: self._file(start))  # type: ignore[misc]
            self._commit()
        except PermanentFailure as error:
            self._failed(error)
        self._report.seconds = time.monotonic() - began
        return self._report

    def _starts(self, present: Sequence[File], last: dict[str, Seen]) -> list[Start]:
        """Where to go on in the files that are new or have changed."""
        look = [file for file in present if not files_seen.unchanged(file, last.get(file.name), _settled(file))]
        if not look:
            return []
        changed = {file.name for file in look}
        maybe = files_seen.candidates(last, {file.name for file in present if file.name not in changed})
        hashed = {}
        for file in look:
            places = files_seen.sizes(last.get(file.name), maybe)
            # Of a packed file the content's length is not known before.
            self._guarded(file, lambda f=file, p=places: hashed.update({f: digests(f, p, f.packed)}))  # type: ignore[misc]
        grown = {file.name for file, found in hashed.items() if file.name in last and found.matches(last[file.name].place)}
        orphans = [seen for seen in maybe if seen.file not in grown]
        return [files_seen.start(f, found, last.get(f.name), orphans) for f, found in hashed.items()]

    def _guarded(self, file: File, work: Any) -> None:
        try:
            work()
        except PermanentFailure as error:
            self._failed(error)
        except OSError as error:
            self._failed(PermanentFailure(f"{file.path}: {error.strerror or error}; the file must be readable"))

    def _failed(self, error: CartlakeError) -> None:
        logger.warning("%s", error)
        self._report.error = self._report.error or f"{self._table.name}: {error}"

    def _file(self, start: Start) -> None:
        file, settled = start.file, _settled(start.file)
        whole = start.whole
        if whole is None and file.size in self._contents:  # only equally long files can be the same
            whole = digests(file, (), True).whole
        if whole is not None and whole[1] in self._contents.get(whole[0], {}):
            place = Place(whole[0], self._contents[whole[0]][whole[1]], whole[1])
            self._batch.seen[file.name] = Seen(self.name, file.name, place, file.size, file.changed, True)
            return
        begin = beginning(file, None if self._source.format == "auto" else self._source.format, self._source.header, settled)
        if begin is None:
            return
        reading = Reading(file, begin, start.place, start.sha, settled)
        self._records(file, begin, reading, start)
        if reading.cut and settled:
            raise PermanentFailure(f"{file.path}: the end of the gzip file is missing; put the whole file there")

    def _records(self, file: File, begin: Beginning, reading: Reading, start: Start) -> None:
        rows: list[Any] = []
        lines: list[int] = []
        batch, bad = self._batch, 0
        seen = Seen(self.name, file.name, start.place, -1, -1, False)
        for line, values, size in reading:
            if isinstance(values, Bad):
                batch.bad.append(Line(file.name, line, values.rule, values.reason, values.raw))
                bad += 1
            else:
                rows.append(values)
                lines.append(line)
            batch.count += 1
            batch.bytes += size + _FIELD_BYTES * len(begin.columns)
            if batch.count >= self._limits.batch_rows or batch.bytes >= self._limits.batch_bytes:
                self._keep(file, begin, rows, lines)
                batch.seen[file.name] = Seen(self.name, file.name, reading.place, -1, -1, False, len(rows), bad)
                self._commit()
                rows, lines, batch, bad = [], [], self._batch, 0
                crash_point("files.batch_done")
        place = reading.place
        if place != seen.place or reading.whole:
            self._keep(file, begin, rows, lines)
            batch.seen[file.name] = Seen(self.name, file.name, place, file.size, file.changed, reading.whole, len(rows), bad)
            self._contents[place.bytes][place.hash] = place.lines

    def _keep(self, file: File, begin: Beginning, rows: list[Any], lines: list[int]) -> None:
        """Add rows of one file to the batch."""
        if not rows:
            return
        count = len(rows)
        changed = datetime.fromtimestamp(file.changed / 1e9, UTC)
        columns = [
            strings(values) if begin.head is not None else pa.array(values, kind)
            for values, kind in zip(zip(*rows, strict=True), begin.columns.types, strict=True)
        ]
        own = [
            pa.repeat(pa.scalar(file.name), count),
            pa.array(lines, pa.int64()),
            pa.repeat(pa.scalar("c"), count),
            pa.nulls(count, pa.int64()),  # numbered when the batch is committed
            pa.repeat(pa.scalar(changed, TIMESTAMP), count),
        ]
        self._batch.rows.append(pa.table([*own, *columns], names=[*_OWN, *begin.columns.names]))

    def _commit(self) -> None:
        batch, self._batch = self._batch, _Batch()
        if not batch.seen:
            return
        began = time.monotonic()
        rows = pa.concat_tables(batch.rows, promote_options="default") if batch.rows else None
        count = rows.num_rows if rows is not None else 0
        add_lines(self._lake, self._captured.mirror, batch.bad)
        crash_point("files.quarantined")
        upto = self._top + count
        self.number += 1
        files_seen.record(self._lake, self._source.name, self.number, self._top, upto, list(batch.seen.values()))
        if rows is not None:
            self._write(rows, list(batch.seen.values())[-1])
        self._top = upto
        if batch.bad:
            logger.warning("%s: lines that are no records, now in quarantine: %d", self.name, len(batch.bad))
        logger.info("%s: %d rows, %d files, %.2f s", self.name, count, len(batch.seen), time.monotonic() - began)

    def _write(self, rows: pa.Table, last: Seen) -> None:
        bronze.register(self._lake, [self._captured])
        rows = rows.set_column(rows.column_names.index(ORDER), ORDER, pa.array(range(self._top + 1, self._top + 1 + len(rows))))
        rows = rows.rename_columns(_as_known(rows.column_names, self._known_columns()))
        at = {"file": last.file, "hash": last.place.hash, "bytes": last.place.bytes, "complete": last.whole}
        position = {"generation": 1, "complete": True, "base": 0, "key": [], "at": at}
        bronze.write(self._lake, self.name, rows, 1, position)
        self._report.rows["c"] += len(rows)
        self._on_progress(self._table.name, self._report.rows.total(), 0)

    def _known_columns(self) -> list[str]:
        return self._lake.schema(self.name).names if self._lake.exists(self.name) else []


def _as_known(names: Sequence[str], known: Sequence[str]) -> list[str]:
    """Column names as bronze spells them: `Price` in a later file is `price` of the first, for no engine keeps them apart."""
    spelt = {name.casefold(): name for name in known}
    return [spelt.get(name.casefold(), name) for name in names]


def _top(lake: Lake, name: str) -> int:
    """Bronze's last `_order`."""
    sequence = bronze.state(lake, name, known=()).sequence
    return sequence & _ORDERS if sequence >= 0 else _BEFORE_FIRST  # it may be there and empty


def _settled(file: File) -> bool:
    return file.packed or time.time() - file.changed / 1e9 > _SETTLED_SECONDS
