"""prefect.yaml and flows/ say the same: one deployment for each flow, and each entry point is there."""

import importlib
from pathlib import Path

import yaml
from prefect import Flow
from prefect.client.schemas.schedules import CronSchedule

ROOT = Path(__file__).parents[2]
DEPLOYMENTS = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]


def test_each_entry_point_is_a_flow_named_as_its_file() -> None:
    for deployment in DEPLOYMENTS:
        file, name = deployment["entrypoint"].split(":")
        flow = getattr(importlib.import_module(file.removesuffix(".py").replace("/", ".")), name)
        assert isinstance(flow, Flow)
        assert flow.name == Path(file).stem


def test_each_flow_is_deployed_once() -> None:
    flows = [
        file.stem
        for file in (ROOT / "flows").glob("*.py")
        if isinstance(getattr(importlib.import_module(f"flows.{file.stem}"), file.stem, 0), Flow)
    ]
    assert sorted(flows) == sorted(Path(d["entrypoint"].split(":")[0]).stem for d in DEPLOYMENTS)


def test_each_schedule_is_a_valid_one() -> None:
    for deployment in DEPLOYMENTS:
        for schedule in deployment.get("schedules", ()):
            CronSchedule(**schedule)
