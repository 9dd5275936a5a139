"""Newer answers of a champion whose answers are a table: scoring leaves them beside MLflow's store, a server takes them up.

A sales forecast is asked for days, not for features: what it says follows from the newest day known, which only scoring has read.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Said = Mapping[str, Mapping[str, list[float]]]  # series -> yyyy-mm-dd -> answers, as ml.forecast.served has it


def file(data: Path, name: str) -> Path:
    """Where a model's newest answers are, in the data folder."""
    return data / "mlflow" / "said" / f"{name}.json"


def leave(data: Path, name: str, version: int, said: Said) -> None:
    """Put the answers of a version in place, all at once; nothing is written where they are there."""
    place, text = file(data, name), json.dumps({"version": version, "said": said})
    if place.exists() and place.read_text() == text:
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    unfinished = place.with_suffix(".new")
    with unfinished.open("w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    unfinished.replace(place)


def stamp(data: Path, name: str) -> tuple[int, int]:
    """Changes whenever there are other answers."""
    try:
        found = file(data, name).stat()
    except FileNotFoundError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_ino)


def read(data: Path, name: str, version: int) -> Said | None:
    """The newest answers of this version; None where none were left, or they are another version's."""
    try:
        found: dict[str, Any] = json.loads(file(data, name).read_text())
    except FileNotFoundError:
        return None
    said: Said = found["said"]
    return said if found["version"] == version else None
