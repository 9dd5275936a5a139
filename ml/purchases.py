"""A purchase log from elsewhere as a small lake of its own, so that the models of customers train and score on it.

The layout is CDNOW's: columns parted by spaces, a line per purchase: customer, date as yyyymmdd, units, value. The published
sample has a second customer number after the first; then the second is taken. Line 1 may hold the names of the columns.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lake.config import Settings
from lake.errors import PermanentFailure, UsageError

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

FEATURES, EXPECTED = "gold.feature_customer", "gold.customer_expected_purchases"
WEEKS = 39.0  # that are foretold: what the literature on CDNOW's log asks about
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


@dataclass(frozen=True)
class Imported:
    """The lake of a log: `settings` are the given ones with another data folder; `expected` purchases in the WEEKS to come."""

    settings: Settings
    name: str
    customers: int
    purchases: int
    first: date
    last: date
    expected: float


def import_purchases(settings: Settings, file: Path, name: str | None = None) -> Imported:
    """Read the log into a lake in data/purchases/<name>: gold.feature_customer, and how many purchases each customer is expected
    to make. Doing it again replaces what was there.

    PermanentFailure that names the line where one is not as it must be; then nothing is changed.
    """
    from lake.delta import Lake
    from lake.lock import hold

    called = name or re.sub(r"[^a-z0-9_-]+", "-", file.stem.lower()).strip("-")
    if not _NAME.fullmatch(called):
        raise UsageError(f"--name {called!r}: expected small letters, digits, - and _")
    rows = read(file)
    data = settings.data / "purchases" / called
    ml = settings.ml.model_copy(
        update={"artifacts": data / "mlflow" / "artifacts", "tracking_uri": f"sqlite:///{data / 'mlflow' / 'mlflow.db'}"}
    )
    own = settings.model_copy(
        update={"data": data, "ml": ml, "warehouse": settings.warehouse.model_copy(update={"path": data / "warehouse.duckdb"})}
    )
    days, expected = rows["date"], _expected(rows)
    made = {FEATURES: _features(own, rows), EXPECTED: expected.to_arrow()}
    lake = Lake(own.lake_root)
    with hold(data, "build", wait=60):
        for table, content in made.items():
            lake.create(table, content.schema)
            lake.overwrite(table, content)
    total = expected["expected_purchases"].sum()
    return Imported(own, called, expected.height, rows.height, days.min(), days.max(), total)  # type: ignore[arg-type]


def read(file: Path) -> "pl.DataFrame":
    """customer_id, date, units, value of each line. PermanentFailure names the first line that is wrong."""
    import polars as pl

    found: list[tuple[int, date, int, Decimal]] = []
    width = 0
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PermanentFailure(f"{file} cannot be read: {error}") from error
    for number, line in enumerate(lines, start=1):
        parts = line.split()
        if not parts or (number == 1 and _are_names(parts)):
            continue
        width = width or len(parts)
        try:
            found.append(_purchase(parts, width))
        except (ValueError, InvalidOperation):
            expected = "customer, yyyymmdd, units, value"
            raise PermanentFailure(f"{file}, line {number}: expected {expected}, found {line.strip()[:80]!r}") from None
    if not found:
        raise PermanentFailure(f"{file} holds no purchase: expected lines of customer, yyyymmdd, units, value")
    kinds: Any = {"customer_id": pl.Int64, "date": pl.Date, "units": pl.Int64, "value": pl.Decimal(18, 2)}
    return pl.DataFrame(found, schema=kinds, orient="row")


def by_day(rows: "pl.DataFrame") -> "pl.DataFrame":
    """One row per customer and day, with the value as a float: what ml.repeat.counts takes."""
    import polars as pl

    return rows.group_by("customer_id", "date").agg(pl.col("value").cast(pl.Float64).sum()).sort("customer_id", "date")


def _are_names(parts: list[str]) -> bool:
    """Whether these are the names of columns: none of them is a number, which every column of a purchase is."""
    return not any(re.fullmatch(r"[\d.,+-]+", part) for part in parts)


def _purchase(parts: list[str], width: int) -> tuple[int, date, int, Decimal]:
    if len(parts) != width or width not in (4, 5):
        raise ValueError(parts)
    customer, day, units, value = parts[-4:]
    at = datetime.strptime(day, "%Y%m%d").date()
    found = int(customer), at, int(units), Decimal(value).quantize(Decimal("0.01"))
    if found[2] < 0 or found[3] < 0 or not found[3].is_finite():
        raise ValueError(parts)
    return found


def _expected(rows: "pl.DataFrame") -> "pl.DataFrame":
    """A row per customer: purchases expected in the WEEKS from as_of_date on, null where the log has too little to tell."""
    import polars as pl

    from ml.repeat import counts

    last: date = rows["date"].max()  # type: ignore[assignment]
    known, said = counts.expected(by_day(rows), last, WEEKS)
    made = pl.DataFrame({"customer_id": known.customers, "expected_purchases": said}).with_columns(
        pl.when(pl.col("expected_purchases").is_finite()).then("expected_purchases"),
        pl.lit(last + timedelta(days=1)).alias("as_of_date"),
        pl.lit(WEEKS).alias("weeks"),
    )
    return made.select("customer_id", "as_of_date", "weeks", "expected_purchases")


def _features(settings: Settings, rows: "pl.DataFrame") -> "pa.Table":
    """gold.feature_customer by the transform that the shop's own is made with; a line is an order of one product."""
    from lake.parquet import plain
    from transforms.engine import start
    from transforms.gold.feature_customer import feature_customer

    sales = _as_sales(rows)
    rows_of = sales.to_arrow()
    engine = start(settings)
    try:
        lines = engine.frame(rows_of.cast(plain(rows_of.schema)))
        empty = lines.selectExpr("customer_id", "date_key", "quantity", "amount as refund").where("1 = 0")
        products = lines.selectExpr("product_key", "'Purchases' as category").distinct()
        return engine.arrow(feature_customer(lines, empty, products))
    finally:
        engine.stop()


def _as_sales(rows: "pl.DataFrame") -> "pl.DataFrame":
    import polars as pl

    zero = pl.lit(Decimal("0.00"), pl.Decimal(18, 2))
    numbered = rows.with_row_index("line")
    return numbered.select(
        "customer_id",
        pl.col("date").dt.strftime("%Y%m%d").cast(pl.Int32).alias("date_key"),
        pl.col("line").cast(pl.String).alias("order_id"),
        pl.lit(1, pl.Int64).alias("product_id"),
        pl.lit(1, pl.Int64).alias("product_key"),
        pl.col("units").alias("quantity"),
        pl.col("value").alias("amount"),
        zero.alias("discount"),
        pl.col("value").alias("net_amount"),
    )
