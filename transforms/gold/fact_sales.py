"""gold.fact_sales"""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from transforms.gold._time import date_key, local_date
from transforms.table import by_key, references, table


@table(
    grain="one row per sale line",
    key="sale_id",
    reads=("silver.sales", "silver.orders", "gold.dim_customer", "gold.dim_product", "ref.shop"),
    update=by_key("silver.sales"),
    lookups={
        # The discount of an order is shared by its lines: one that changes touches the others.
        "silver.sales": "order_id",
        "silver.orders": "order_id",
        "gold.dim_customer": "customer_id",
        "gold.dim_product": "product_id",
    },
    partition_by="sale_month",
    dated="sold_at",
    rules=(
        "quantity > 0",
        "amount = price * quantity",
        "net_amount = amount - discount",
        references("customer_key", "gold.dim_customer"),
        references("product_key", "gold.dim_product"),
        references("country_key", "gold.dim_country"),
        references("channel_key", "gold.dim_channel"),
    ),
    columns={
        "date_key": "day of the sale in the shop's time zone",
        "customer_id": "the shop's number of the customer, whatever the version",
        "product_id": "the shop's number of the product, whatever the version",
        "customer_key": "the version of the customer that held at the sale; -1 where there is none",
        "product_key": "the version of the product that held at the sale; -1 where there is none",
        "amount": "price * quantity, before discount",
        "discount": "this line's share of its order's discount, in proportion to amount, exact to the cent",
        "net_amount": "amount - discount",
        "cost": "cost of the units when they were sold; null where the product or its cost is unknown",
        "sale_month": "yyyy-mm of date_key; the table is partitioned by it",
    },
)
def fact_sales(sales: DataFrame, orders: DataFrame, customers: DataFrame, products: DataFrame, shop: DataFrame) -> DataFrame:
    """Each sale line with its share of the discount and the versions of customer and product that held when it was sold."""
    headed = sales.join(orders.select("order_id", "channel", F.col("discount").alias("order_discount")), "order_id", "left")
    customers = customers.filter("customer_key <> -1").select(
        "customer_key", "customer_id", "country_key", F.col("valid_from").alias("from_c"), F.col("valid_to").alias("to_c")
    )
    products = products.filter("product_key <> -1").select(
        "product_key",
        "product_id",
        F.col("cost").alias("unit_cost"),
        F.col("valid_from").alias("from_p"),
        F.col("valid_to").alias("to_p"),
    )
    sold_by = F.expr("c.customer_id = s.customer_id and s.sold_at >= c.from_c and s.sold_at < c.to_c")
    sold_of = F.expr("p.product_id = s.product_id and s.sold_at >= p.from_p and s.sold_at < p.to_p")
    placed = shared(headed).alias("s").join(customers.alias("c"), sold_by, "left").join(products.alias("p"), sold_of, "left")
    dated = placed.crossJoin(F.broadcast(shop.select("time_zone"))).withColumn("day", local_date("s.sold_at"))
    return dated.select(
        "sale_id",
        "order_id",
        date_key("day").alias("date_key"),
        "s.customer_id",
        "s.product_id",
        F.coalesce("customer_key", F.lit(-1).cast("bigint")).alias("customer_key"),
        F.coalesce("product_key", F.lit(-1).cast("bigint")).alias("product_key"),
        F.coalesce("country_key", F.lit(-1).cast("bigint")).alias("country_key"),
        F.when(F.col("channel").isNull(), F.lit(-1).cast("bigint")).otherwise(F.xxhash64("channel")).alias("channel_key"),
        "quantity",
        "price",
        "amount",
        "discount",
        F.expr("cast(amount - discount as decimal(18,2))").alias("net_amount"),
        F.expr("cast(unit_cost * quantity as decimal(18,2))").alias("cost"),
        "sold_at",
        F.date_format("day", "yyyy-MM").alias("sale_month"),
    )


def shared(lines: DataFrame) -> DataFrame:
    """Lines with column `discount`: the share of `order_discount` in proportion to `amount`, in cents that add up to it.

    Each line gets what rounding the running share up to and with it adds, so the last line takes the remainder. An order whose
    lines cost nothing gives the whole discount to its last line.
    """
    order = Window.partitionBy("order_id").orderBy("sale_id")
    running = order.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    whole = Window.partitionBy("order_id")
    cents = F.expr("cast(amount * 100 as bigint)")
    counted = (
        lines.withColumn("_upto", F.sum(cents).over(running))
        .withColumn("_total", F.sum(cents).over(whole))
        .withColumn("_last", F.lead("sale_id").over(order).isNull())
        .withColumn("_off", F.expr("coalesce(cast(order_discount * 100 as bigint), 0)"))
    )
    # Whole cents, rounded half up: (2 a + b) div 2 b. Decimals of 38 digits, since a product of two sums may pass 64 bits.
    twice_off, twice_total = "cast(2 * _off as decimal(19,0))", "cast(2 * _total as decimal(19,0))"
    due = f"cast(({twice_off} * cast(_upto as decimal(18,0)) + _total) div {twice_total} as bigint)"
    reached = counted.withColumn("_due", F.expr(f"case when _last then _off when _total = 0 then 0 else {due} end"))
    share = F.col("_due") - F.coalesce(F.lag("_due").over(order), F.lit(0))
    return reached.withColumn("discount", (share.cast("decimal(18,0)") / 100).cast("decimal(18,2)")).drop(
        "_upto", "_total", "_last", "_off", "_due", "order_discount"
    )
