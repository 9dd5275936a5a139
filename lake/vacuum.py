"""Remove what no needed version of a Delta table stands on: data files, change files, entries of the log.

Needed are the newest version, the versions in `keep`, and all that came after version `since`, from which somebody will ask
what changed. Of the rest, what is older than `hours` goes; a young file may belong to a commit that is just being written.

delta-rs says which data files those are and this module removes them, because its own `vacuum(full=True)` also deletes every
file below `_change_data`, those of the newest version too, whatever `keep_versions` says (tried on 1.6.6).
"""

import json
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from deltalake.exceptions import DeltaError

from lake.crash import crash_point
from lake.delta import Lake
from lake.errors import PermanentFailure
from lake.log import commits

_CHANGES = "_change_data"
_ENTRY = re.compile(r"(\d{20})\.")
_WHOLE_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\.parquet")


@dataclass(frozen=True)
class Removed:
    """What was removed from one table, or would be: data and change files, their bytes, and entries of the log."""

    files: int = 0
    bytes: int = 0
    entries: int = 0


def vacuum(
    lake: Lake, name: str, *, keep: Iterable[int] = (), since: int | None = None, hours: int, dry_run: bool = False
) -> Removed:
    """Remove what is not needed. `since` is the newest version unless given.

    Also removes what a killed step staged and never committed. The caller holds the locks of every step that writes the table.
    A kill leaves some files for the next call, and every needed version whole. A version of `keep` whose log is gone already
    protects nothing.
    """
    table, root = lake.open(name), Path(lake.path(name))
    newest = table.version()
    since = newest if since is None else min(since, newest)
    needed = sorted(
        {version for version in {*keep, *range(since, newest)} if 0 <= version < newest and _there(lake, name, version)}
    )
    unneeded = table.vacuum(
        retention_hours=hours,  # since a file's removal; of one that no commit names, since it was written
        dry_run=True,
        enforce_retention_duration=False,
        full=True,
        keep_versions=needed or None,
    )
    before = time.time() - hours * 3600
    oldest = min([*needed, since])
    found = [*_present(root, unneeded), *_old_changes(lake, name, since=oldest, newest=newest, before=before)]
    folders = [folder for folder in root.rglob("*") if folder.is_dir() and folder.stat().st_mtime < before]
    size = 0
    for file in found:
        size += file.stat().st_size
        if not dry_run:
            file.unlink()
            crash_point("vacuum.removed")
    entries = _old_entries(root / "_delta_log", oldest, before)
    for file in entries if not dry_run else ():
        file.unlink()
        crash_point("vacuum.forgotten")
    # Those of partitions, and of steps that were killed, that have no files now. Their own age is that of the last removal.
    for folder in sorted(folders, reverse=True) if not dry_run else ():
        if not any(folder.iterdir()):
            folder.rmdir()
    return Removed(len(found), size, len(entries))


def _there(lake: Lake, name: str, version: int) -> bool:
    try:
        lake.open(name, version)
    except (DeltaError, PermanentFailure):
        return False
    return True


def _present(root: Path, paths: Iterable[str]) -> Iterator[Path]:
    """Those that are there: delta-rs also lists what an earlier call took, and names as URLs have them."""
    for path in paths:
        found = next((file for file in (root / path, root / unquote(path)) if file.is_file()), None)
        if found is not None and found.relative_to(root).parts[0] != _CHANGES:
            yield found


def _old_changes(lake: Lake, name: str, *, since: int, newest: int, before: float) -> list[Path]:
    """Change files of commits up to `since`, and those of no commit; none when the log does not tell which are needed."""
    root = Path(lake.path(name))
    later = commits(lake.path(name), since, newest)
    if later is None:
        return []
    needed = {root / unquote(action["cdc"]["path"]) for actions in later for action in actions if "cdc" in action}
    files = [file for file in sorted((root / _CHANGES).rglob("*")) if file.is_file()]
    return [file for file in files if file not in needed and file.stat().st_mtime < before]


def _old_entries(log: Path, oldest: int, before: float) -> list[Path]:
    """Entries of the log that no version from `oldest` on is read through, oldest first.

    Those are the ones before the last checkpoint at or before `oldest` (Delta protocol, "Metadata Cleanup").
    """
    checkpoints = [int(found[1]) for file in log.iterdir() if (found := _WHOLE_CHECKPOINT.fullmatch(file.name))]
    begin = max((version for version in checkpoints if version <= oldest and _is_whole(log, version)), default=0)
    numbered = [(int(found[1]), file) for file in log.iterdir() if (found := _ENTRY.match(file.name))]
    return [file for version, file in sorted(numbered) if version < begin and file.stat().st_mtime < before]


def _is_whole(log: Path, version: int) -> bool:
    """Whether readers may begin at a checkpoint: the last one that was finished is this one or a later one."""
    last = log / "_last_checkpoint"
    return last.exists() and int(json.loads(last.read_text())["version"]) >= version
