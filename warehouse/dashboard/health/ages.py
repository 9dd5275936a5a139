"""How long ago, and how long, in words."""

from datetime import UTC, datetime


def age(moment: datetime | None, now: datetime | None = None) -> str:
    """How long ago, in words: just now, 5 min ago, 3 hours ago, 2 days ago."""
    if moment is None:
        return "never"
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return _lasting(((now or datetime.now(UTC)) - moment).total_seconds(), "{} ago") or "just now"


def duration(seconds: float) -> str:
    """How long something took, in words."""
    return _lasting(seconds, "{}") or f"{seconds:.1f} seconds"


def _lasting(seconds: float, form: str) -> str | None:
    """A time of a minute or more in the largest unit that fits; None for less."""
    for size, one, many in ((86400, "day", "days"), (3600, "hour", "hours"), (60, "min", "min")):
        if seconds >= size:
            number = int(seconds // size)
            return form.format(f"{number} {one if number == 1 else many}")
    return None
