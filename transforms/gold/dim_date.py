"""gold.dim_date"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.table import rebuild, table


@table(
    grain="one row per day",
    key="date_key",
    reads=("gold.agg_sales_daily",),  # its days are those of the facts, and it is small
    update=rebuild(),
    columns={
        "date_key": "yyyymmdd in the shop's time zone",
        "weekday": "1 is Sunday, 7 is Saturday",
        "iso_week": "week of the ISO year, 1 to 53",
        "month_key": "yyyymm",
    },
)
def dim_date(daily: DataFrame) -> DataFrame:
    """Every day from the year of the first sale to the end of the year after the last sale or return."""
    ends = daily.agg(F.year(F.min("date")).alias("first"), (F.year(F.max("date")) + 1).alias("last")).filter("first is not null")
    every = ends.select(
        F.expr("explode(sequence(make_date(first, 1, 1), make_date(last, 12, 31), interval 1 day))").alias("date")
    )
    return calendar(every)


def calendar(days: DataFrame) -> DataFrame:
    """What a calendar says of each day in column `date`."""
    year, quarter, month = F.year("date"), F.quarter("date"), F.month("date")
    weekday = F.dayofweek("date")
    return days.select(
        (year * 10000 + month * 100 + F.dayofmonth("date")).cast("int").alias("date_key"),
        "date",
        year.cast("int").alias("year"),
        quarter.cast("int").alias("quarter"),
        F.concat(F.lit("Q"), quarter.cast("string")).alias("quarter_name"),
        month.cast("int").alias("month"),
        F.date_format("date", "MMMM").alias("month_name"),
        (year * 100 + month).cast("int").alias("month_key"),
        F.dayofmonth("date").cast("int").alias("day"),
        F.dayofyear("date").cast("int").alias("day_of_year"),
        F.weekofyear("date").cast("int").alias("iso_week"),
        weekday.cast("int").alias("weekday"),
        F.date_format("date", "EEEE").alias("weekday_name"),
        weekday.isin(1, 7).alias("is_weekend"),
    )
