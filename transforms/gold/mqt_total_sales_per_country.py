"""gold.mqt_total_sales_per_country"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.table import by_group, table


@table(
    grain="one row per country that sold something or got something back",
    key="country",
    reads=("gold.agg_sales_by_category_country",),
    update=by_group("country"),
    columns={"total_sales": "gross sales of all time", "net_sales": "after discounts and returns"},
)
def mqt_total_sales_per_country(cells: DataFrame) -> DataFrame:
    """Total sales by country: the materialized query table of Db2, kept by change instead of by REFRESH TABLE."""
    return cells.groupBy("country").agg(
        F.sum("amount").cast("decimal(18,2)").alias("total_sales"), F.sum("net_sales").cast("decimal(18,2)").alias("net_sales")
    )
