"""Which clones there are: listed, dropped, brought back, and gone for good."""

import json
import logging
import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lake.config import Settings
from lake.crash import crash_point
from lake.errors import PermanentFailure, UsageError
from lake.lock import hold
from warehouse.errors import like
from warehouse.files import Shelf, sync

log = logging.getLogger(__name__)
WAIT_SECONDS = 10.0
LOCK = "clone"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,62}")
_STATE = "clone.json"
_DROPPED = ".dropped"
_MAKING = ".making-"


@dataclass(frozen=True)
class Clone:
    """A clone and the release that it stands on; `dropped_at` is None of one that is there."""

    name: str
    folder: Path
    release: int
    made_at: datetime
    dropped_at: datetime | None = None

    @property
    def database(self) -> Path:
        return self.folder / "warehouse.duckdb"

    @property
    def lake_root(self) -> Path:
        return self.folder / "lake"


def clones(settings: Settings) -> list[Clone]:
    """Those that are there, by name."""
    return [found for path in sorted(_folder(settings).glob("[!.]*")) if (found := _read(path, path.name))]


def dropped(settings: Settings) -> list[Clone]:
    """Those that can be brought back, the last one dropped first."""
    found = []
    for path in (_folder(settings) / _DROPPED).glob("*"):
        name, _, seconds = path.name.rpartition("-")
        at = datetime.fromtimestamp(int(seconds) / 1e6, UTC)
        clone = _read(path, name, at)
        if clone and at + retention(settings) > datetime.now(UTC):
            found.append((at, clone))
    return [clone for _, clone in sorted(found, key=lambda one: one[0], reverse=True)]


def retention(settings: Settings) -> timedelta:
    return timedelta(days=settings.warehouse.retention_days)


def choose(settings: Settings, name: str) -> Clone:
    """UsageError with the nearest names when there is none of that name."""
    there = clones(settings)
    found = next((clone for clone in there if clone.name == name), None)
    if found is None:
        raise UsageError(f"there is no clone {name}{like(name, [clone.name for clone in there])}")
    return found


def releases_in_use(settings: Settings) -> set[int]:
    """Releases that a clone stands on, one that is being made or was dropped included; all, where a clone does not say which."""
    with hold(settings.data, LOCK, wait=WAIT_SECONDS):  # a clone that moves aside meanwhile could be seen in neither place
        folder = _folder(settings)
        states = [*folder.glob(f"*/{_STATE}"), *folder.glob(f"{_MAKING}*/{_STATE}"), *folder.glob(f"{_DROPPED}/*/{_STATE}")]
        try:
            return {_said(state)[0] for state in states}
        except PermanentFailure as unreadable:
            log.warning("every release is kept: %s", unreadable)
            return set(Shelf.of(settings).numbers())


def drop(settings: Settings, name: str) -> Clone:
    """Put a clone aside, from where `undrop` brings it back within the retention."""
    with hold(settings.data, LOCK, wait=WAIT_SECONDS):
        clone = choose(settings, name)
        aside = _folder(settings) / _DROPPED
        aside.mkdir(exist_ok=True)
        clone.folder.rename(aside / f"{name}-{int(datetime.now(UTC).timestamp() * 1e6)}")
        crash_point("clone.dropped")
    return clone


def undrop(settings: Settings, name: str) -> Clone:
    """Bring the clone of this name that was dropped last back. UsageError when there is none, or another has the name now."""
    with hold(settings.data, LOCK, wait=WAIT_SECONDS):
        there = dropped(settings)
        found = next((clone for clone in there if clone.name == name), None)
        if found is None:
            raise UsageError(
                f"no clone {name} was dropped in the last {settings.warehouse.retention_days} days"
                + like(name, [clone.name for clone in there])
            )
        if any(clone.name == name for clone in clones(settings)):
            raise UsageError(f"there is a clone {name} again; drop that first: cartlake clone {name} --drop")
        found.folder.rename(_folder(settings) / name)
        crash_point("clone.undropped")
    return choose(settings, name)


def purge(settings: Settings, *, dry_run: bool = False) -> list[str]:
    """Remove what was dropped longer ago than the retention, and what a kill left; the names of the former."""
    with hold(settings.data, LOCK, wait=WAIT_SECONDS):
        folder = _folder(settings)
        kept = {clone.folder for clone in dropped(settings)}
        expired = [path for path in sorted((folder / _DROPPED).glob("*")) if path not in kept]
        names = [path.name.rpartition("-")[0] for path in expired if (path / _STATE).exists()]
        for path in [*expired, *folder.glob(f"{_MAKING}*")] if not dry_run else ():
            (path / _STATE).unlink(missing_ok=True)  # first: without it the rest is nothing but rubbish
            crash_point("clone.purging")
            shutil.rmtree(path)
    return names


def begin(settings: Settings, name: str, release: int) -> Path:
    """The folder in which a clone is made, with the release noted down, so that no publish drops that. The caller holds LOCK."""
    making = _folder(settings) / f"{_MAKING}{name}"
    if making.exists():
        shutil.rmtree(making)
    making.mkdir(parents=True)
    state = {"release": release, "made_at": datetime.now(UTC).isoformat(timespec="seconds")}
    written = making / f"{_STATE}.writing"
    written.write_text(json.dumps(state) + "\n")
    sync(written)
    crash_point("clone.begun")
    written.rename(making / _STATE)
    return making


def finish(settings: Settings, name: str, making: Path) -> Clone:
    """Give the finished clone its name."""
    making.rename(_folder(settings) / name)
    return choose(settings, name)


def check_name(settings: Settings, name: str) -> None:
    """UsageError for a name that cannot be, or that another clone has."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name for a clone: letters, digits, _ and -, 63 at most")
    if (_folder(settings) / name).exists():
        raise UsageError(f"there is a clone {name} already; drop it first (cartlake clone {name} --drop), or take another name")


def _folder(settings: Settings) -> Path:
    return settings.data / "clones"


def _read(folder: Path, name: str, dropped_at: datetime | None = None) -> Clone | None:
    """None where there is no clone: what a kill left of one that was being removed."""
    state = folder / _STATE
    if not state.exists():
        return None
    return Clone(name, folder, *_said(state), dropped_at)


def _said(state: Path) -> tuple[int, datetime]:
    """The release that a clone stands on, and when it was made."""
    try:
        said = json.loads(state.read_text())
        return int(said["release"]), datetime.fromisoformat(said["made_at"])
    except (ValueError, KeyError, TypeError) as error:
        raise PermanentFailure(
            f'{state} is not as it was written ({error}); write {{"release": N, "made_at": "YYYY-MM-DDTHH:MM:SS+00:00"}} '
            "into it, or remove the folder"
        ) from error
