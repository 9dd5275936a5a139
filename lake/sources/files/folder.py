"""A folder of files as a source: which files there are, which table each belongs to, and what format it has.

A sub-folder is a table, with everything below it. A file that lies in the folder itself belongs to the table of its name without
extension, digits and dates: `access-2026-11-01.log.gz` and `access.log.3` to `access`. All tables are in the database `files`.
Hidden files and those that are still being copied (`.part`, `.tmp`, `~` …) are left alone.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lake.sources.base import TableId
from lake.sources.files.log import LINE

Format = Literal["csv", "ndjson", "combined"]

DATABASE = "files"
_EXTENSIONS = re.compile(r"(\.(gz|csv|tsv|ndjson|jsonl|json|log|txt|\d+))+$", re.IGNORECASE)
_DIGITS = re.compile(r"[-_. ]*\d[-_.: T\d]*")
_UNFINISHED = (".part", ".partial", ".tmp", ".crdownload", ".swp", ".filepart", "~")
_BY_NAME: dict[str, Format] = {"csv": "csv", "tsv": "csv", "ndjson": "ndjson", "jsonl": "ndjson"}
_LOOKED_AT = 20  # lines; the first of a log may be cut


@dataclass(frozen=True)
class File:
    """A file as the folder shows it: `name` relative to the folder, size in bytes, time of its last change in nanoseconds."""

    path: Path
    name: str
    size: int
    changed: int

    @property
    def packed(self) -> bool:
        return self.name.lower().endswith(".gz")


def tables(folder: Path) -> dict[TableId, list[File]]:
    """The files of each table, by name. Raises OSError when the folder cannot be read."""
    found: dict[TableId, list[File]] = {}
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if _ignored(entry.name):
            continue
        if entry.is_dir():
            files = [file for path in sorted(Path(entry.path).rglob("*")) if (file := _file(folder, path)) is not None]
            if files:
                found.setdefault((DATABASE, entry.name), []).extend(files)
        else:
            file = _file(folder, Path(entry.path))
            if file is not None:
                found.setdefault((DATABASE, table_name(entry.name)), []).append(file)
    return found


def table_name(file: str) -> str:
    """The table of a file in the folder itself: its name without extensions and digits; `files` when nothing is left."""
    parts = _DIGITS.split(_EXTENSIONS.sub("", file))
    return "_".join(part for part in parts if part) or DATABASE


def format_of(name: str, lines: Sequence[bytes]) -> Format | None:
    """The format by a telling extension, else by the first lines; None where neither says."""
    extension = name.lower().removesuffix(".gz").rpartition(".")[2]
    if extension in _BY_NAME:
        return _BY_NAME[extension]
    texts = [line.decode("utf-8", "replace").strip() for line in lines[:_LOOKED_AT] if line.strip()]
    if any(LINE.fullmatch(text) for text in texts):
        return "combined"
    if texts and all(text.startswith("{") for text in texts):
        return "ndjson"
    if texts and any(mark in texts[0] for mark in ",;\t"):
        return "csv"
    return None


def _file(folder: Path, path: Path) -> File | None:
    relative = path.relative_to(folder)
    if any(_ignored(part) for part in relative.parts) or not path.is_file():
        return None
    found = path.stat()
    return File(path, relative.as_posix(), found.st_size, found.st_mtime_ns) if found.st_size else None


def _ignored(name: str) -> bool:
    return name.startswith((".", "_")) or name.lower().endswith(_UNFINISHED)
