"""gold.dim_country"""

from pyspark.sql import DataFrame

from transforms.table import rebuild, table


@table(
    grain="one row per country",
    key="country_key",
    reads=("gold.dim_customer",),
    update=rebuild(),
    unknown=True,
    columns={"country_key": "hash of the name; -1 is unknown"},
)
def dim_country(dim_customer: DataFrame) -> DataFrame:
    """Countries that a customer lives or has lived in."""
    return dim_customer.filter("country_key <> -1").select("country_key", "country").distinct()
