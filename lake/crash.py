"""Named points where a test may kill the process, free when unset.

`CARTLAKE_CRASH=bronze.committed` kills at the first visit of that point, `bronze.committed:3` at the third,
`*:17` at the seventeenth visit of any point. With `CARTLAKE_CRASH_LEDGER=FILE` every visit is first
written and synced as one JSON line, so that a sweep learns which points exist.
"""

import json
import os
import signal
from collections import Counter

_SPEC = os.environ.get("CARTLAKE_CRASH", "")
_LEDGER = os.environ.get("CARTLAKE_CRASH_LEDGER", "")
_visits: Counter[str] = Counter()


def crash_point(name: str) -> None:
    """Kill this process with SIGKILL if the environment armed this visit of `name`."""
    if not _SPEC and not _LEDGER:
        return
    _visits[name] += 1
    _visits["*"] += 1
    if _LEDGER:
        _note(name)
    wanted, _, count = _SPEC.partition(":")
    if wanted in (name, "*") and _visits[wanted] == int(count or 1):
        os.kill(os.getpid(), signal.SIGKILL)


def _note(name: str) -> None:
    line = json.dumps({"point": name, "visit": _visits[name], "pid": os.getpid()}) + "\n"
    descriptor = os.open(_LEDGER, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, line.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
