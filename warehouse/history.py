"""What a table's Delta log says about the way from one version to another."""

import hashlib
import json
from pathlib import Path

from lake.delta import Lake


def commit_hash(lake: Lake, name: str, version: int) -> str:
    """Tells one history from another: a table that was made again, or a lake that was restored and went on, has the same
    version numbers over other commits. Empty when the log no longer has the version."""
    entry = _entry(lake, name, version)
    return hashlib.sha256(entry.read_bytes()).hexdigest() if entry.exists() else ""


def changed_bytes(lake: Lake, name: str, since: int, upto: int) -> int | None:
    """Bytes that the change feed of (since, upto] would read; None when there is no feed back to there."""
    delta = lake.open(name, upto)
    if delta.metadata().configuration.get("delta.enableChangeDataFeed") != "true":
        return None
    total = 0
    for version in range(since + 1, upto + 1):
        entry = _entry(lake, name, version)
        if not entry.exists():
            return None
        actions = [json.loads(line) for line in entry.read_text().splitlines()]
        # A commit that wrote change files is read from those alone (Delta protocol, "Change Data Files").
        files = [action["cdc"] for action in actions if "cdc" in action] or [
            action[kind] for action in actions for kind in ("add", "remove") if kind in action and action[kind]["dataChange"]
        ]
        if any(file.get("size") is None for file in files):
            return None
        total += sum(file["size"] for file in files)
    return total


def _entry(lake: Lake, name: str, version: int) -> Path:
    return Path(lake.path(name)) / "_delta_log" / f"{version:020}.json"
