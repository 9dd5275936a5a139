"""Days and months of the shop's own time zone."""

from pyspark.sql import Column
from pyspark.sql import functions as F


def local_date(moment: str) -> Column:
    """The day at a moment, in the zone of column `time_zone`."""
    return F.expr(f"cast(from_utc_timestamp({moment}, time_zone) as date)")


def date_key(day: str) -> Column:
    """yyyymmdd of a date column."""
    return F.date_format(day, "yyyyMMdd").cast("int")
