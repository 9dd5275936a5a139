"""A shop's daily revenue as gold has it, and one model trained on it for all tests of this folder."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from lake.config import Settings
from lake.delta import Lake
from ml.forecast import TrainReport, train

LAST = date(2025, 11, 30)
# What a process that learns of a connection to elsewhere writes down; Python runs sitecustomize by itself at every start.
_WATCH = """
import os, sys

def note(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        host = arguments[0] if event == "socket.getaddrinfo" else arguments[1]
        host = host[0] if isinstance(host, tuple) else host
        if str(host) not in ("127.0.0.1", "localhost", "::1", "None", "") and not str(host).startswith("/"):
            with open(os.environ["CONNECTIONS"], "a") as file:
                file.write(f"{event} {host}\\n")

sys.addaudithook(note)
with open(os.environ["CONNECTIONS"] + ".watched", "a") as file:
    file.write(" ".join(sys.orig_argv) + "\\n")
"""


def daily_sales(days: int, levels: dict[str, float], noise: float = 0.15, yearly: float = 0.3) -> pa.Table:
    """Rows of gold.agg_sales_daily with a trend, a weekly and a yearly season, in two countries; the last day is LAST."""
    random, first = np.random.default_rng(5), LAST - timedelta(days=days - 1)
    index = np.arange(days)
    weekly = np.array([0.8, 0.85, 0.9, 1.0, 1.15, 1.35, 0.95])
    season = weekly[(first.weekday() + index) % 7] * (1 + yearly * np.sin(2 * np.pi * index / 365.25)) * (1 + 0.2 * index / 365)
    parts = []
    for category, level in levels.items():
        for country in ("FR", "DE"):
            amount = np.round(level / 2 * season * random.lognormal(0, noise, days), 2)
            parts.append(
                pa.table(
                    {
                        "date": [first + timedelta(days=int(i)) for i in index],
                        "category": [category] * days,
                        "country": [country] * days,
                        "amount": pa.array([f"{v:.2f}" for v in amount]).cast(pa.decimal128(38, 2)),
                        "net_amount": pa.array([f"{v * 0.9:.2f}" for v in amount]).cast(pa.decimal128(38, 2)),
                    }
                )
            )
    return pa.concat_tables(parts)


def put(settings: Settings, rows: pa.Table) -> Lake:
    """The lake of these settings with gold.agg_sales_daily."""
    lake = Lake(settings.lake_root)
    lake.create("gold.agg_sales_daily", rows.schema)
    lake.append("gold.agg_sales_daily", rows)
    return lake


@dataclass(frozen=True)
class Trained:
    settings: Settings
    lake: Lake
    report: TrainReport
    progress: list[tuple[str, int, int]]
    connections: Path


@pytest.fixture(scope="session")
def trained(make_settings: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Two years of three categories, trained once; every connection that the training opened is on record."""
    settings = make_settings()
    lake = put(settings, daily_sales(780, {"Books": 900, "Électronique & Co": 4000, "Toys": 300}))
    watch = tmp_path_factory.mktemp("watch")
    (watch / "sitecustomize.py").write_text(_WATCH)
    progress: list[tuple[str, int, int]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(watch), os.environ.get("PYTHONPATH")])))
        patch.setenv("CONNECTIONS", str(watch / "connections"))
        report = train(settings, run="run-7", on_progress=lambda *step: progress.append(step))
    return Trained(settings, lake, report, progress, watch / "connections")


@pytest.fixture
def shop(make_settings: Callable[..., Settings]) -> Callable[[pa.Table], Settings]:
    """Makes settings whose lake has this gold.agg_sales_daily."""

    def make(rows: pa.Table) -> Settings:
        settings = make_settings()
        put(settings, rows)
        return settings

    return make


@pytest.fixture(name="daily_sales")
def _daily_sales() -> Callable[..., pa.Table]:
    return daily_sales
