"""Days of a backfill as SQL on a column that says when."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from lake.errors import UsageError
from transforms.plan import Days

_INTEGERS = ("int", "bigint")


def within(column: str, kind: str, days: Days, zone: str) -> str:
    """True where a column of Spark type `kind` is in these days, the last one included; of a moment, days in time zone `zone`."""
    first, last = days
    if kind == "date":
        return f"`{column}` between date '{first}' and date '{last}'"
    if kind in _INTEGERS:
        return f"`{column}` between {first:%Y%m%d} and {last:%Y%m%d}"
    if kind == "timestamp":
        start, end = (_moment(day, zone) for day in (first, last + timedelta(days=1)))
        return f"`{column}` >= timestamp '{start}' and `{column}` < timestamp '{end}'"
    raise UsageError(f"{column} is {kind}: rows are dated by a date, a timestamp or an int yyyymmdd")


def _moment(day: date, zone: str) -> str:
    midnight = datetime.combine(day, time(), ZoneInfo(zone))
    return f"{midnight.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
