"""What a training leaves in the lake: the forecast in gold, and one fact about itself in meta.trainings."""

import json
import subprocess
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lake.config import Settings
from ml.panel import TOTAL
from ml.registry import MODEL
from ml.tables import FORECAST, tables

if TYPE_CHECKING:
    import pyarrow as pa

    from lake.delta import Lake

TRAININGS = "meta.trainings"
_MONEY = ("forecast", "lower", "upper", "gross_forecast")


def write(lake: "Lake", rows: "pa.Table", version: int, trained_to: date, source_version: int) -> bool:
    """Replace gold.forecast_sales unless it says the same (`made_on` and `source_version` aside). True when it was written.

    `rows` has date, category and money as floats; `version` 0 stands for the seasonal naive forecast.
    """
    import polars as pl

    frame = pl.DataFrame(pl.from_arrow(rows))
    cents = [pl.col(name).round(2).cast(pl.Decimal(18, 2)) for name in _MONEY]
    frame = _adding_up(frame.with_columns(cents)).select(
        pl.col("date").dt.strftime("%Y%m%d").cast(pl.Int32).alias("date_key"),
        "date",
        "category",
        *_MONEY,
        pl.lit(MODEL if version else "seasonal_naive").alias("model"),
        pl.lit(version, pl.Int64).alias("model_version"),
        pl.lit(trained_to).alias("trained_to"),
        pl.lit(source_version, pl.Int64).alias("source_version"),
        pl.lit(datetime.now(UTC).date()).alias("made_on"),
    )
    made = _plain(frame)
    described = tables()[FORECAST]
    lake.create(FORECAST, made.schema, comment=described.doc, comments=described.comments)
    stored = pl.DataFrame(pl.from_arrow(lake.read(FORECAST)))
    if _content(stored).equals(_content(frame)):
        return False
    lake.overwrite(FORECAST, made)
    return True


def _adding_up(frame: Any) -> Any:
    """The total's forecasts as sums of the categories' cents, so that rounding leaves no gap."""
    import polars as pl

    summed, is_total = ("forecast", "gross_forecast"), pl.col("category") == TOTAL
    total = frame.filter(~is_total).group_by("date").agg(pl.col(summed).sum().cast(pl.Decimal(18, 2)))
    joined = frame.join(total, on="date", how="left", suffix="_sum")
    whole = [pl.when(is_total).then(pl.col(f"{name}_sum")).otherwise(pl.col(name)).alias(name) for name in summed]
    return joined.with_columns(whole).drop([f"{name}_sum" for name in summed])


def _content(frame: Any) -> Any:
    return frame.drop("made_on", "source_version").sort("date_key", "category")


def _plain(frame: Any) -> "pa.Table":
    from lake.parquet import plain

    rows = frame.to_arrow()
    return rows.cast(plain(rows.schema))


def remember(lake: "Lake", model: str, fingerprint: str, source_version: int, fact: dict[str, Any]) -> None:
    """Append a training as a fact; the last one of a model holds."""
    import pyarrow as pa

    row = {
        "model": model,
        "fingerprint": fingerprint,
        "source_version": source_version,
        "trained_at": datetime.now(UTC),
        "fact": json.dumps(fact, sort_keys=True),
    }
    schema = pa.schema(
        [
            ("model", pa.string()),
            ("fingerprint", pa.string()),
            ("source_version", pa.int64()),
            ("trained_at", pa.timestamp("us", tz="UTC")),
            ("fact", pa.string()),
        ]
    )
    lake.create(TRAININGS, schema, comment="One row per training of a model; `fact` is JSON: version, errors, verdict.")
    lake.append(TRAININGS, pa.Table.from_pylist([row], schema))


def last_training(lake: "Lake", model: str) -> dict[str, Any] | None:
    """The last training of a model, or None."""
    if not lake.exists(TRAININGS):
        return None
    facts = [row for row in lake.read(TRAININGS).to_pylist() if row["model"] == model]
    if not facts:
        return None
    last = max(facts, key=lambda row: row["trained_at"])
    return {"fingerprint": last["fingerprint"], **json.loads(last["fact"])}


def release(settings: Settings) -> int | None:
    """Number of the warehouse's newest release; None before the first publish."""
    import duckdb

    if not settings.warehouse.path.exists():
        return None
    try:
        with duckdb.connect(str(settings.warehouse.path), read_only=True) as connection:
            found = connection.execute("SELECT max(release) FROM meta.releases").fetchone()
    except duckdb.Error:  # only a tag: a warehouse that cannot be read is publish's to report
        return None
    return found[0] if found else None


def commit() -> str:
    """The git commit of this checkout; empty when it is none, or there is no git."""
    here = Path(__file__).resolve().parent
    try:
        command = ["git", "rev-parse", "--verify", "HEAD"]
        said = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return said.stdout.strip() if said.returncode == 0 else ""
