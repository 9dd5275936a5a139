"""A Delta table's log, as the JSON files that it is: what each commit did, and a commit that delta-rs has no call for."""

import json
import os
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

# In the commit's info: the rows are the same in other types or files, so consumers of changes step over the commit.
REWRITE = "cartlake.rewrite"


def entry(table: str, version: int) -> Path:
    """The file of one commit; it may be gone, since the log is cleaned up to its retention."""
    return Path(table) / "_delta_log" / f"{version:020}.json"


def commits(table: str, since: int, upto: int) -> list[list[dict[str, Any]]] | None:
    """The actions of each commit in (since, upto], oldest first; None when the log no longer reaches back to `since`."""
    found = []
    for version in range(since + 1, upto + 1):
        file = entry(table, version)
        if not file.exists():
            return None
        found.append([json.loads(line) for line in file.read_text().splitlines()])
    return found


def is_rewrite(actions: list[dict[str, Any]]) -> bool:
    return any(REWRITE in action["commitInfo"] for action in actions if "commitInfo" in action)


def commit(table: Path, version: int, actions: Sequence[dict[str, Any]]) -> None:
    """Write a version's actions. An error says that they are not committed: FileExistsError that another writer's are.

    Source: Delta transaction log protocol, "Delta Log Entries"; a link is the file system's put-if-absent.
    """
    target = entry(str(table), version)
    staged = target.with_name(f"_commit_{uuid.uuid4()}.json.tmp")
    try:
        staged.write_text("".join(json.dumps(action, separators=(",", ":")) + "\n" for action in actions))
        os.link(staged, target)
    finally:
        with suppress(OSError):  # readers ignore what is left, and the commit stands or not without it
            staged.unlink(missing_ok=True)
