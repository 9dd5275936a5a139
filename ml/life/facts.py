"""What is remembered of each training in the lake, in meta.model_trainings: a row per training, the last one of a model holds.

It is read where MLflow is too slow to ask: is there anything to do, and which Delta versions must a vacuum leave.
"""

import json
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lake.config import Settings

if TYPE_CHECKING:
    from lake.delta import Lake

TRAININGS = "meta.model_trainings"


def remember(lake: "Lake", model: str, fingerprint: str, versions: Mapping[str, int], fact: Mapping[str, Any]) -> None:
    """Append a training as a fact. `versions` are the Delta versions that it read."""
    import pyarrow as pa

    row = {
        "model": model,
        "fingerprint": fingerprint,
        "trained_at": datetime.now(UTC),
        "versions": json.dumps(dict(versions), sort_keys=True),
        "fact": json.dumps(dict(fact), sort_keys=True),
    }
    text, at = pa.string(), pa.timestamp("us", tz="UTC")
    schema = pa.schema([("model", text), ("fingerprint", text), ("trained_at", at), ("versions", text), ("fact", text)])
    lake.create(TRAININGS, schema, comment="One row per training of a model; `versions` and `fact` are JSON.")
    lake.append(TRAININGS, pa.Table.from_pylist([row], schema))


def last(lake: "Lake") -> dict[str, dict[str, Any]]:
    """The last training of each model."""
    if not lake.exists(TRAININGS):
        return {}
    rows = sorted(lake.read(TRAININGS).to_pylist(), key=lambda row: row["trained_at"])
    return {row["model"]: {"fingerprint": row["fingerprint"], **json.loads(row["fact"])} for row in rows}


def release(settings: Settings) -> int | None:
    """Number of the warehouse's newest release; None before the first publish."""
    import duckdb

    if not settings.warehouse.path.exists():
        return None
    try:
        with duckdb.connect(str(settings.warehouse.path), read_only=True) as connection:
            found = connection.execute("SELECT max(release) FROM meta.releases").fetchone()
    except duckdb.Error:  # only a tag: a warehouse that cannot be read is publish's to report
        return None
    return found[0] if found else None


def commit() -> str:
    """The git commit of this checkout; empty when it is none, or there is no git."""
    return _git("rev-parse", "--verify", "HEAD") or ""


def dirty() -> str:
    """`true` where files of this checkout are other than the commit says, else `false`; empty when it is no checkout."""
    changed = _git("status", "--porcelain")
    return "" if changed is None else "true" if changed else "false"


def _git(*words: str) -> str | None:
    here = Path(__file__).resolve().parent
    try:
        said = subprocess.run(["git", *words], cwd=here, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return said.stdout.strip() if said.returncode == 0 else None
