"""`cartlake up` as a user starts it: Prefect's server, a worker, the dashboard and the sandbox, all real."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.server import refuse_taken
from lake.config import Settings, load
from lake.errors import UsageError
from warehouse.dashboard.health import runs

ROOT = Path(__file__).parents[2]
TOKEN = "a-token-of-this-test"
RUN_SECONDS, STOP_SECONDS = 180, 60


@pytest.fixture
def home(make_settings: Callable[..., Settings]) -> Settings:
    """A folder with the project's deployments and code, and data, ports and a dashboard that others can reach of its own."""
    made = make_settings()
    for name in ("prefect.yaml", "pyproject.toml", "cartlake.py", "flows", "lake", "transforms", "warehouse", "ml"):
        (made.home / name).symlink_to(ROOT / name)
    ports = []
    for _ in range(2):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
    text = (made.home / "cartlake.toml").read_text()
    for old, new in zip(("port = 4200", "port = 8501"), ports, strict=True):
        assert text.count(old) == 1
        text = text.replace(old, f"port = {new}")
    (made.home / "cartlake.toml").write_text(text)
    return load(made.home / "cartlake.toml", {})


@pytest.fixture
def up(home: Settings) -> Iterator[Any]:
    """The command, ready."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("CARTLAKE_", "PREFECT_"))}
    env |= {"CARTLAKE_DASHBOARD__HOST": "0.0.0.0", "CARTLAKE_DASHBOARD__TOKEN": TOKEN}
    process = subprocess.Popen(
        [sys.executable, "-m", "cartlake", "--config", str(home.home / "cartlake.toml"), "up"],
        env=env,
        cwd=home.home,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        told = ""
        while "Ctrl-C stops all of it." not in told:
            line = process.stdout.readline()
            assert line, told
            told += line
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(STOP_SECONDS)


def test_up_has_a_dashboard_that_asks_who_is_there_and_shows_what_prefect_runs(home: Settings, up: Any) -> None:
    site = f"http://127.0.0.1:{home.dashboard.port}"
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(site, timeout=20)
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    asked = urllib.request.Request(f"{site}/?token={TOKEN}", headers={"Accept": "text/html"})
    with opener.open(asked, timeout=20) as answer:
        assert "<title>Cartlake</title>" in answer.read().decode()

    assert runs.last(home) == []
    env = {**os.environ, "PREFECT_API_URL": f"http://127.0.0.1:{home.ui.port}/api", "PREFECT_HOME": str(home.data / "prefect")}
    subprocess.run([sys.executable, "-m", "prefect", "deployment", "run", "vacuum/default"], env=env, check=True, timeout=120)
    deadline = time.monotonic() + RUN_SECONDS
    while not (found := runs.last(home)) or found[0].state in ("Pending", "Running"):
        assert time.monotonic() < deadline, found
        time.sleep(1)
    [run] = found
    assert run.state == "Completed"
    assert run.started is not None
    assert run.seconds > 0
    assert run.url.startswith(f"http://127.0.0.1:{home.ui.port}/runs/flow-run/")

    up.send_signal(signal.SIGINT)
    assert up.wait(STOP_SECONDS) == 0
    for port in (home.ui.port, home.dashboard.port):
        with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=2):
            pass


def test_a_port_is_taken_at_the_address_that_is_to_listen() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.2", 0))
        other.listen()
        port = other.getsockname()[1]
        refuse_taken(port, "CARTLAKE_DASHBOARD__PORT")
        for host in ("127.0.0.2", "0.0.0.0"):
            with pytest.raises(UsageError, match=f"port {port} is in use .* CARTLAKE_DASHBOARD__PORT={port + 1} cartlake up"):
                refuse_taken(port, "CARTLAKE_DASHBOARD__PORT", host)
    with pytest.raises(UsageError, match=r"203\.0\.113\.9 is no address of this machine"):
        refuse_taken(port, "CARTLAKE_DASHBOARD__PORT", "203.0.113.9")
