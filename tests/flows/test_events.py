"""What reports tell in events, and what runs then on Prefect's own server: streams of changed tables, trainings after drift."""

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.events import DRIFTED, RELEASED, events
from flows.server import environment, serving
from lake.config import Settings, load
from lake.delta import Lake
from ml.monitoring import requests
from ml.monitoring.daily import Found
from ml.monitoring.table import MONITORING
from ml.monitoring.watch import _rows
from ml.score import ScoreReport
from ml.score import write as write_rows
from warehouse.plan import Step
from warehouse.publish import PublishReport, publish
from warehouse.stream import consume

ROOT = Path(__file__).parents[2]
TABLES = ("gold.agg_visits", "gold.agg_clicks")


def write(settings: Settings, rows: int) -> None:
    """Two gold tables that no build made, each with one more batch."""
    lake = Lake(settings.lake_root)
    for name in TABLES:
        batch = pa.table({"id": range(rows), "value": range(rows)})
        if not lake.exists(name):
            lake.create(name, batch.schema)
        lake.append(name, batch)


@pytest.fixture(scope="module")
def project(make_settings: Callable[..., Settings]) -> Settings:
    """A folder as a user has it, with a stream of the visits, and a free port for the server."""
    home = make_settings().home
    for name in ("flows", "prefect.yaml"):
        (home / name).symlink_to(ROOT / name)
    toml = home / "cartlake.toml"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    toml.write_text(toml.read_text().replace("streams = []", 'streams = ["agg_visits"]').replace("port = 4200", f"port = {port}"))
    settings = load(toml, {})
    assert (settings.ui.port, settings.warehouse.streams) == (port, ("agg_visits",))
    return settings


@pytest.fixture(scope="module")
def server(project: Settings) -> Iterator[str]:
    """Prefect's server and a worker with every deployment: the URL."""
    with serving(project) as url:
        yield url


def test_a_release_starts_the_stream_of_a_listed_table_and_a_run_without_a_table_takes_all(
    project: Settings, server: str
) -> None:
    write(project, 3)
    assert publish(project).release == 1
    assert consume(project, "agg_visits").rows == 3
    write(project, 2)
    inbox = project.data / "streams"
    env = environment(project, f"{server}/api")
    done = run("publish", project, env)
    assert done.returncode == 0, done.stderr
    file = awaited(inbox / "gold.agg_visits" / "000001-000002.parquet")
    assert sorted(pq.read_table(file)["id"].to_pylist()) == [0, 1]
    assert [one["parameters"] for one in by_event(server, "stream")] == [{"table": "gold.agg_visits", "release": 2}]
    assert [folder.name for folder in inbox.iterdir()] == ["gold.agg_visits"]
    done = run("stream", project, {**env, "CARTLAKE_WAREHOUSE__STREAMS": "agg_nothing,agg_clicks"})
    assert "there is no table agg_nothing" in done.stderr
    assert "1/2 states failed" in done.stderr
    assert (inbox / "gold.agg_clicks" / "000000-000002.parquet").exists()


def test_an_alert_trains_its_model_once(project: Settings, server: str) -> None:
    """An alert that stands in the lake, found by a scoring that had no server. The shop has nothing to train on: a short run."""
    found = Found(date(2026, 11, 22), "price_shift", "all", 0.3, 0.08, True, "prices are up")
    write_rows(Lake(project.lake_root), MONITORING, _rows("sales_forecast", 3, [found]), "date")
    env = environment(project, f"{server}/api")
    for _ in range(2):
        done = run("score", project, env)
        assert done.returncode == 0, done.stderr
    deadline = time.monotonic() + 90
    while not (runs := by_event(server, "train")) or runs[0]["state_type"] in ("SCHEDULED", "PENDING", "RUNNING"):
        assert time.monotonic() < deadline, runs
        time.sleep(0.2)
    told = {"model": "sales_forecast", "because": "2026-11-22: prices are up"}
    assert [(one["state_type"], one["parameters"]) for one in runs] == [("COMPLETED", told)]
    assert requests.asked(Lake(project.lake_root)) == {"sales_forecast": date(2026, 11, 22)}


def run(flow: str, project: Settings, env: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """A flow as the worker would run it, in a process of its own."""
    program = f"from flows.{flow} import {flow}; {flow}()"
    return subprocess.run([sys.executable, "-c", program], cwd=project.home, env=env, capture_output=True, text=True, timeout=120)


def awaited(file: Path) -> Path:
    deadline = time.monotonic() + 90
    while not file.exists():
        assert time.monotonic() < deadline, f"{file} never came"
        time.sleep(0.2)
    return file


def by_event(url: str, flow: str) -> list[dict[str, Any]]:
    """The runs of a flow's deployment that no schedule asked for, as Prefect tells of them."""
    body = json.dumps({"flows": {"name": {"any_": [flow]}}, "deployments": {"name": {"any_": ["default"]}}}).encode()
    request = urllib.request.Request(f"{url}/api/flow_runs/filter", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return [one for one in json.load(answer) if not one["auto_scheduled"]]


def report(release: int | None, **steps: str) -> PublishReport:
    made = tuple(Step(f"gold.{name}", how, "") for name, how in steps.items())  # type: ignore[arg-type]
    return PublishReport(release, {step.name: 1 for step in made if step.how != "drop"}, 0.0, "", made)


def test_each_table_that_changed_has_its_event(project: Settings) -> None:
    made = events(report(7, agg_visits="changes", agg_clicks="keep", dim_new="whole", dim_old="drop"), project)
    assert {event.name for event in made} == {RELEASED}
    resources = [event.resource for event in made]
    assert [(r["prefect.resource.id"], r["cartlake.streamed"], r["prefect.resource.name"]) for r in resources] == [
        ("cartlake.table.gold.agg_visits", "true", "gold.agg_visits"),
        ("cartlake.table.gold.dim_new", "false", "gold.dim_new"),
        ("cartlake.table.gold.dim_old", "false", "gold.dim_old"),
    ]
    assert made[0].payload == {"table": "gold.agg_visits", "release": 7, "previous_release": 6}


def test_no_release_has_no_event(project: Settings) -> None:
    assert events(report(None, agg_visits="keep"), project) == []


def test_each_model_that_must_be_trained_again_has_its_event(project: Settings) -> None:
    made = events(ScoreReport(retrain={"sales_forecast": "2026-11-22: prices are up"}), project)
    assert [(event.name, event.payload) for event in made] == [
        (DRIFTED, {"model": "sales_forecast", "because": "2026-11-22: prices are up"})
    ]
    assert events(ScoreReport(), project) == []
