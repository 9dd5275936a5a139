"""silver.customers"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.table import by_key, source, table


@table(
    grain="one row per customer",
    key="customer_id",
    reads=(
        source(
            "bronze.shop.softcart.customers",
            {
                "customer_id": "bigint",
                "name": "string",
                "email": "string",
                "city": "string",
                "country": "string",
                "birth_date": "date?",
                "marketing_consent": "boolean?",
                "created_at": "timestamp?",
                "updated_at": "timestamp?",
            },
        ),
        "ref.shop",
    ),
    update=by_key("bronze.shop.softcart.customers"),
    rules=(
        "customer_id is not null",
        "email is null or email like '%_@_%'",
        "country <> ''",
        "birth_date is null or birth_date <= cast(_source_ts as date)",
    ),
    pii=("name", "email", "email_hash", "birth_date"),
    columns={
        "email": "trimmed, in small letters; stays in silver",
        "email_hash": "SHA-256 of the lake's salt and the email, to tell people apart without naming them",
    },
)
def customers(rows: DataFrame, shop: DataFrame) -> DataFrame:
    """Who buys: the present state of each customer account."""
    email = F.lower(F.trim("email"))
    return rows.crossJoin(F.broadcast(shop.select("salt"))).select(
        "customer_id",
        F.trim("name").alias("name"),
        email.alias("email"),
        F.sha2(F.concat("salt", email), 256).alias("email_hash"),
        F.trim("city").alias("city"),
        F.trim("country").alias("country"),
        "birth_date",
        "marketing_consent",
        "created_at",
        "updated_at",
        "_sequence",
        "_source_ts",
    )
