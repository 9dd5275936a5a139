"""The day's monitoring: measure what was not measured yet, write it to gold.model_monitoring, say who must be trained again."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from ml.customers.days import as_of
from ml.errors import TooLittleData
from ml.model import Model
from ml.monitoring import daily, drift, realised
from ml.monitoring.daily import Found
from ml.monitoring.table import ALERT, MONITORING, NAME, OK, WARN
from ml.reader import Gold

if TYPE_CHECKING:
    import polars as pl

    from lake.config import Settings
    from lake.delta import Lake
    from ml.life.champion import Champion

_MOST_DAYS = 35  # that are caught up with after a pause
PATIENCE = timedelta(days=7)  # in which an alert of a model asks for no second training
FORECAST, REPEAT = "sales_forecast", "repeat_purchase"
_SALES, _CUSTOMERS = "gold.feature_sales_daily", "gold.feature_customer"


def watch(
    lake: "Lake", settings: "Settings", today: date, champions: "Mapping[str, Champion]", known: Mapping[str, Model]
) -> "pl.DataFrame":
    """Rows of gold.model_monitoring for the days since the last one measured, up to the last complete day. Nothing is written."""
    import polars as pl

    parts: list[pl.DataFrame] = []
    days = unseen(lake, today)
    if FORECAST in champions and days:
        champion = champions[FORECAST]
        parts.append(_rows(FORECAST, champion.version, _of_sales(lake, days, champion)))
    if REPEAT in champions and days:
        parts.append(_rows(REPEAT, champions[REPEAT].version, _of_customers(lake, days)))
    for name, champion in champions.items():
        inputs = getattr(known[name], "inputs", None)
        if inputs and days and champion.profile:
            try:
                asked = inputs(Gold(lake, known[name].reads), settings, today)
            except TooLittleData:
                continue
            said = pl.from_pandas(champion.served.predict(asked.to_pandas()))
            measured = drift.of(champion.profile, asked.hstack(said))
            parts.append(_rows(name, champion.version, _drifted(days[-1], measured)))
    return pl.concat(parts) if parts else _rows("", 0, [])


def unseen(lake: "Lake", today: date) -> list[date]:
    """The complete days that gold.model_monitoring does not have yet, the last complete one always among them."""
    import polars as pl

    try:
        last = as_of(Gold(lake, [_CUSTOMERS]).table(_CUSTOMERS, columns=["date", "last_date"]), today) - timedelta(days=1)
    except TooLittleData:
        return []
    seen = pl.DataFrame(pl.from_arrow(lake.read(NAME, columns=["date"])))["date"].max() if lake.exists(NAME) else None
    first = min(max(seen + timedelta(days=1), last - timedelta(days=_MOST_DAYS - 1)), last) if isinstance(seen, date) else last
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def retrain(rows: "pl.DataFrame", before: "pl.DataFrame") -> dict[str, str]:
    """Model -> why it must be trained again: its newest alert, unless there was one in the PATIENCE before."""
    import polars as pl

    asked: dict[str, str] = {}
    alerts = rows.filter(pl.col("status") == ALERT).sort("date")
    for model, day, detail in alerts.select("model", "date", "detail").iter_rows():
        recent = before.filter(
            (pl.col("model") == model) & (pl.col("status") == ALERT) & (pl.col("date") < day) & (pl.col("date") >= day - PATIENCE)
        )
        if recent.is_empty():
            asked[model] = f"{day}: {detail}"
    return asked


def _of_sales(lake: "Lake", days: list[date], champion: "Champion") -> list[Found]:
    import polars as pl

    from ml.forecast.tables import HISTORY

    sales = Gold(lake, [_SALES]).table(_SALES, columns=["date", "category", "orders", "net_amount"])
    orders = sales.select("date", "category", "orders")
    found = daily.silence(orders, days) + daily.mix(orders, days) + daily.prices(_lines(lake, days), days)
    if lake.exists(HISTORY):
        history = pl.DataFrame(pl.from_arrow(lake.read(HISTORY)))
        for day in days:
            found += realised.forecast(history, sales, day, champion.metrics.get("mase", float("nan")))
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
    said = pl.DataFrame(pl.from_arrow(lake.read(history, columns=["as_of_date", "customer_id", "repeat_probability"])))
    customers = Gold(lake, [_CUSTOMERS]).table(_CUSTOMERS)
    return [one for day in days for one in realised.repeat(said, customers, day)]


def _drifted(day: date, measured: Mapping[str, float]) -> list[Found]:
    return [
        Found(day, "psi", name, value, drift.ALERT, value >= drift.ALERT, f"{name}: PSI {value:.3f} against the training data")
        for name, value in measured.items()
    ]


def _rows(model: str, version: int, found: Iterable[Found]) -> "pl.DataFrame":
    import polars as pl

    def status(one: Found) -> str:
        if one.alert:
            return ALERT
        return WARN if one.metric == "psi" and one.value >= drift.WARN else OK

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
