from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from ml.forecast.model import MODEL
from ml.forecast.panel import Panel
from ml.forecast.tables import FORECAST, HISTORY, MONTHLY, TABLES
from ml.tables import STAMP

DAYS, FIRST = 500, date(2024, 1, 1)
SETTINGS: Any = SimpleNamespace(ml=SimpleNamespace(horizon=28))


class Reader:
    def __init__(self, rows: pl.DataFrame) -> None:
        self.versions: dict[str, int] = {}
        self.rows = rows

    def table(self, name: str, columns: list[str] | None = None) -> pl.DataFrame:
        assert name in MODEL.reads
        return self.rows.select(columns) if columns else self.rows


@pytest.fixture(scope="module")
def reader(feature_rows: Callable[..., pl.DataFrame], sales: Callable[..., np.ndarray]) -> Reader:
    return Reader(feature_rows(sales(DAYS), off=0.2))


@pytest.fixture(scope="module")
def made(reader: Reader) -> dict[str, pl.DataFrame]:
    """What is answered while no model has earned its place."""
    return dict(MODEL.answers(reader, SETTINGS, FIRST + timedelta(days=DAYS), None))


def test_every_table_has_its_columns_all_described_and_its_key(made: dict[str, pl.DataFrame]) -> None:
    assert set(made) == {table.name for table in TABLES}
    for table in TABLES:
        frame = made[table.name]
        assert {*frame.columns, *STAMP} == set(table.comments), table.name
        assert frame.select(table.key).is_unique().all(), table.name
        money = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Decimal)]
        assert all(frame.schema[name] == pl.Decimal(18, 2) for name in money)
        assert "forecast" in money


def test_the_plain_answer_is_the_same_weekday_of_last_week(made: dict[str, pl.DataFrame], reader: Reader) -> None:
    rows = made[FORECAST].filter(pl.col("category") == "c1").sort("date")
    last_week = reader.rows.filter(pl.col("category") == "c1").sort("date")["net_amount"].tail(7).round(2).to_list()
    assert rows["date"].to_list() == [FIRST + timedelta(days=DAYS + n) for n in range(28)]
    assert [float(value) for value in rows["forecast"]] == last_week * 4
    assert rows["date_key"][0] == 20250515
    assert rows["trained_to"].unique().to_list() == [date(2025, 5, 14)]
    assert float(rows["gross_forecast"][0]) == pytest.approx(last_week[0] / 0.8, abs=0.01)


@pytest.mark.parametrize(
    ("table", "by", "of"),
    [
        (FORECAST, "date", "forecast"),
        (FORECAST, "date", "gross_forecast"),
        (MONTHLY, "month", "forecast"),
        (MONTHLY, "month", "sold"),
    ],
)
def test_categories_add_up_to_all_to_the_cent(made: dict[str, pl.DataFrame], table: str, by: str, of: str) -> None:
    total = made[table].filter(pl.col("category") == "All").sort(by)[of]
    parts = made[table].filter(pl.col("category") != "All").group_by(by).agg(pl.col(of).sum()).sort(by)[of]
    assert total.to_list() == parts.to_list()
    assert isinstance(total[0], Decimal)


def test_bounds_enclose_the_forecast(made: dict[str, pl.DataFrame]) -> None:
    for name in (FORECAST, HISTORY):
        order = ["lower_95", "lower", "forecast", "upper", "upper_95"]
        assert all(list(row) == sorted(row) for row in made[name].select(order).iter_rows())
    assert all(low <= middle <= high for low, middle, high in made[MONTHLY].select("lower", "forecast", "upper").iter_rows())


def test_the_history_says_when_the_forecast_was_made(made: dict[str, pl.DataFrame]) -> None:
    history = made[HISTORY]
    assert history["as_of_date"].unique().to_list() == [date(2025, 5, 15)]
    said = made[FORECAST]
    assert history.drop("as_of_date").equals(said.select(history.columns[1:]))
    assert MODEL.appended == {HISTORY: "as_of_date"}


def test_months_are_twelve_and_the_first_counts_what_is_sold(made: dict[str, pl.DataFrame], reader: Reader) -> None:
    rows = made[MONTHLY].filter(pl.col("category") == "c0").sort("month")
    assert rows["month_key"].to_list()[:2] == [202505, 202506]
    assert rows.height == 12
    may = reader.rows.filter((pl.col("category") == "c0") & (pl.col("date") >= date(2025, 5, 1)))["net_amount"].sum()
    assert float(rows["sold"][0]) == pytest.approx(may, abs=0.01)
    assert rows["forecast"][0] > rows["sold"][0]
    assert set(rows["sold"][1:]) == {Decimal("0.00")}


def test_answering_twice_gives_the_same(made: dict[str, pl.DataFrame], reader: Reader) -> None:
    again = MODEL.answers(reader, SETTINGS, FIRST + timedelta(days=DAYS), None)
    assert all(again[name].equals(made[name]) for name in made)


def test_preparing_leaves_the_panel_and_its_digest(reader: Reader, tmp_path: Any, panel_of: Callable[..., Panel]) -> None:
    prepared = MODEL.prepare(reader, SETTINGS, FIRST + timedelta(days=DAYS), tmp_path)
    assert prepared.last_day == date(2025, 5, 14)
    assert (tmp_path / "panel.parquet").exists()
    assert prepared.options == {"horizon": 28}
    (tmp_path / "later").mkdir()
    later = Reader(
        reader.rows.with_columns(net_amount=pl.col("net_amount") + pl.when(pl.int_range(pl.len()) == 9).then(1).otherwise(0))
    )
    assert MODEL.prepare(later, SETTINGS, FIRST + timedelta(days=DAYS), tmp_path / "later").digest != prepared.digest
