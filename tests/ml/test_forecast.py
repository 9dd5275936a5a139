"""One real training: Spark in a child process, MLflow in a file, the forecast in gold."""

import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lake.config import Settings
from lake.delta import Lake
from lake.errors import PermanentFailure, TransientFailure, UsageError
from ml import child, forecast, tables
from ml.forecast import predict, train
from ml.panel import SOURCE, TooLittleHistory
from ml.tables import FORECAST

LAST = date(2025, 11, 30)


def stored(lake: Lake) -> list[dict[str, Any]]:
    return sorted(lake.read(FORECAST).to_pylist(), key=lambda row: (row["date"], row["category"]))


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a child process was started")

    monkeypatch.setattr(child, "run", refuse)


def test_the_model_beats_the_naive_forecast_and_becomes_champion(trained: Any) -> None:
    report = trained.report
    assert (report.model, report.version, report.promoted, report.trained) == ("sales_forecast", 1, True, True)
    assert "beats the naive forecast" in report.reason
    for name in ("mase", "mase/All", "mase/Books", "mase/Toys", "mase/Électronique & Co", "smape", "rmse"):
        assert report.metrics[name] < report.naive[name], name
    assert report.metrics["mase"] < 0.85 * report.naive["mase"]
    assert abs(report.metrics["bias"]) < 0.05
    assert 0.7 <= report.metrics["coverage_80"] <= 0.9


def test_progress_ends_where_it_said(trained: Any) -> None:
    assert [done for _, done, _ in trained.progress] == list(range(1, len(trained.progress) + 1))
    assert {total for *_, total in trained.progress} == {len(trained.progress)}


def test_the_forecast_is_an_ordinary_gold_table(trained: Any) -> None:
    rows = stored(trained.lake)
    days = sorted({row["date"] for row in rows})
    assert days == [LAST + timedelta(days=n) for n in range(1, 29)]
    assert {row["category"] for row in rows} == {"All", "Books", "Toys", "Électronique & Co"}
    assert len({(row["date_key"], row["category"]) for row in rows}) == len(rows) == 4 * 28
    assert all(row["date_key"] == int(f"{row['date']:%Y%m%d}") for row in rows)
    assert all(0 <= row["lower"] <= row["forecast"] <= row["upper"] for row in rows)
    assert all(row["forecast"] < row["gross_forecast"] for row in rows)
    assert {(row["model"], row["model_version"], row["trained_to"]) for row in rows} == {("sales_forecast", 1, LAST)}


def test_the_categories_add_up_to_the_total_to_the_cent(trained: Any) -> None:
    sums: dict[tuple[date, str], Decimal] = defaultdict(Decimal)
    for row in stored(trained.lake):
        for column in ("forecast", "gross_forecast"):
            sums[row["date"], column] += row[column] * (1 if row["category"] == "All" else -1)
    assert set(sums.values()) == {Decimal(0)}


def test_every_column_is_described(trained: Any) -> None:
    described = tables()[FORECAST]
    assert set(described.comments) == set(trained.lake.schema(FORECAST).names)
    assert set(described.key) <= set(described.comments)
    written = {field.name: field.metadata.get("comment") for field in trained.lake.open(FORECAST).schema().fields}
    assert written == dict(described.comments)


def test_the_model_loaded_from_mlflow_predicts_as_it_did_in_the_run(trained: Any) -> None:
    made = sorted(predict(trained.settings).to_pylist(), key=lambda row: (row["date"], row["category"]))
    for row, kept in zip(made, stored(trained.lake), strict=True):
        assert (row["date"], row["category"]) == (kept["date"], kept["category"])
        for column in ("forecast", "lower", "upper", "gross_forecast"):
            assert row[column] == pytest.approx(float(kept[column]), abs=0.03)  # the total is the sum of rounded cents


