"""Making a clone: links to the Parquet files of gold as a release has it, with a log that ends there."""

import errno
import os
import re
import shutil
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote

import duckdb

from lake.config import Settings
from lake.crash import crash_point
from lake.delta import Lake
from lake.errors import PermanentFailure
from lake.lock import hold
from warehouse import release
from warehouse.clones import shelf
from warehouse.clones.shelf import Clone
from warehouse.files import Shelf, sync

# Another file system, one without links, or a file with as many as it can have.
_NO_LINKS = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS)
_ENTRY = re.compile(r"(\d{20})\.(json|checkpoint\.parquet)")
WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class CloneReport:
    """How many files of gold were linked, and how many had to be copied because the file system takes no links."""

    clone: Clone
    tables: int
    linked: int
    copied: int
    seconds: float


def clone(settings: Settings, name: str, number: int | None = None, as_of: datetime | None = None) -> CloneReport:
    """A clone of the newest release, of one by number, or of the one that was newest at a time.

    UsageError for a name or a release that cannot be; PermanentFailure where the lake no longer has the release's tables;
    TransientFailure while a publish, whose lock it needs, takes long. A kill leaves no clone, or the whole one.
    """
    started = time.monotonic()
    # A publish drops old releases, and vacuum removes what only they needed.
    with hold(settings.data, "publish", wait=WAIT_SECONDS), hold(settings.data, shelf.LOCK, wait=WAIT_SECONDS):
        shelf.check_name(settings, name)
        chosen = release.choose(settings, number, as_of)
        making = shelf.begin(settings, name, chosen.number)
        try:
            lake, own = Lake(settings.lake_root), Lake(str(making / "lake"))
            linked = copied = 0
            tables = _gold(settings, chosen.number)
            for table, version in tables:
                links, copies = _link(lake, own, table, version)
                linked, copied = linked + links, copied + copies
            crash_point("clone.linked")
            with duckdb.connect(str(making / "warehouse.duckdb")) as connection:
                connection.execute("CREATE SCHEMA gold; CREATE SCHEMA silver")
            sync(making)
            crash_point("clone.whole")
            made = shelf.finish(settings, name, making)
            sync(made.folder.parent)
            crash_point("clone.made")
        except BaseException:
            shutil.rmtree(making, ignore_errors=True)
            raise
    return CloneReport(made, len(tables), linked, copied, time.monotonic() - started)


def _gold(settings: Settings, number: int) -> list[tuple[str, int]]:
    """(Table, Delta version) of the gold tables of a release."""
    with duckdb.connect(str(Shelf.of(settings).file(number)), read_only=True) as connection:
        rows = connection.execute(
            'SELECT "table", delta_version FROM meta.release_tables WHERE release = ? AND "table" LIKE \'gold.%\' ORDER BY 1',
            [number],
        ).fetchall()
    return [(row[0], row[1]) for row in rows]


def _link(lake: Lake, own: Lake, table: str, version: int) -> tuple[int, int]:
    """Link one table's files, and copy its log up to the version; how many files were linked, and how many copied."""
    root, target = Path(lake.path(table)), Path(own.path(table))
    files = [_file(uri) for uri in lake.open(table, version).file_uris()]
    _copy_log(table, root / "_delta_log", target / "_delta_log", version)
    copied = 0
    folders: set[Path] = set()
    for file in files:
        to = target / file.relative_to(root)
        if to.parent not in folders:
            to.parent.mkdir(parents=True, exist_ok=True)
            folders.add(to.parent)
        copied += not _linked(file, to)
    return len(files) - copied, copied


def _file(uri: str) -> Path:
    """A data file on disk. delta-rs writes a space in the lake's own folder as %20, and partitions as on disk."""
    return next(path for path in (Path(uri), Path(unquote(uri))) if path.exists() or path == Path(unquote(uri)))


def _linked(file: Path, to: Path) -> bool:
    try:
        os.link(file, to)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        shutil.copyfile(file, to)
        return False
    return True


def _copy_log(table: str, log: Path, target: Path, version: int) -> None:
    """The last checkpoint up to a version, and the entries from there to it: all that reading that version takes."""
    there = {(int(found[1]), found[2]): file for file in log.iterdir() if (found := _ENTRY.fullmatch(file.name))}
    begin = max((number for number, kind in there if kind != "json" and number <= version), default=-1)
    wanted = [(number, "json") for number in range(begin + 1, version + 1)]
    wanted += [(begin, "checkpoint.parquet")] if begin >= 0 else []
    wanted += [(begin, "json")] if (begin, "json") in there else []
    missing = [number for number, kind in wanted if (number, kind) not in there]
    if missing:
        raise PermanentFailure(f"{table}: its log no longer has version {missing[0]}, so version {version} cannot be cloned")
    target.mkdir(parents=True)
    for entry in wanted:
        shutil.copyfile(there[entry], target / there[entry].name)
