"""A Delta table's log, read as the JSON files that it is: what each commit did, without opening the table at that version."""

import json
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
