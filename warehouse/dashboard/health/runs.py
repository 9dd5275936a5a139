"""The last runs, as Prefect's server on this machine tells them."""

import json
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException
from typing import Any

from lake.config import Settings

_RUNS = 20
_SECONDS = 1.0  # to wait for the server, which is on this machine


@dataclass(frozen=True)
class Run:
    """A flow run of Prefect's."""

    name: str
    state: str
    started: datetime | None
    seconds: float
    url: str


def last(settings: Settings) -> list[Run] | None:
    """The last runs, the newest first; None where no Prefect server answers."""
    base = f"http://127.0.0.1:{settings.ui.port}"
    shown = settings.ui.url.rstrip("/") or base  # who looks at the dashboard from elsewhere cannot reach this machine's loopback
    asked = urllib.request.Request(
        f"{base}/api/flow_runs/filter",
        json.dumps({"sort": "START_TIME_DESC", "limit": _RUNS, "flow_runs": {"start_time": {"is_null_": False}}}).encode(),
        {"Content-Type": "application/json"},
    )
    # Never through a proxy: the server is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(asked, timeout=_SECONDS) as answer:
            return [_run(row, shown) for row in json.load(answer)]
    except (OSError, HTTPException, ValueError, TypeError, KeyError):  # nobody answers, or somebody else does
        return None


def _run(row: dict[str, Any], base: str) -> Run:
    started = datetime.fromisoformat(row["start_time"].replace("Z", "+00:00")) if row["start_time"] else None
    return Run(
        row["name"],
        row.get("state_name") or "",
        started,
        float(row.get("total_run_time") or 0),
        f"{base}/runs/flow-run/{row['id']}",
    )
