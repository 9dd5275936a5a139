"""A made-up purchase log, and the models of customers trained on it once for all tests of this folder."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from lake.config import Settings
from lake.delta import Lake
from ml.purchases import Imported, import_purchases
from ml.train import TrainReport, train

FIRST, DAYS = date(2025, 1, 1), 420
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)  # after the log's end: all of it is complete
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


def write_log(file: Path, customers: int = 900, seed: int = 11) -> Path:
    """Customers who buy at rates of their own, from a day of their own, until they are lost: what the models are to find."""
    random = np.random.default_rng(seed)
    lines = [" customer_id  date number_of_cds  dollar_value"]
    for customer in range(1, customers + 1):
        start, rate = int(random.integers(0, 200)), random.gamma(1.2, 1 / 28)
        lost, price = start + int(random.exponential(400)), random.lognormal(3.4, 0.6)
        days = [start]
        while (following := days[-1] + 1 + int(random.exponential(1 / max(rate, 1e-3)))) < min(lost, DAYS):
            days.append(following)
        for day in days:
            value = max(1.0, random.normal(price, price / 5))
            lines.append(f" {customer:05d} {FIRST + timedelta(days=day):%Y%m%d} {1 + random.poisson(0.7):2d} {value:8.2f}")
    file.write_text("\n".join(lines) + "\n")
    return file


@dataclass(frozen=True)
class Trained:
    imported: Imported
    lake: Lake
    report: TrainReport
    progress: list[str]
    connections: Path
    version: int  # of gold.feature_customer, that it was trained on

    @property
    def settings(self) -> Settings:
        return self.imported.settings


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A purchase log."""
    return write_log(tmp_path_factory.mktemp("log") / "Made Up.txt")


@pytest.fixture(scope="session")
def trained(make_settings: Callable[..., Settings], log: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Both models of customers on the log; every connection that the training opened is on record."""
    imported = import_purchases(make_settings(), log)
    watch = tmp_path_factory.mktemp("watch")
    (watch / "sitecustomize.py").write_text(_WATCH)
    progress: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(watch), os.environ.get("PYTHONPATH")])))
        patch.setenv("CONNECTIONS", str(watch / "connections"))
        names = ("customer_segments", "repeat_purchase")
        report = train(imported.settings, names, run="run-7", on_progress=lambda label, *_: progress.append(label), now=NOW)
    lake = Lake(imported.settings.lake_root)
    return Trained(imported, lake, report, progress, watch / "connections", lake.version("gold.feature_customer"))
