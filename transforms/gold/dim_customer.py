"""gold.dim_customer"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.table import history, table


@table(
    grain="one row per version of a customer",
    key="customer_key",
    reads=("changes.customers",),
    update=history(
        ("name", "email_hash", "city", "country", "birth_date", "marketing_consent"), of="customer_id", valid_from="updated_at"
    ),
    unknown=True,
    pii=("name", "email_hash", "birth_date"),
    columns={
        "customer_key": "hash of customer_id and the version's beginning; -1 is the unknown customer",
        "valid_from": "the version holds from here on; the first one from the beginning of time",
        "valid_to": "… up to here, exclusive",
        "country_key": "hash of the country, as in dim_country; -1 is unknown",
    },
)
def dim_customer(versions: DataFrame) -> DataFrame:
    """Customers as they were at any time (type 2)."""
    country_key = F.when(F.col("country").isNull(), F.lit(-1)).otherwise(F.xxhash64("country")).cast("bigint")
    return versions.select(
        "customer_key",
        "customer_id",
        "name",
        "email_hash",
        "city",
        "country",
        country_key.alias("country_key"),
        "birth_date",
        "marketing_consent",
        F.col("created_at").cast("date").alias("created_date"),
        "valid_from",
        "valid_to",
        "is_current",
    )
