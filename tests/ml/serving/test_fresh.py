"""The forecast over HTTP: after each scoring the server says what gold.forecast_sales says."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import polars as pl
import pytest
from mlflow.models import infer_signature
from starlette.testclient import TestClient

from lake.config import Settings
from lake.delta import Lake
from ml.forecast import history, pool
from ml.forecast.answers import naive_spread
from ml.forecast.panel import KNOWN
from ml.forecast.served import ANSWERS, SalesForecast, told
from ml.life import registry, store
from ml.score import score
from ml.serving import champions as following
from ml.serving import fresh
from ml.serving.app import App
from ml.serving.champions import Champions

NAME, FIRST, DAYS = "sales_forecast", date(2026, 1, 1), 120


def sold(days: int) -> pl.DataFrame:
    """gold.feature_sales_daily of a shop with two categories, as far as the forecast reads it."""
    random, rows = np.random.default_rng(3), []
    for number in range(days):
        for category, level in (("Books", 900.0), ("Toys", 400.0)):
            net = round(level * random.lognormal(0, 0.1), 2)
            known = dict.fromkeys(KNOWN, level)
            rows.append(
                {"date": FIRST + timedelta(days=number), "category": category, "net_amount": net, "amount": net, "discount": 0.0}
                | known
            )
    return pl.DataFrame(rows)


def now(days: int) -> datetime:
    """Noon of the day after so many days."""
    return datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(days=days)


@pytest.fixture
def shop(make_settings: Callable[..., Settings]) -> Settings:
    """A lake with DAYS days of sales, and a champion that was trained on them."""
    settings = make_settings()
    trade(settings, DAYS)
    panel = history.build(sold(DAYS), now(DAYS).date())
    silent = SalesForecast(None, pool.MEMBERS, (), panel.categories, 28, naive_spread(panel, 28), {})
    served = SalesForecast(
        None, pool.MEMBERS, (), panel.categories, 28, silent.spread, told(panel, silent.forecast(panel), silent.spread)
    )
    register(settings, served)
    return settings


def trade(settings: Settings, days: int) -> None:
    lake, rows = Lake(settings.lake_root), sold(days).to_arrow()
    lake.create("gold.feature_sales_daily", rows.schema)
    lake.overwrite("gold.feature_sales_daily", rows)


def register(settings: Settings, served: SalesForecast) -> int:
    client = store.connect(settings.ml.tracking_uri, settings.ml.artifacts)
    folder = settings.data / f"served-{time.monotonic_ns()}"
    folder.mkdir(parents=True)
    served.save(folder)
    example = pl.DataFrame({"category": ["All"], "date": [min(served.said["All"])]}).to_pandas()
    with mlflow.start_run(experiment_id=store.experiment(client, NAME, settings.ml.artifacts)) as run:
        made = mlflow.pyfunc.log_model(
            artifact_path="model",
            loader_module="ml.forecast.served",
            data_path=str(folder),
            signature=infer_signature(example, served.predict(example)),
            pip_requirements=["numpy"],
        )
    return registry.register(client, NAME, "words", run.info.run_id, made.model_uri, registry.CHAMPION, "because")


@pytest.fixture
def server(shop: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setattr(following, "POLL_SECONDS", 0.02)
    champions, stopped = Champions(shop, NAME), threading.Event()
    thread = threading.Thread(target=champions.follow, args=(stopped,))
    thread.start()
    yield TestClient(App(champions))
    stopped.set()
    thread.join()


def answer(server: TestClient, category: str, day: date) -> tuple[int, Any]:
    said = server.post("/invocations", json={"dataframe_records": [{"category": category, "date": day.isoformat()}]})
    return said.status_code, said.json()["predictions"][0] if said.status_code == 200 else said.json()["message"]


def await_said(server: TestClient, day: date) -> None:
    deadline = time.monotonic() + 20
    while answer(server, "All", day)[0] != 200:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_after_each_scoring_the_server_says_what_gold_says(shop: Settings, server: TestClient) -> None:
    assert answer(server, "All", FIRST + timedelta(days=DAYS))[0] == 200  # as it was trained
    for days in (DAYS + 1, DAYS + 40):
        trade(shop, days)
        assert answer(server, "All", FIRST + timedelta(days=days + 27))[0] == 400
        assert score(shop, now=now(days)).errors == {}
        await_said(server, FIRST + timedelta(days=days + 27))
        rows = pl.DataFrame(pl.from_arrow(Lake(shop.lake_root).read("gold.forecast_sales")))
        assert rows.height == 3 * 28
        for row in rows.iter_rows(named=True):
            expected = {name: float(row[name]) for name in ANSWERS}
            assert answer(server, row["category"], row["date"]) == (200, expected)
        assert answer(server, "All", FIRST + timedelta(days=days - 1))[0] == 400  # that day is over


def test_answers_of_another_version_are_left_alone(shop: Settings) -> None:
    score(shop, now=now(DAYS))
    said = fresh.read(shop.data, NAME, 1)
    assert said is not None
    fresh.leave(shop.data, NAME, 2, {"All": {"2030-01-01": [1.0] * 5}})
    champions = Champions(shop, NAME)
    assert champions.serving[NAME].served.said == said  # type: ignore[attr-defined]
    second: Any = champions.serving[NAME].served
    assert register(shop, second) == 2
    assert [loaded.version for loaded in champions._moved()] == [2]
    champions._freshen()
    assert list(champions.serving[NAME].served.said["All"]) == ["2030-01-01"]  # type: ignore[attr-defined]


def test_a_second_scoring_leaves_the_answers_as_they_are(shop: Settings) -> None:
    score(shop, now=now(DAYS))
    stamp = fresh.stamp(shop.data, NAME)
    score(shop, now=now(DAYS))
    assert fresh.stamp(shop.data, NAME) == stamp
    assert json.loads(fresh.file(shop.data, NAME).read_text())["version"] == 1


def test_a_champion_that_could_not_be_loaded_is_tried_again(shop: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    champions = Champions(shop, NAME)
    register(shop, champions.serving[NAME].served)  # type: ignore[arg-type]
    load = following.load

    def broken(name: str, version: int, folder: Path) -> Any:
        raise OSError("a file is gone")

    monkeypatch.setattr(following, "load", broken)
    assert champions._moved() == []
    monkeypatch.setattr(following, "load", load)
    assert champions._moved() == []  # not at once
    monkeypatch.setattr(following, "RETRY_SECONDS", 0.0)
    assert [loaded.version for loaded in champions._moved()] == [2]
    assert champions.failed == {}
