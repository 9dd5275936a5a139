"""The release files on disk: made beside, then renamed into place.

    data/releases/000041.duckdb    a kept release, never written again; `cartlake sql` reads the newest
    data/releases/building.duckdb  the next one, while it is made
    data/warehouse.duckdb          a copy of the newest, for `duckdb data/warehouse.duckdb` and other tools
    data/warehouse.duckdb.next     that copy, until it is swapped in

The copy is one on purpose (a reflink where the file system can; hard links never): the bare `duckdb` command opens a file for
writing, which locks every other reader out, may change rows, and leaves a log that DuckDB would replay into whatever file is
under that name next (tried on 1.5.5). None of this reaches a kept release, and no reader of ours keeps that command out.

A release exists once `building.duckdb` is renamed to its number; `warehouse.duckdb.next` was finished before that and is
renamed right after. So a kill at any instant leaves `warehouse.duckdb` as one whole release, and a `.next` that is still
there tells the next publish to copy and swap again.
"""

import fcntl
import os
import shutil
from collections.abc import Collection
from pathlib import Path

from lake.config import Settings
from lake.crash import crash_point

_FICLONE = 0x40049409  # linux/fs.h


class Shelf:
    """The release files of one data folder. Only the holder of the lock `publish` may change them."""

    def __init__(self, folder: Path, served: Path) -> None:
        self.folder = folder
        self.served = served
        self.building = folder / "building.duckdb"
        self._next = served.with_name(served.name + ".next")

    @classmethod
    def of(cls, settings: Settings) -> "Shelf":
        return cls(settings.data / "releases", settings.warehouse.path)

    def numbers(self) -> list[int]:
        """Kept releases, oldest first."""
        return sorted(int(file.stem) for file in self.folder.glob("*.duckdb") if file.stem.isdigit())

    def file(self, number: int) -> Path:
        return self.folder / f"{number:06}.duckdb"

    def clean(self) -> None:
        """Remove what a killed publish left, and finish its swap if the release was already there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.served.parent.mkdir(parents=True, exist_ok=True)
        self.discard()
        numbers = self.numbers()
        if numbers and (self._next.exists() or not self.served.exists()):
            self._copy_next(self.file(numbers[-1]))
            self._swap()
        self._next.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove an unfinished release."""
        for file in self.folder.glob("building.duckdb*"):
            if file.is_dir():
                shutil.rmtree(file)
            else:
                file.unlink()

    def start(self, base: int | None) -> None:
        """Begin the next release as a copy of a kept one, or empty."""
        if base is not None:
            copy(self.file(base), self.building)
        crash_point("publish.copied")

    def finish(self, number: int) -> None:
        """Make the finished file release `number`, and serve it."""
        sync(self.building)
        self.building.chmod(0o444)
        self._copy_next(self.building)
        crash_point("publish.before_swap")
        self.building.rename(self.file(number))
        sync(self.folder)
        crash_point("publish.released")
        self._swap()
        crash_point("publish.swapped")

    def give_up(self) -> None:
        """Remove what is unfinished after a failure; what was served stays."""
        if self.building.exists():
            # Otherwise the release is there and only its swap failed: `.next` stays to say so.
            self._next.unlink(missing_ok=True)
        self.discard()

    def keep(self, count: int, in_use: Collection[int] = ()) -> None:
        """Drop all but the newest `count` releases and those that clones stand on. Who has one open keeps reading it."""
        for number in self.numbers()[:-count]:
            if number not in in_use:
                self.file(number).unlink()
                crash_point("publish.dropped")

    def _copy_next(self, source: Path) -> None:
        self._next.unlink(missing_ok=True)
        copy(source, self._next)
        sync(self._next)

    def _swap(self) -> None:
        # The log of somebody's writing session on the old file must not be replayed into the new one.
        log = self.served.with_name(self.served.name + ".wal")
        log.unlink(missing_ok=True)
        self._next.replace(self.served)
        log.unlink(missing_ok=True)
        sync(self.served.parent)


def copy(source: Path, target: Path) -> None:
    """Copy a file: sharing its blocks where the file system can (btrfs, XFS), else byte by byte."""
    with source.open("rb") as old, target.open("wb") as new:
        try:
            fcntl.ioctl(new.fileno(), _FICLONE, old.fileno())
        except OSError:  # not on this file system, or not between these two
            shutil.copyfile(source, target)


def sync(path: Path) -> None:
    """Force a file, or the names in a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
