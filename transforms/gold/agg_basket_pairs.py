"""gold.agg_basket_pairs"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.gold.agg_basket_pairs_monthly import MOST_PRODUCTS
from transforms.table import rebuild, table

# What happened once is chance, and most of the pairs there are.
_LEAST_ORDERS = 2


@table(
    grain=f"one row per two products that at least {_LEAST_ORDERS} orders had both",
    key=("product_a", "product_b"),
    reads=("gold.agg_basket_pairs_monthly",),
    update=rebuild(),  # a new order changes every pair's share of all orders
    rules=("support > 0 and support <= 1", "confidence_a_b <= 1 and confidence_b_a <= 1", "product_a < product_b"),
    columns={
        "product_a": "product_id, below product_b: each pair is there once",
        "product_b": "product_id",
        "orders": f"orders with both; of an order with more than {MOST_PRODUCTS} products only those that came first count",
        "orders_a": "orders with product_a",
        "orders_b": "orders with product_b",
        "orders_all": "all orders",
        "support": "orders / orders_all",
        "confidence_a_b": "orders / orders_a: who buys a also buys b so often",
        "confidence_b_a": "orders / orders_b",
        "lift": "how many times as often as if a and b had nothing to do with each other; above 1 they go together",
    },
)
def agg_basket_pairs(monthly: DataFrame) -> DataFrame:
    """What is bought together: support, confidence and lift of each pair of products, over all time."""
    summed = monthly.groupBy("product_a", "product_b").agg(F.sum("orders").alias("orders"))
    every = summed.filter("product_a is null").select(F.col("orders").alias("orders_all"))
    single = summed.filter("product_a = product_b")
    pairs = summed.filter(f"product_a < product_b and orders >= {_LEAST_ORDERS}")
    counted = (
        pairs.join(single.select("product_a", F.col("orders").alias("orders_a")), "product_a")
        .join(single.select("product_b", F.col("orders").alias("orders_b")), "product_b")
        .crossJoin(F.broadcast(every))
    )
    together = F.col("orders").cast("double")
    return counted.select(
        "product_a",
        "product_b",
        "orders",
        "orders_a",
        "orders_b",
        "orders_all",
        (together / F.col("orders_all")).alias("support"),
        (together / F.col("orders_a")).alias("confidence_a_b"),
        (together / F.col("orders_b")).alias("confidence_b_a"),
        (together * F.col("orders_all") / (F.col("orders_a").cast("double") * F.col("orders_b"))).alias("lift"),
    )
