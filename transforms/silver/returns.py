"""silver.returns"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.table import by_key, source, table


@table(
    grain="one row per return",
    key="return_id",
    reads=(
        source(
            "bronze.shop.softcart.returns",
            {
                "return_id": "bigint",
                "rowid": "bigint",
                "quantity": "int",
                "reason": "string?",
                "returned_at": "timestamp",
                "refund": "decimal(12,2)",
            },
        ),
    ),
    update=by_key("bronze.shop.softcart.returns"),
    rules=("sale_id is not null", "quantity > 0", "refund >= 0", "returned_at >= timestamp '2000-01-01 00:00:00'"),
    columns={"refund": "money given back", "quantity": "units sent back"},
)
def returns(rows: DataFrame) -> DataFrame:
    """What came back: an event of its own date, not a change of the sale."""
    return rows.select(
        "return_id",
        F.col("rowid").alias("sale_id"),
        "quantity",
        F.lower(F.trim("reason")).alias("reason"),
        "returned_at",
        "refund",
        "_sequence",
        "_source_ts",
    )
