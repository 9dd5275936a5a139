"""silver.returns"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.table import by_key, lookup, source, table


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
        "silver.sales",
    ),
    update=by_key("bronze.shop.softcart.returns"),
    dated="returned_at",
    lookups={"silver.sales": lookup("rowid", of="sale_id", uses=("quantity",))},
    rules=(
        "sale_id is not null",
        "quantity > 0",
        # A line that was cancelled, or is in quarantine itself, is no reason to doubt the return.
        "sold_quantity is null or quantity <= sold_quantity",
        "refund >= 0",
        "returned_at >= timestamp '2000-01-01 00:00:00'",
    ),
    columns={"refund": "money given back", "quantity": "units sent back", "sold_quantity": "units of the line that came back"},
)
def returns(rows: DataFrame, sales: DataFrame) -> DataFrame:
    """What came back: an event of its own date, not a change of the sale."""
    sold = sales.select(F.col("sale_id").alias("rowid"), F.col("quantity").alias("sold_quantity"))
    return rows.join(sold, "rowid", "left").select(
        "return_id",
        F.col("rowid").alias("sale_id"),
        "quantity",
        "sold_quantity",
        F.lower(F.trim("reason")).alias("reason"),
        "returned_at",
        "refund",
        "_sequence",
        "_source_ts",
    )
