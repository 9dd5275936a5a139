"""Who must be trained again: a model with an alert that no training has answered, asked for at most once a week.

What was asked is remembered in meta.training_requests once it was told to somebody who can train. An alert that nobody heard of,
as `cartlake run score` finds it without a Prefect server, is therefore told by the next scoring that has one.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from ml.life import facts
from ml.monitoring.table import ALERT, NAME

if TYPE_CHECKING:
    import polars as pl

    from lake.delta import Lake

REQUESTS = "meta.training_requests"
PATIENCE = timedelta(days=7)  # in which a model is asked for once, even where that training failed


def wanted(alerts: "pl.DataFrame", trained: Mapping[str, date], asked: Mapping[str, date], day: date) -> dict[str, str]:
    """Model -> why it must be trained again: its newest alert on a day that its last training did not know.

    `alerts` has model, date and detail; `trained` the last day that each model's last training knew; `asked` the day that each
    was asked for last. The newest day that was measured is `day`.
    """
    found: dict[str, str] = {}
    for model, on, detail in alerts.sort("date", "detail").select("model", "date", "detail").iter_rows():
        answered = model in trained and on <= trained[model]
        waiting = model in asked and day - asked[model] < PATIENCE
        if not answered and not waiting:
            found[model] = f"{on}: {detail}"
    return found


def standing(lake: "Lake", day: date) -> dict[str, str]:
    """`wanted` by what the lake holds, after the day's monitoring was written."""
    import polars as pl

    columns = ["model", "date", "detail"]
    alerts = pl.DataFrame(pl.from_arrow(lake.read(NAME, columns=columns, filters=[("status", "=", ALERT)])))
    trained = {model: date.fromisoformat(fact["last_day"]) for model, fact in facts.last(lake).items() if fact.get("last_day")}
    return wanted(alerts, trained, asked(lake), day)


def asked(lake: "Lake") -> dict[str, date]:
    """The day for which each model was asked for last."""
    if not lake.exists(REQUESTS):
        return {}
    rows = sorted(lake.read(REQUESTS, columns=["model", "day"]).to_pylist(), key=lambda row: row["day"])
    return {row["model"]: row["day"] for row in rows}


def remember(lake: "Lake", because: Mapping[str, str], day: date) -> None:
    """Note that trainings were asked for. Killed before it, a scoring asks again: a training too many, and none too few."""
    import pyarrow as pa

    text, at = pa.string(), pa.timestamp("us", tz="UTC")
    schema = pa.schema([("model", text), ("day", pa.date32()), ("because", text), ("asked_at", at)])
    rows = [{"model": model, "day": day, "because": why, "asked_at": datetime.now(UTC)} for model, why in because.items()]
    if rows:
        lake.create(REQUESTS, schema, comment="One row per training that monitoring asked for; `day` was the last one measured.")
        lake.append(REQUESTS, pa.Table.from_pylist(rows, schema))
