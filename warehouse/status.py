"""How fresh the warehouse is."""

from dataclasses import dataclass
from datetime import UTC, datetime

from lake.config import Settings
from warehouse.files import Shelf
from warehouse.release import releases


@dataclass(frozen=True)
class WarehouseStatus:
    """The newest release, and what is kept beside it. Sizes are bytes."""

    release: int
    published_at: datetime
    run: str | None
    age_seconds: float
    tables: int
    rows: int
    file_bytes: int
    kept: tuple[int, ...]
    kept_bytes: int


def status(settings: Settings) -> WarehouseStatus | None:
    """None before the first release."""
    kept = releases(settings)
    if not kept:
        return None
    shelf, newest = Shelf.of(settings), kept[-1]
    sizes = [shelf.file(release.number).stat().st_size for release in kept]
    return WarehouseStatus(
        release=newest.number,
        published_at=newest.at,
        run=newest.run,
        age_seconds=(datetime.now(UTC) - newest.at).total_seconds(),
        tables=newest.tables,
        rows=newest.rows,
        file_bytes=sizes[-1],
        kept=tuple(release.number for release in kept),
        kept_bytes=sum(sizes),
    )
