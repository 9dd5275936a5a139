"""gold.dim_channel"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.table import rebuild, table


@table(
    grain="one row per sales channel",
    key="channel_key",
    reads=("silver.orders",),
    update=rebuild(),
    unknown=True,
    columns={"channel_key": "hash of the name; -1 is unknown: a sale without an order"},
)
def dim_channel(orders: DataFrame) -> DataFrame:
    """Channels through which orders came."""
    channels = orders.filter("channel is not null").select("channel").distinct()
    return channels.select(F.xxhash64("channel").alias("channel_key"), "channel")
