"""What a table's Delta log says about the way from one version to another."""

import hashlib

from lake.delta import Lake
from lake.log import commits, entry


def commit_hash(lake: Lake, name: str, version: int) -> str:
    """Tells one history from another: a table that was made again, or a lake that was restored and went on, has the same
    version numbers over other commits. Empty when the log no longer has the version."""
    file = entry(lake.path(name), version)
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else ""


def changed_bytes(lake: Lake, name: str, since: int, upto: int) -> int | None:
    """Bytes that the change feed of (since, upto] would read; None when there is no feed back to there."""
    delta = lake.open(name, upto)
    if delta.metadata().configuration.get("delta.enableChangeDataFeed") != "true":
        return None
    found = commits(lake.path(name), since, upto)
    if found is None:
        return None
    total = 0
    for actions in found:
        # A commit that wrote change files is read from those alone (Delta protocol, "Change Data Files").
        files = [action["cdc"] for action in actions if "cdc" in action] or [
            action[kind] for action in actions for kind in ("add", "remove") if kind in action and action[kind]["dataChange"]
        ]
        if any(file.get("size") is None for file in files):
            return None
        total += sum(file["size"] for file in files)
    return total
