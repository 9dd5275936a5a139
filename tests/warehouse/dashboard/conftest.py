"""A trained and released small shop, its dashboard as a process of its own, and a headless Chromium."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lake.config import Settings
from warehouse import query
from warehouse.dashboard.filters import Filters
from warehouse.dashboard.page import Page
from warehouse.dashboard.periods import Span
from warehouse.dashboard.reader import Reader
from warehouse.release import choose

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
START_SECONDS = 60


@dataclass(frozen=True)
class Site:
    """A dashboard that is served: where, and the settings of the shop behind it."""

    url: str
    settings: Settings
    log: Path

    def sql(self, text: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Rows of the newest release."""
        with query.connect(self.settings, live=False) as connection:
            return connection.execute(text, list(parameters)).fetchall()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def reader(trained_shop: Settings) -> Iterator[Reader]:
    found = Reader(trained_shop, choose(trained_shop))
    yield found
    found.close()


@pytest.fixture(scope="module")
def sql(trained_shop: Settings) -> Iterator[Any]:
    """Rows of the newest release, by SQL."""
    with query.connect(trained_shop, live=False) as connection:
        yield lambda text, *parameters: connection.execute(text, list(parameters)).fetchall()


@pytest.fixture
def page_of(reader: Reader, trained_shop: Settings) -> Callable[..., Page]:
    """A page of the newest release: its days, all that are known unless given; values of dimensions by name."""
    known = reader.days()
    assert known is not None

    def made(span: Span | None = None, **chosen: tuple[str, ...]) -> Page:
        return Page(trained_shop, reader, Filters(span or known, chosen), known, ())

    return made


def serve(settings: Settings, *options: str, **env: str) -> "tuple[subprocess.Popen[bytes], Site]":
    """A dashboard on a free port, ready to answer."""
    port = free_port()
    log = settings.data / f"dashboard-{port}.log"
    variables = {name: value for name, value in os.environ.items() if not name.startswith("CARTLAKE_")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "cartlake",
                "--config",
                str(settings.home / "cartlake.toml"),
                "dashboard",
                "--port",
                str(port),
                *options,
            ],
            env={**variables, **env},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + START_SECONDS
    while True:
        try:
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=2).close()
        except urllib.error.HTTPError:  # behind the log-in form: it answers
            break
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        else:
            break
    return process, Site(url, settings, log)


def stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    process.wait(20)


@pytest.fixture
def serve_dashboard() -> Callable[..., Iterator[Site]]:
    """A dashboard of a test's own: options of the command, environment variables by name."""

    def served(settings: Settings, *options: str, **env: str) -> Iterator[Site]:
        process, found = serve(settings, *options, **env)
        yield found
        stop(process)

    return served


@pytest.fixture
def watch() -> "Callable[..., Iterator[Seen]]":
    return watched


@pytest.fixture(scope="session")
def site(trained_shop: Settings) -> Iterator[Site]:
    process, found = serve(trained_shop)
    yield found
    stop(process)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: scripts/install-chromium.sh")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Seen:
    """A page in the browser, with what it complained about and whom it called outside of this machine."""

    page: Any
    site: Site
    complaints: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def open(self, path: str = "", wait: float = 60) -> "Seen":
        """Go to a path and wait until nothing runs any more."""
        self.page.goto(f"{self.site.url}/{path}")
        self.page.get_by_test_id("stAppViewContainer").wait_for(timeout=wait * 1000)
        return self.rest(wait)

    def rest(self, wait: float = 60) -> "Seen":
        """Wait until the script has run, all that is stale is gone, and each chart is drawn."""
        self.page.wait_for_function(
            """() => {
                const app = document.querySelector('[data-testid="stApp"]');
                return app?.dataset.testScriptState === 'notRunning' && document.querySelector('h1')
                    && !document.querySelector('[data-stale="true"], [data-testid="stSkeleton"]')
                    && [...document.querySelectorAll('[data-testid="stVegaLiteChart"]')].every(c => c.querySelector('svg.marks'));
            }""",
            timeout=wait * 1000,
        )
        self.page.wait_for_timeout(300)
        return self

    def choose(self, label: str, option: str) -> "Seen":
        """Click a list open, and one of its options."""
        self.page.get_by_role("combobox", name=label, exact=True).click()
        self.page.get_by_role("option", name=option, exact=True).click()
        self.page.keyboard.press("Escape")
        self.page.wait_for_timeout(300)  # the script has begun
        return self.rest()

    def hit(self, number: int = 0) -> "Seen":
        """Click a bar of the chart as a hand does: near its middle."""
        box = self.page.locator("[data-testid=stVegaLiteChart] .mark-rect path").nth(number).bounding_box()
        self.page.mouse.click(box["x"] + box["width"] / 2 + 2, box["y"] + box["height"] / 2)
        self.page.locator("h3", has_text="Behind").wait_for()
        return self.rest()

    def text(self) -> str:
        return str(self.page.get_by_test_id("stMain").inner_text())

    def tiles(self) -> dict[str, str]:
        """Label -> value of each tile."""
        found = self.page.get_by_test_id("stMetric").all()
        return {
            tile.get_by_test_id("stMetricLabel").inner_text().strip(): tile.get_by_test_id("stMetricValue").inner_text().strip()
            for tile in found
        }

    def charts(self) -> list[str]:
        """What each chart says of itself in words."""
        return [str(one.text_content()) for one in self.page.locator("p.told").all()]


@pytest.fixture
def seen(site: Site, chromium: Any) -> Iterator[Seen]:
    """A fresh page; at its end nobody may have complained or called outside."""
    yield from watched(site, chromium)


def watched(site: Site, chromium: Any, **options: Any) -> Iterator[Seen]:
    context = chromium.new_context(**{"viewport": {"width": 1400, "height": 1000}, **options})
    found = Seen(context.new_page(), site)
    found.page.on("console", lambda said: found.complaints.append(said.text) if said.type == "error" else None)
    found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
    ours = tuple(f"{kind}{site.url.partition('://')[2]}" for kind in ("http://", "ws://"))
    found.page.on(
        "request", lambda asked: None if asked.url.startswith((*ours, "data:", "blob:")) else found.outside.append(asked.url)
    )
    yield found
    context.close()
    assert found.outside == []
    assert found.complaints == []
