"""What a page gets."""

from dataclasses import dataclass

from lake.config import Settings
from warehouse.dashboard.filters import Filters
from warehouse.dashboard.periods import Span
from warehouse.dashboard.reader import Reader
from warehouse.release import Release


@dataclass(frozen=True)
class Page:
    """The release that is looked at, what it is filtered by, the days it knows, and the releases that are kept."""

    settings: Settings
    reader: Reader
    filters: Filters
    known: Span
    kept: tuple[Release, ...]
