from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.table import rebuild, table

DAYS = "explode(sequence(date'2023-01-01', date'2026-12-31', interval 1 day)) as date"


@table(
    grain="one row for each day",
    key="date_key",
    reads=["ref.products"],  # any input will do: the days are fixed, and a build with nothing new leaves them
    update=rebuild(),
)
def dim_date(products: DataFrame) -> DataFrame:
    """The days of the peer's calendar."""
    return (
        products.sparkSession.range(1)
        .selectExpr(DAYS)
        .select(
            F.date_format("date", "yyyyMMdd").cast("int").alias("date_key"),
            "date",
            F.year("date").alias("y"),
            F.quarter("date").alias("q"),
            F.month("date").alias("m"),
            (F.dayofweek("date") - 1).alias("dow"),  # the peer's Sunday is 0
        )
    )
