"""From which position the log can be followed, and whether it can: decided from positions alone. Pure.

A place (file and position) means something on its own server only. On another one, after a failover, a table goes on after the
transactions that it has, by their global ids; so it does on the same server when its log has another name.
"""

import re
from collections.abc import Sequence
from typing import Any

from lake.sources.base import Position
from lake.sources.mysql.binlog import origin, place
from lake.sources.mysql.gtid import Gtids, common

_AGAIN = "capture again with --resnapshot"


def moved(position: Position, target: Position) -> bool:
    """Whether the position is one of another server, or of a log of another name."""
    return bool(position["server"] != target["server"] or _base(position) != _base(target))


def gone(position: Position, target: Position, oldest: int) -> str:
    """Why the log cannot be followed from here, empty if it can. `oldest` is the number of the server's first file."""
    known = "gtid" in position and "gtid" in target
    if moved(position, target):
        where = f"was captured from another server (id {position['server']}, now {target['server']})"
        if not known or (":" in position["gtid"]) != (":" in target["gtid"]):
            return f"{where}, and their logs have no global ids in common; {_AGAIN}"
        if not Gtids(target["gtid"]).covers(Gtids(position["gtid"])):
            return f"{where}, which lacks changes that were captured; wait until it has them, or {_AGAIN}"
        return ""
    if place(position) > place(target):
        return f"the server's log was reset: {position['file']}:{position['pos']} lies beyond its end; {_AGAIN}"
    if known and not Gtids(target["gtid"]).covers(Gtids(position["gtid"])):
        return f"the server's log was reset: it no longer has {position['gtid']}; {_AGAIN}"
    if place(origin(position))[0] < oldest:
        return f"{origin(position)['file']} is gone from the server, and with it changes that were not captured; {_AGAIN}"
    return ""


def start(positions: Sequence[Position], target: Position) -> Position:
    """Where to begin, so that no table misses anything: by place, or by global ids as soon as one table needs those.

    By global ids it has no file. Then every position must have them.
    """
    origins = [origin(position) for position in positions]
    if not any(moved(position, target) for position in positions):
        return min(origins, key=place)
    return {"server": target["server"], "file": "", "pos": 0, "gtid": common([Gtids(one["gtid"]) for one in origins]).text()}


def mysql_set(status: Sequence[Any]) -> str | None:
    """MySQL's executed GTIDs from its log's status; None without any, or where some have a tag, which is not followed."""
    text = str(status[4] or "").replace("\n", "") if len(status) > 4 else ""
    return text if text and not re.search(r":\s*[a-z_]", text, re.IGNORECASE) else None


def _base(position: Position) -> str:
    return str(position["file"]).rpartition(".")[0]
