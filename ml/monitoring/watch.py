"""The day's monitoring: measure what was not measured yet, as rows of gold.model_monitoring."""

import logging
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from ml.customers.days import as_of
from ml.errors import TooLittleData
from ml.model import Model
from ml.monitoring import baskets, daily, drift, realised
from ml.monitoring.daily import Found
from ml.monitoring.table import ALERT, MONITORING, NAME, OK, WARN
from ml.reader import Gold

if TYPE_CHECKING:
    import polars as pl

    from lake.config import Settings
    from lake.delta import Lake
    from ml.life.champion import Champion

log = logging.getLogger(__name__)
_MOST_DAYS = 35  # that are caught up with after a pause
FORECAST, REPEAT, BASKETS = "sales_forecast", "repeat_purchase", "recommendations"
_SALES, _CUSTOMERS = "gold.feature_sales_daily", "gold.feature_customer"


def watch(
    lake: "Lake", settings: "Settings", today: date, champions: "Mapping[str, Champion]", known: Mapping[str, Model]
) -> "tuple[pl.DataFrame, dict[str, str]]":
    """Rows of gold.model_monitoring for the days since the last one measured, up to the last complete day. Nothing is written.

    A model that cannot be measured is in the second part, with its error: its days are caught up with another time.
    """
    import polars as pl

    parts, failed = [_rows("", 0, [])], dict[str, str]()
    last, seen = _last_day(lake, today), measured(lake)
    for name, champion in champions.items() if last else ():
        assert last is not None
        try:
            found = _found(lake, settings, today, known[name], champion, unseen(seen.get(name), last))
        except Exception as error:  # one model's defect is no reason to watch none
            log.exception("monitoring of %s", name)
            failed[name] = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            continue
        parts.append(_rows(name, champion.version, found))
    return pl.concat(parts), failed


def unseen(seen: date | None, last: date) -> list[date]:
    """The complete days after the last one measured, the last complete one always among them."""
    first = min(max(seen + timedelta(days=1), last - timedelta(days=_MOST_DAYS - 1)), last) if seen else last
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def measured(lake: "Lake") -> dict[str, date]:
    """The newest day of each model that gold.model_monitoring has."""
    import polars as pl

    if not lake.exists(NAME):
        return {}
    rows = pl.DataFrame(pl.from_arrow(lake.read(NAME, columns=["model", "date"])))
    return dict(rows.group_by("model").agg(pl.col("date").max()).iter_rows())


def _last_day(lake: "Lake", today: date) -> date | None:
    try:
        return as_of(Gold(lake, [_CUSTOMERS]).table(_CUSTOMERS, columns=["date", "last_date"]), today) - timedelta(days=1)
    except TooLittleData:
        return None


def _found(lake: "Lake", settings: "Settings", today: date, model: Model, champion: "Champion", days: list[date]) -> list[Found]:
    found: list[Found] = []
    if model.name == FORECAST:
        found += _of_sales(lake, days, champion)
    if model.name == REPEAT:
        found += _of_customers(lake, days)
    if model.name == BASKETS:
        trained_to = date.fromisoformat(champion.tags["last_day"])
        return found + _drifted(days[-1], baskets.compared(lake, champion.served, trained_to, days[-1]))
    return found + _drifted(days[-1], _compared(lake, settings, today, model, champion))


def _compared(
    lake: "Lake", settings: "Settings", today: date, model: Model, champion: "Champion"
) -> Mapping[str, drift.Measured]:
    """PSI of what the champion is asked now, and of what it answers, by column."""
    import polars as pl

    inputs = getattr(model, "inputs", None)
    if not inputs or not champion.profile:
        return {}
    try:
        reader = Gold(lake, model.reads)
        asked = inputs(reader, settings, today)
    except TooLittleData:
        return {}
    outputs = getattr(model, "outputs", None)
    if outputs:
        said = outputs(reader, settings, today, champion.served)
    else:
        said = pl.from_pandas(champion.served.predict(asked.to_pandas()))
    return {**drift.of(champion.profile, asked), **drift.of(champion.profile, said)}


def _of_sales(lake: "Lake", days: list[date], champion: "Champion") -> list[Found]:
    import polars as pl

    from ml.forecast.tables import HISTORY

    sales = Gold(lake, [_SALES]).table(_SALES, columns=["date", "category", "orders", "net_amount"])
    orders = sales.select("date", "category", "orders")
    found = daily.silence(orders, days) + daily.mix(orders, days) + daily.prices(_lines(lake, days), days)
    if lake.exists(HISTORY):
        since: Any = [("date", ">", days[0] - timedelta(days=realised.WINDOW))]
        history = pl.DataFrame(pl.from_arrow(lake.read(HISTORY, filters=since)))
        for day in days:
            found += realised.forecast(history, sales, day, champion.metrics, champion.version)
    return found


def _lines(lake: "Lake", days: list[date]) -> "pl.DataFrame":
    import polars as pl

    first = days[0] - timedelta(days=daily.PAST)
    asked: Any = [("sale_month", ">=", f"{first:%Y-%m}")]  # the fact is partitioned by it
    rows = pl.DataFrame(pl.from_arrow(lake.read("gold.fact_sales", columns=["date_key", "product_id", "price"], filters=asked)))
    return rows.select(pl.col("date_key").cast(pl.String).str.to_date("%Y%m%d").alias("date"), "product_id", "price")


def _of_customers(lake: "Lake", days: list[date]) -> list[Found]:
    import polars as pl

    history = "gold.customer_scores_history"
    if not lake.exists(history):
        return []
    columns, then = ["as_of_date", "customer_id", "repeat_probability"], [day - realised.REPEAT_LAG for day in days]
    said = pl.DataFrame(pl.from_arrow(lake.read(history, columns=columns, filters=[("as_of_date", "in", then)])))
    customers = Gold(lake, [_CUSTOMERS]).table(_CUSTOMERS)
    return [one for day in days for one in realised.repeat(said, customers, day)]


def _drifted(day: date, measured: Mapping[str, drift.Measured]) -> list[Found]:
    return [
        Found(day, "psi", name, one.psi, one.limit, one.psi >= one.limit, f"{name}: PSI {one.psi:.3f} against the training data")
        for name, one in measured.items()
    ]


def _rows(model: str, version: int, found: Iterable[Found]) -> "pl.DataFrame":
    import polars as pl

    def status(one: Found) -> str:
        if one.alert:
            return ALERT
        return WARN if one.metric == "psi" and one.value >= one.threshold * drift.WARN / drift.ALERT else OK

    columns = [
        (one.date, model, one.metric, one.subject, one.value, one.threshold, status(one), one.detail, version) for one in found
    ]
    kinds = {
        "date": pl.Date,
        **dict.fromkeys(("model", "metric", "subject"), pl.String),
        **dict.fromkeys(("value", "threshold"), pl.Float64),
        **dict.fromkeys(("status", "detail"), pl.String),
        "model_version": pl.Int64,
    }
    assert list(kinds) == list(MONITORING.comments)
    return pl.DataFrame(columns, schema=kinds, orient="row")
