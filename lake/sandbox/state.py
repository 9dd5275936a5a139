"""What the sandbox remembers: `secrets.json` for good, `state.json` while the servers run; both for the owner only (0600)."""

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ACCOUNTS = ("root", "cartlake", "shop")


def passwords(folder: Path) -> dict[str, str]:
    """The password of each MariaDB account, made at random at the first call and kept."""
    known = read(folder / "secrets.json")
    missing = {name: secrets.token_urlsafe(24) for name in ACCOUNTS if name not in known}
    if missing:
        known |= missing
        write(folder / "secrets.json", known)
    return {name: known[name] for name in ACCOUNTS}


def read(path: Path) -> dict[str, Any]:
    """The content of a JSON file; empty when there is none."""
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError:
        return {}


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Replace a JSON file in one step, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
