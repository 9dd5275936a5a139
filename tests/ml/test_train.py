"""One real training: Spark in a child process, two models in MLflow, their answers in gold."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from lake.config import Settings
from lake.errors import PermanentFailure, TransientFailure
from ml import child
from ml import train as training
from ml.life import choose, facts, registry, store
from ml.life.champion import champions
from ml.model import models
from ml.score import score
from ml.train import train

NAMES = ("customer_segments", "repeat_purchase")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a child process was started")

    monkeypatch.setattr(child, "run", refuse)


def client(trained: Any) -> Any:
    return store.connect(trained.settings.ml.tracking_uri, trained.settings.ml.artifacts)


def test_each_model_beats_its_plain_rule_and_becomes_champion(trained: Any) -> None:
    assert trained.report.errors == {}
    for name in NAMES:
        outcome = trained.report.models[name]
        assert (outcome.trained, outcome.promoted, outcome.version) == (True, True, 1), outcome.why
        assert outcome.metrics[outcome.metric] < outcome.naive[outcome.metric]
        assert "beats" in outcome.why
        assert registry.holder(client(trained), name).number == 1  # type: ignore[union-attr]


def test_probabilities_rank_and_are_calibrated(trained: Any) -> None:
    metrics = trained.report.models["repeat_purchase"].metrics
    assert metrics["auc"] > 0.7
    assert metrics["lift_10"] > 1.5
    assert metrics["calibration_error"] < 0.05


def test_the_progress_names_each_model(trained: Any) -> None:
    assert trained.progress[0] == "Spark started"
    assert {label.split(":")[0] for label in trained.progress[1:]} == set(NAMES)


def test_mlflow_has_what_is_needed_to_judge_and_to_repeat_a_run(trained: Any) -> None:
    import mlflow

    name, outcome = "repeat_purchase", trained.report.models["repeat_purchase"]
    run = client(trained).get_run(outcome.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["delta.gold.feature_customer"] == str(trained.version)
    assert run.data.tags["cartlake.run"] == "run-7"
    assert json.loads(run.data.tags["settings"]) == {"horizon": 28, "time_zone": "UTC"}
    assert {"git.commit", "git.dirty", "recipe", "last_day", "today", "data_digest"} <= set(run.data.tags)
    assert run.data.metrics["log_loss"] == pytest.approx(outcome.metrics["log_loss"])
    assert {"naive/log_loss", "candidate/logistic/log_loss", "candidate/gbt/log_loss"} <= set(run.data.metrics)
    files = {file.path for file in client(trained).list_artifacts(outcome.run_id)}
    assert files >= {"calibration.png", "gain.png", "backtest.json", "profile.json"}
    version = client(trained).get_model_version_by_alias(name, "champion")
    info = mlflow.models.get_model_info(version.source)
    assert {"recency_days", "frequency"} <= set(info.signature.inputs.input_names())
    assert info.saved_input_example_info
    assert "python_function" in info.flavors


def test_whoever_speaks_mlflow_gets_the_same_answers_without_java(trained: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    ours = champions(trained.settings, NAMES)
    for name, champion in ours.items():
        theirs = mlflow.pyfunc.load_model(f"models:/{name}@champion")
        example = theirs.input_example
        pd.testing.assert_frame_equal(theirs.predict(example), champion.served.predict(example))


def test_nothing_was_told_to_the_outside_and_nothing_is_left_lying(trained: Any) -> None:
    watched = trained.connections.with_name("connections.watched").read_text()
    assert "ml.job" in watched  # else nobody was looking
    assert "pyspark.daemon" in watched  # the Python workers of xgboost
    assert not trained.connections.exists(), trained.connections.read_text()
    assert not (trained.settings.data / "mlflow" / "jobs").exists()


@pytest.mark.usefixtures("no_training")
def test_unchanged_data_is_not_trained_on_again(trained: Any) -> None:
    trained.lake.open("gold.feature_customer").optimize.compact()  # another Delta version, the same content
    report = train(trained.settings, NAMES, now=NOW)
    assert not report.trained
    for name in NAMES:
        assert report.models[name].why.startswith("nothing has changed since version 1")
        assert report.models[name].metrics == trained.report.models[name].metrics


@pytest.mark.usefixtures("no_training")
def test_newer_data_waits_for_the_patience_and_other_code_does_not(trained: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "repeat_purchase"
    model = models()[name]
    prepare = type(model).prepare

    def later(days: int) -> None:
        def newer(self: Any, *given: Any) -> Any:
            made = prepare(self, *given)
            return type(made)(made.last_day + timedelta(days=days), "other", made.options)

        monkeypatch.setattr(type(model), "prepare", newer)

    later(6)
    report = train(trained.settings, [name], patience=timedelta(days=7), now=NOW)
    assert "is trained again from" in report.models[name].why
    later(7)
    with pytest.raises(AssertionError, match="a child process was started"):
        train(trained.settings, [name], patience=timedelta(days=7), now=NOW)
    monkeypatch.undo()
    monkeypatch.setattr(child, "run", lambda *_: pytest.fail("a child process was started"))
    monkeypatch.setattr(training, "_FRAME", ("ml.job",))
    with pytest.raises(pytest.fail.Exception, match="a child process was started"):
        train(trained.settings, [name], patience=timedelta(days=7), now=NOW)


def test_scoring_writes_ordinary_tables_once_a_day(trained: Any) -> None:
    report = score(trained.settings, now=NOW)
    assert report.errors == {}
    assert {written.table for written in report.written} == {
        "gold.customer_scores",
        "gold.customer_scores_history",
        "gold.customer_segments",
    }
    assert "gold.feature_sales_daily is not built yet" in report.waiting["sales_forecast"]
    scores = pl.DataFrame(pl.from_arrow(trained.lake.read("gold.customer_scores")))
    segments = pl.DataFrame(pl.from_arrow(trained.lake.read("gold.customer_segments")))
    assert scores.height == segments.height == trained.imported.customers
    assert scores["repeat_probability"].is_between(0, 1).all()
    assert set(scores["decile"]) == set(range(1, 11))
    assert set(scores["model_version"]) == {1}
    assert set(scores["as_of_date"]) == {trained.imported.last + timedelta(days=1)}
    assert set(segments["segment"]) <= set(champions(trained.settings, NAMES)["customer_segments"].served.names)  # type: ignore[attr-defined]
    versions = {table: trained.lake.version(table) for table in ("gold.customer_scores", "gold.customer_segments")}
    again = score(trained.settings, now=NOW)
    assert {written.table: written.changed for written in again.written if written.changed} == {}
    assert {table: trained.lake.version(table) for table in versions} == versions


def test_every_column_is_described(trained: Any) -> None:
    from ml.tables import tables

    score(trained.settings, now=NOW)
    for name, described in tables().items():
        assert set(described.key) <= set(described.comments), name
        if trained.lake.exists(name):
            assert trained.lake.schema(name).names == list(described.comments) or set(trained.lake.schema(name).names) == set(
                described.comments
            ), name


def test_without_the_tables_nothing_happens(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings()
    report = train(settings)
    assert not report.trained
    assert report.errors == {}
    assert all("not built yet" in outcome.why for outcome in report.models.values())
    assert not settings.ml.artifacts.exists()
    assert score(settings).written == []


def test_a_training_that_is_killed_can_be_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child's own end is told apart: killed (again may do), failed (it would not)."""
    data = tmp_path / "data"

    def run(body: str) -> None:
        fake = tmp_path / "python"
        fake.write_text(f"#!/bin/sh\n{body}\n")
        fake.chmod(0o755)
        monkeypatch.setattr(child.sys, "executable", str(fake))
        with child.hand_over(data) as folder:
            child.run(folder, {"models": {}})

    with pytest.raises(TransientFailure, match="killed by signal 9"):
        run("kill -9 $$")
    with pytest.raises(PermanentFailure, match="ValueError: no such thing"):
        run("echo 'ValueError: no such thing' >&2; exit 1")
    assert (data / "mlflow" / "failed-job.log").read_text() == "ValueError: no such thing\n"
    assert not (data / "mlflow" / "jobs").exists()


def test_compare_lists_every_candidate(trained: Any) -> None:
    rows = choose.compare(trained.settings, ("repeat_purchase",))
    assert {row["recipe"] for row in rows} == {"logistic", "gbt", "xgboost"}
    assert [row["held_by"] for row in rows if row["held_by"]] == ["champion (1)"]
    assert np.isfinite([row["loss"] for row in rows]).all()


def test_what_was_read_is_remembered_for_vacuum(trained: Any) -> None:
    rows = trained.lake.read(facts.TRAININGS).to_pylist()
    assert {row["model"] for row in rows} == set(NAMES)
    assert all("gold.feature_customer" in json.loads(row["versions"]) for row in rows)
    assert facts.last(trained.lake)["repeat_purchase"]["last_day"] == (trained.imported.last).isoformat()
    assert date.fromisoformat(facts.last(trained.lake)["repeat_purchase"]["last_day"]) < NOW.date()
