"""Prefect's server, one worker and the dashboard as child processes: what `cartlake up` keeps alive until Ctrl-C."""

import errno
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path

from lake.config import Settings
from lake.errors import PermanentFailure, TransientFailure, UsageError
from warehouse.dashboard.address import reached
from warehouse.dashboard.address import url as url_of

_POOL = "cartlake"
_START_SECONDS = 120  # 12 s on a quiet machine
_STOP_SECONDS = 20


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """Run the server and a worker with every deployment of prefect.yaml; yields the UI's URL, stops both at the end.

    Raises UsageError when the port is taken, TransientFailure when the server does not come up.
    """
    port = settings.ui.port
    refuse_taken(port, "CARTLAKE_UI__PORT")
    url = f"http://127.0.0.1:{port}"
    env = environment(settings, f"{url}/api")
    logs = settings.data / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        server = stack.enter_context(
            _child(
                ["server", "start", "--host", "127.0.0.1", "--port", str(port)], env, settings.home, logs / "prefect-server.log"
            )
        )
        _await_healthy(f"{url}/api/health", server, logs / "prefect-server.log")
        _run(["work-pool", "create", _POOL, "--type", "process", "--overwrite"], env, settings.home)
        _run(["--no-prompt", "deploy", "--all"], env, settings.home)
        stack.enter_context(_child(["worker", "start", "--pool", _POOL], env, settings.home, logs / "prefect-worker.log"))
        yield url


def environment(settings: Settings, api_url: str) -> dict[str, str]:
    """The environment of a Prefect process: its own home below data, our configuration, and no calls to the outside."""
    return {
        **os.environ,
        "PREFECT_HOME": str(settings.data / "prefect"),
        "PREFECT_API_URL": api_url,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "CARTLAKE_CONFIG": str(settings.home / "cartlake.toml"),
    }


@contextmanager
def dashboard(settings: Settings) -> Iterator[str]:
    """Run the dashboard beside; yields its URL. UsageError when its port is taken, TransientFailure when it does not come up."""
    host, port = settings.dashboard.host, settings.dashboard.port
    refuse_taken(port, "CARTLAKE_DASHBOARD__PORT", host)
    logs = settings.data / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "CARTLAKE_CONFIG": str(settings.home / "cartlake.toml")}
    log = logs / "dashboard.log"
    with _child(["dashboard"], env, settings.home, log, program="cartlake") as child:
        _await_healthy(f"{url_of(reached(host), port)}/_stcore/health", child, log, "dashboard")
        yield url_of(host, port)


def refuse_taken(port: int, setting: str, host: str = "127.0.0.1") -> None:
    """UsageError for a port that another program listens on; `setting` is the environment variable of another one.

    And for a host that is no address of this machine.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise UsageError(f"{host} is no address of this machine: {error.strerror}") from None
        raise UsageError(
            f"port {port} is in use by another program; stop it, or choose another: {setting}={port + 1} cartlake up"
        ) from None


@contextmanager
def _child(
    arguments: list[str], env: Mapping[str, str], home: Path, log: Path, program: str = "prefect"
) -> Iterator[subprocess.Popen[bytes]]:
    # Its own session, so that Ctrl-C reaches us alone and we stop our children in order.
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", program, *arguments],
            env=env,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the child to end; after a while end its whole session, flow runs included."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _await_healthy(url: str, server: subprocess.Popen[bytes], log: Path, what: str = "Prefect server") -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise PermanentFailure(f"the {what} ended as it started; its log: {log}")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.UNAUTHORIZED:  # who asks to log in is there
                return
            time.sleep(0.2)
        except OSError:
            time.sleep(0.2)
    raise TransientFailure(f"the {what} was not ready after {_START_SECONDS} s; its log: {log}")


def _run(arguments: list[str], env: Mapping[str, str], home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "prefect", *arguments], env=env, cwd=home, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise PermanentFailure(f"prefect {' '.join(arguments)} failed: {(done.stderr or done.stdout).strip()[-500:]}")
