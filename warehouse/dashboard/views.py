"""Saved questions of the page Explore: a name and what its controls said, in one JSON file beside the warehouse."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lake.config import Settings
from lake.errors import PermanentFailure, UsageError

Value = str | int | list[str]
View = dict[str, Value]
LONGEST = 80


def file_of(settings: Settings) -> Path:
    """Where the views are kept."""
    return settings.warehouse.path.parent / "views.json"


def read(file: Path) -> dict[str, View]:
    """The views by name. PermanentFailure for a file that somebody broke, which is left as it is."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise PermanentFailure(
            f"{file} cannot be read: {error.strerror}; give whoever runs the dashboard the right to"
        ) from error
    except ValueError as error:
        raise PermanentFailure(f"{file} is not as it was written: {error}; mend it, or remove it to begin anew") from error
    if not isinstance(found, dict) or not all(_is_view(view) for view in found.values()):
        raise PermanentFailure(
            f"{file} is not as it was written: expected names with their views; mend it, or remove it to begin anew"
        )
    return found


def save(file: Path, name: str, view: Mapping[str, Value]) -> None:
    """Keep a view under a name, in the place of one that has it. UsageError for no name."""
    name = name.strip()
    if not name or len(name) > LONGEST:
        raise UsageError(f"a view has a name of 1 to {LONGEST} characters")
    with _changing(file) as views:
        views[name] = dict(view)


def remove(file: Path, name: str) -> None:
    """Forget a view; nothing happens where somebody else did before."""
    with _changing(file) as views:
        views.pop(name, None)


@contextmanager
def _changing(file: Path) -> Iterator[dict[str, View]]:
    """The views, to be changed by one at a time; the file is replaced when the new one is whole."""
    part = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        with file.with_name(f".{file.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            views = read(file)
            yield views
            with part.open("w", encoding="utf-8") as out:
                json.dump(views, out, indent=1, ensure_ascii=False, sort_keys=True)
                out.flush()
                os.fsync(out.fileno())  # or a power cut could leave the new name on an empty file
            part.replace(file)
    except OSError as error:
        raise PermanentFailure(f"{file} cannot be written: {error.strerror}; make room there, or give the right to") from error
    finally:
        part.unlink(missing_ok=True)


def _is_view(view: object) -> bool:
    def is_value(value: object) -> bool:
        return isinstance(value, str | int) or (isinstance(value, list) and all(isinstance(one, str) for one in value))

    return isinstance(view, dict) and all(map(is_value, view.values()))
