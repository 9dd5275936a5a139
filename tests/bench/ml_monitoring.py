"""Planted drift on a shop's last year: how many plants are told the same day, and on how many quiet days there is an alarm."""

from datetime import date, timedelta
from pathlib import Path

import polars as pl

from ml.monitoring import daily

EVERY = 6  # days from one plant to the next


def measure(lake_root: Path) -> dict[str, float]:
    """`price_told` and `gone_told`, shares of plants told the same day; `false_alarms`, the share of quiet days with an alarm.

    A category that sells less than ten orders a day is left out: a day without one is nothing unusual.
    """
    gold = lake_root / "gold"
    fact = pl.read_delta(str(gold / "fact_sales"), columns=["date_key", "product_id", "price"])
    lines = fact.select(
        pl.col("date_key").cast(pl.String).str.to_date("%Y%m%d").alias("date"), "product_id", pl.col("price").cast(float)
    )
    orders = pl.read_delta(str(gold / "feature_sales_daily"), columns=["date", "category", "orders"])
    last: date = orders["date"].max()  # type: ignore[assignment]
    year = [last - timedelta(days=back) for back in range(364, -1, -1)]
    alarms = {
        one.date for one in [*daily.prices(lines, year), *daily.silence(orders, year), *daily.mix(orders, year)] if one.alert
    }
    usual = orders.group_by("category").agg(pl.col("orders").mean()).filter(pl.col("orders") >= 10)["category"].to_list()
    dearer, gone = [], []
    for day in year[::EVERY]:
        raised = pl.when(pl.col("date") >= day).then(pl.col("price") * 1.3).otherwise("price").alias("price")
        dearer.append(any(one.alert for one in daily.prices(lines.with_columns(raised), [day])))
        for category in usual:
            without = orders.filter((pl.col("date") < day) | (pl.col("category") != category))
            gone.append(any(one.alert and one.subject == category for one in daily.silence(without, [day])))
    return {
        "price_told": sum(dearer) / len(dearer),
        "price_plants": len(dearer),
        "gone_told": sum(gone) / len(gone),
        "gone_plants": len(gone),
        "false_alarms": len(alarms) / len(year),
    }
