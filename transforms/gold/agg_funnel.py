"""gold.agg_funnel"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.table import by_group, table

# Each step and what shows that a visit got that far. A visit that got further got here too: shops have short cuts.
_STEPS = {"product": "products > 0", "cart": "carts > 0", "checkout": "checkouts > 0", "ordered": "orders > 0"}


@table(
    grain="one row per day and traffic channel that had visits",
    key=("date_key", "traffic_channel"),
    reads=("gold.fact_web_sessions",),
    update=by_group("date_key"),
    dated="date_key",
    rules=("visits >= product and product >= cart and cart >= checkout and checkout >= ordered",),
    columns={
        "date_key": "day on which the visit began, in the shop's time zone",
        "visits": "visits of people",
        "product": "… of them that saw a product, or got further",
        "cart": "… that used the cart, or got further",
        "checkout": "… that went to the checkout, or got further",
        "ordered": "… that placed an order",
        "bots": "visits of programs, which count nowhere else",
    },
)
def agg_funnel(sessions: DataFrame) -> DataFrame:
    """From visit to order: how many visits of each day got how far."""
    steps, reached = list(_STEPS), {}
    for place, step in enumerate(steps):
        reached[step] = " or ".join(_STEPS[later] for later in steps[place:])
    counts = {"visits": "true", **reached}
    return sessions.groupBy("date_key", "traffic_channel").agg(
        *(F.sum(F.expr(f"case when not is_bot and ({shown}) then 1 else 0 end")).alias(name) for name, shown in counts.items()),
        F.sum(F.expr("case when is_bot then 1 else 0 end")).alias("bots"),
    )
