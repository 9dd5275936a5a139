"""gold.feature_sales_daily"""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from transforms.gold._measures import MEASURES
from transforms.table import rebuild, table

_SUMS = ("amount", "discount", "net_amount", "units", "orders")
_YEAR = 364  # days: 52 whole weeks, so that the weekdays agree


@table(
    grain="one row per day and category, from the category's first sale to the shop's last day; a day without a sale has zeros",
    key=("date_key", "category"),
    reads=("gold.agg_sales_daily",),
    update=rebuild(),  # a late sale moves the sums of a year of days; only the rows that differ are written
    rules=("net_amount = amount - discount",),
    columns={
        "date_key": "yyyymmdd in the shop's time zone",
        "age": "days since the category's first sale",
        "amount": "gross sales: price * quantity, before discount",
        "discount": "money off",
        "net_amount": "amount - discount",
        "orders": "orders with a line of the category; do not add it up over categories, an order may be in several",
        "price": "amount a unit; on a day without a sale, that of the last one with any",
        "discount_share": "discount / amount; 0 on a day without a sale",
        "mean_7": "mean net_amount a day, of the 7 days that end here",
        "level_28": "mean net_amount a day, of the 28 days that end here, or of those since the first sale",
        "mean_91": "mean net_amount a day, of 91 days",
        "same_weekday_4": "mean net_amount of the last 4 days with this weekday, this one included",
        "year_ago_level": "level_28 of 364 days before; null where nothing was sold yet",
        "two_years_ago_level": "level_28 of 728 days before; null where nothing was sold yet",
        "price_7": "amount a unit, of 7 days; null when nothing was sold",
        "price_28": "amount a unit, of 28 days; null when nothing was sold",
        "price_91": "amount a unit, of 91 days; null when nothing was sold",
        "discount_share_7": "discount / amount, of 7 days; 0 when nothing was sold",
        "discount_share_28": "discount / amount, of 28 days; 0 when nothing was sold",
        "discount_share_91": "discount / amount, of 91 days; 0 when nothing was sold",
    },
)
def feature_sales_daily(daily: DataFrame) -> DataFrame:
    """What a forecast knows of a category at the end of a day: every column is made of that day and those before it.

    Sums are of decimals and divided last, so that no order of adding up can show.
    """
    sold = daily.where("date is not null and lines > 0")
    measures = [F.sum(name).cast(MEASURES.get(name, "bigint")).alias(name) for name in _SUMS]
    cells = sold.groupBy("category", "date").agg(*measures)
    firsts = cells.groupBy("category").agg(F.min("date").alias("_first"))
    lasts = cells.agg(F.max("date").alias("_last"))
    every = firsts.crossJoin(lasts).select("category", "_first", F.explode(F.expr("sequence(_first, _last)")).alias("date"))
    filled = every.join(cells, ["category", "date"], "left").select(
        "category",
        "date",
        F.datediff("date", "_first").cast("int").alias("age"),
        *[F.coalesce(F.col(name), F.lit(0)).cast(MEASURES.get(name, "bigint")).alias(name) for name in _SUMS],
    )
    return filled.select(
        F.date_format("date", "yyyyMMdd").cast("int").alias("date_key"),
        "date",
        "category",
        "age",
        *_SUMS,
        F.last(_ratio("amount", "units"), ignorenulls=True).over(_days(0, None)).alias("price"),
        _share(F.col("discount"), F.col("amount")).alias("discount_share"),
        *[_mean(days).alias(name) for name, days in (("mean_7", 7), ("level_28", 28), ("mean_91", 91))],
        _same_weekday(4).alias("same_weekday_4"),
        _mean(28, _YEAR).alias("year_ago_level"),
        _mean(28, 2 * _YEAR).alias("two_years_ago_level"),
        *[_rolling_ratio(days).alias(f"price_{days}") for days in (7, 28, 91)],
        *[_rolling_share(days).alias(f"discount_share_{days}") for days in (7, 28, 91)],
    )


def _days(ago: int, count: int | None) -> "Window":  # type: ignore[valid-type]
    """The `count` days of a category that end `ago` days before a row's; None: all up to there."""
    first = Window.unboundedPreceding if count is None else -(ago + count - 1)
    return Window.partitionBy("category").orderBy("date").rowsBetween(first, -ago)


def _sum(name: str, count: int, ago: int = 0) -> Column:
    return F.sum(name).over(_days(ago, count)).cast("double")


def _mean(count: int, ago: int = 0) -> Column:
    return _sum("net_amount", count, ago) / F.nullif(F.count(F.lit(1)).over(_days(ago, count)), F.lit(0))


def _same_weekday(weeks: int) -> Column:
    past = [F.lag("net_amount", 7 * week).over(Window.partitionBy("category").orderBy("date")) for week in range(weeks)]
    total = sum((F.coalesce(value, F.lit(0)) for value in past[1:]), past[0]).cast("double")
    return total / F.least(F.floor(F.col("age") / 7) + 1, F.lit(weeks))


def _ratio(above: str, below: str) -> Column:
    return F.col(above).cast("double") / F.nullif(F.col(below).cast("double"), F.lit(0.0))


def _rolling_ratio(count: int) -> Column:
    return _sum("amount", count) / F.nullif(_sum("units", count), F.lit(0.0))


def _share(discount: Column, amount: Column) -> Column:
    return F.coalesce(discount.cast("double") / F.nullif(amount.cast("double"), F.lit(0.0)), F.lit(0.0))


def _rolling_share(count: int) -> Column:
    return _share(_sum("discount", count), _sum("amount", count))
