"""Drift of the baskets that recommendations are asked about, and of what they answer.

The training kept no profile of them, and needs none: the days before its last one are still in gold.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ml.monitoring import drift, profile

if TYPE_CHECKING:
    import polars as pl

    from lake.delta import Lake
    from ml.recommend.served import Neighbours

DAYS = 28  # of baskets that are held against each other


def compared(lake: "Lake", served: Any, trained_to: date, last: date) -> Mapping[str, drift.Measured]:
    """PSI of DAYS of sale lines up to `last` against as many up to the training's last day: see `asked`. Empty without lines."""
    import polars as pl

    first = min(trained_to, last) - timedelta(days=DAYS)
    months: Any = [("sale_month", ">=", f"{first:%Y-%m}")]  # the fact is partitioned by it
    rows = pl.DataFrame(pl.from_arrow(lake.read("gold.fact_sales", columns=["date_key", "product_id"], filters=months)))
    lines = rows.select(pl.col("date_key").cast(pl.String).str.to_date("%Y%m%d").alias("date"), "product_id")
    return between(served, lines, trained_to, last)


def between(served: Any, lines: "pl.DataFrame", trained_to: date, last: date) -> Mapping[str, drift.Measured]:
    """The same from lines with date and product_id."""
    import polars as pl

    rows = lines.drop_nulls()
    then, now = (
        rows.filter(pl.col("date").is_between(end - timedelta(days=DAYS - 1), end))["product_id"] for end in (trained_to, last)
    )
    if then.is_empty() or now.is_empty():
        return {}
    model = cast("Neighbours", served)
    return drift.of(profile.of(asked(model, then)), asked(model, now))


def asked(model: "Neighbours", products: "pl.Series") -> "pl.DataFrame":
    """For each product that was sold its `popularity` (place in what sold most; null for one that the model does not know), and
    the `score` of the best recommendation beside it."""
    import polars as pl

    known = model.products.tolist()
    popularity = {known[place]: float(rank) for rank, place in enumerate(model.popular.tolist())}
    best = {}
    for number in products.unique().to_list():
        found, scores, _ = model.best(model.places([number]), 1)
        best[number] = scores[0] if found else 0.0
    numbers = products.to_list()
    places = [popularity.get(number, float("nan")) for number in numbers]
    return pl.DataFrame({"popularity": np.array(places), "score": np.array([best[number] for number in numbers])})
