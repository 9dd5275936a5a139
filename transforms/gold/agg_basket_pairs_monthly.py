"""gold.agg_basket_pairs_monthly"""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from transforms.table import by_group, table

# A basket of n products has n (n - 1) / 2 pairs: one wholesale order of 5,000 would have 12 million. So many count at most.
MOST_PRODUCTS = 50


@table(
    grain="one row per month and two products that an order had; a product with itself: its orders; null with null: all orders",
    key=("sale_month", "product_a", "product_b"),
    reads=("gold.fact_sales",),
    update=by_group("sale_month"),
    columns={
        "product_a": "product_id, not above product_b",
        "product_b": "product_id",
        "orders": f"orders with both; of an order with more than {MOST_PRODUCTS} products only those that came first count",
    },
)
def agg_basket_pairs_monthly(sales: DataFrame) -> DataFrame:
    """How often two products were in one order, month by month: what gold.agg_basket_pairs adds up."""
    baskets = first_products(sales.filter("product_id is not null")).select("sale_month", "order_id", "product_id")
    one = baskets.withColumnRenamed("product_id", "product_a")
    other = baskets.withColumnRenamed("product_id", "product_b")
    pairs = one.join(other, ["sale_month", "order_id"]).filter("product_a <= product_b")
    nothing = F.lit(None).cast("bigint")
    every = baskets.select("sale_month", "order_id").distinct()
    whole = every.select("sale_month", "order_id", nothing.alias("product_a"), nothing.alias("product_b"))
    rows = pairs.select(*whole.columns).unionByName(whole)
    return rows.groupBy("sale_month", "product_a", "product_b").agg(F.count("*").alias("orders"))


def first_products(lines: DataFrame) -> DataFrame:
    """Each product of an order once, and no more than MOST_PRODUCTS of an order: those with the lowest sale_id."""
    products = lines.groupBy("sale_month", "order_id", "product_id").agg(F.min("sale_id").alias("_first"))
    place = F.row_number().over(Window.partitionBy("sale_month", "order_id").orderBy("_first"))
    return products.withColumn("_place", place).filter(f"_place <= {MOST_PRODUCTS}")