def test_mlflow_has_what_is_needed_to_judge_and_to_repeat_the_run(trained: Any) -> None:
    import mlflow

    mlflow.set_tracking_uri(trained.settings.ml.tracking_uri)
    client = mlflow.MlflowClient()
    champion = client.get_model_version_by_alias("sales_forecast", "champion")
    run = client.get_run(trained.report.run_id)
    assert (int(champion.version), champion.run_id) == (1, trained.report.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags[f"delta.{SOURCE}"] == "1"
    assert run.data.tags["cartlake.run"] == "run-7"
    assert run.data.params["last_day"] == "2025-11-30"
    assert run.data.metrics["mase"] == pytest.approx(trained.report.metrics["mase"])
    assert run.data.metrics["naive/mase/All"] == pytest.approx(trained.report.naive["mase/All"])
    assert {"candidate/linear/mase", "candidate/xgboost/mase", "gross/mase", "coverage_80"} <= set(run.data.metrics)
    assert {file.path for file in client.list_artifacts(run.info.run_id)} >= {"forecast.png", "residuals.png", "intervals.json"}
    info = mlflow.models.get_model_info(champion.source)
    assert {"level", "weekday", "category", "year_ago"} <= set(info.signature.inputs.input_names())
    assert info.saved_input_example_info
    assert Path(run.info.artifact_uri.removeprefix("file://")).is_relative_to(trained.settings.ml.artifacts)
    assert (Path(run.info.artifact_uri.removeprefix("file://")) / "model" / "sparkml").is_dir()


def test_nothing_was_told_to_the_outside_and_nothing_is_left_lying(trained: Any) -> None:
    watched = trained.connections.with_name("connections.watched").read_text()
    assert "ml.spark_job" in watched  # else nobody was looking
    assert "pyspark.daemon" in watched  # the Python workers of xgboost
    assert not trained.connections.exists(), trained.connections.read_text()
    assert not (trained.settings.data / "mlflow" / "jobs").exists()
    assert sorted(path.name for path in trained.settings.home.iterdir()) == ["cartlake.toml", "data"]


@pytest.mark.usefixtures("no_training")
def test_unchanged_data_is_not_trained_on_again(trained: Any) -> None:
    versions = trained.lake.version(FORECAST), trained.lake.version("meta.trainings")
    trained.lake.open(SOURCE).optimize.compact()  # another Delta version, the same content
    began = time.monotonic()
    again = train(trained.settings)
    assert time.monotonic() - began < 5
    assert (again.trained, again.version, again.run_id, again.metrics) == (
        False,
        1,
        trained.report.run_id,
        trained.report.metrics,
    )
    assert again.reason.startswith("nothing has changed since version 1")
    assert (trained.lake.version(FORECAST), trained.lake.version("meta.trainings")) == versions


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("change", ["force", "data", "horizon", "forecast gone"])
def test_what_makes_it_train_again(trained: Any, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = trained.settings
    if change == "data":
        dearer = forecast.panel.read(trained.lake, settings, trained.lake.version(SOURCE))
        dearer.values["net"][0, 300] += 0.01
        monkeypatch.setattr(forecast.panel, "read", lambda *_: dearer)
    elif change == "horizon":
        settings = settings.model_copy(update={"ml": settings.ml.model_copy(update={"horizon": 14})})
    elif change == "forecast gone":
        monkeypatch.setattr(forecast, "_still_there", lambda *_: False)
    with pytest.raises(AssertionError, match="a child process was started"):
        train(settings, force=change == "force")


@pytest.mark.usefixtures("no_training")
def test_a_forecast_that_says_the_same_is_not_written_again(trained: Any) -> None:
    from ml import output

    before, rows = trained.lake.version(FORECAST), trained.lake.read(FORECAST)
    money = {name: rows[name].cast(pa.float64()) for name in ("forecast", "lower", "upper", "gross_forecast")}
    floats = pa.table({"date": rows["date"], "category": rows["category"], **money})
    assert output.write(trained.lake, floats, 1, LAST, source_version=99) is False
    assert trained.lake.version(FORECAST) == before


def test_a_model_that_does_not_beat_the_naive_forecast_is_not_used(
    shop: Callable[[pa.Table], Settings], daily_sales: Callable[..., pa.Table]
) -> None:
    """A week that repeats itself but for one cent: nothing is better than to say the same again."""
    rows = daily_sales(100, {"Books": 100}, noise=0.0, yearly=0.0)
    week = rows.filter(pa.compute.equal(rows["country"], "FR")).slice(0, 7)
    days = [[day + timedelta(days=7 * n) for day in week["date"].to_pylist()] for n in range(14)]
    repeated = pa.concat_tables([week.set_column(0, "date", pa.array(dates)) for dates in days])
    for name in ("amount", "net_amount"):
        first, *others = repeated[name].to_pylist()
        dearer = pa.array([first + Decimal("0.01"), *others], pa.decimal128(38, 2))
        repeated = repeated.set_column(repeated.column_names.index(name), name, dearer)
    settings = shop(repeated)
    lake = Lake(settings.lake_root)
    report = train(settings)
    assert (report.version, report.promoted) == (1, False)
    assert "does not beat the naive forecast" in report.reason
    last = repeated.slice(len(repeated) - 7)
    made = [row for row in stored(lake) if row["category"] == "All"]
    assert [row["forecast"] for row in made[:7]] == last["net_amount"].to_pylist()
    assert {(row["model"], row["model_version"]) for row in made} == {("seasonal_naive", 0)}
    with pytest.raises(UsageError, match="no champion yet"):
        predict(settings)


def test_without_the_table_nothing_happens(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings()
    with pytest.raises(TooLittleHistory, match=r"gold\.agg_sales_daily is not built yet"):
        train(settings)
    assert not settings.ml.artifacts.exists()


def test_too_little_history_registers_nothing(shop: Callable[[pa.Table], Settings], daily_sales: Callable[..., pa.Table]) -> None:
    settings = shop(daily_sales(59, {"Books": 100}))
    with pytest.raises(TooLittleHistory, match="has 59 days of sales, a forecast needs 60"):
        train(settings)
    assert not settings.ml.artifacts.exists()
    assert not Lake(settings.lake_root).exists(FORECAST)


@pytest.mark.usefixtures("no_training")
def test_days_to_come_must_be_at_least_one(trained: Any) -> None:
    with pytest.raises(UsageError, match="days = 0"):
        predict(trained.settings, days=0)


def test_a_training_that_is_killed_can_be_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child's own end is told apart: killed (again may do), failed (it would not), refused (by its type)."""
    data = tmp_path / "data"

    def run(body: str) -> None:
        fake = tmp_path / "python"
        fake.write_text(f"#!/bin/sh\n{body}\n")
        fake.chmod(0o755)
        monkeypatch.setattr(child.sys, "executable", str(fake))
        with child.hand_over(data) as folder:
            child.run(folder, {"mode": "train"})

    with pytest.raises(TransientFailure, match="killed by signal 9"):
        run("kill -9 $$")
    with pytest.raises(PermanentFailure, match="ValueError: no such thing"):
        run("echo 'ValueError: no such thing' >&2; exit 1")
    assert (data / "mlflow" / "failed-job.log").read_text() == "ValueError: no such thing\n"
    with pytest.raises(UsageError, match="ask for fewer"):
        run("""echo '{"type": "UsageError", "message": "ask for fewer"}' > failure.json; exit 1""")
    assert not (data / "mlflow" / "jobs").exists()


def test_the_days_last_sale_counts_once_the_day_is_over(trained: Any) -> None:
    trading = datetime(2025, 11, 30, 18, tzinfo=UTC)
    over = datetime(2025, 12, 1, 0, 1, tzinfo=UTC)
    lasts = [forecast.panel.read(trained.lake, trained.settings, 1, now).last for now in (trading, over)]
    assert lasts == [LAST - timedelta(days=1), LAST]
