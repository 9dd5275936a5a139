"""The monthly report as a flow: a file always, a mail where somebody is named, on a real Prefect server and a real SMTP one."""

import asyncio
import email
import email.policy
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from flows import report as flow
from lake.config import Settings
from lake.errors import PermanentFailure
from warehouse.dashboard.report import month_before

ROOT = Path(__file__).parents[2]
MONTH = "2026-10"


class Inbox:
    """What a mail server was given."""

    def __init__(self) -> None:
        self.mails: list[Any] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # aiosmtpd's name
        self.mails.append((envelope.rcpt_tos, email.message_from_bytes(envelope.content, policy=email.policy.default)))
        return "250 OK"


@pytest.fixture
def inbox() -> Iterator[tuple[Inbox, int]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    found = Inbox()
    controller = Controller(found, hostname="127.0.0.1", port=port)
    controller.start()
    yield found, port
    controller.stop()


@pytest.fixture
def run(small_shop: Settings, make_settings: Callable[..., Settings], tmp_path: Path) -> Callable[..., Any]:
    """Lines of Python before and after the flow, in a process of its own with a Prefect server that lives as long."""
    home = make_settings().home

    def ran(before: str = "", **env: str) -> "subprocess.CompletedProcess[str]":
        program = f"{before}\nimport asyncio\nfrom flows.report import report\nasyncio.run(report({MONTH!r}))"
        return subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={
                **os.environ,
                "CARTLAKE_CONFIG": str(home / "cartlake.toml"),
                "CARTLAKE_DATA": str(small_shop.data),
                "CARTLAKE_REPORT__FOLDER": str(tmp_path / "reports"),
                "PREFECT_HOME": str(tmp_path / "prefect"),
                "PREFECT_API_URL": "",
                "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
                "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
                "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
                **env,
            },
            capture_output=True,
            text=True,
            timeout=300,
        )

    return ran


def test_it_is_dropped_as_a_file_and_mailed_to_whom_it_may_concern(run: Any, inbox: tuple[Inbox, int], tmp_path: Path) -> None:
    found, port = inbox
    block = (
        "from prefect_email import EmailServerCredentials\n"
        f"EmailServerCredentials(smtp_server='127.0.0.1', smtp_port={port}, smtp_type='INSECURE').save('cartlake')"
    )
    done = run(block, CARTLAKE_REPORT__MAIL_TO="owner@example.com", CARTLAKE_REPORT__MAIL_FROM="cartlake@example.com")
    assert done.returncode == 0, done.stderr
    file = tmp_path / "reports" / f"sales-{MONTH}.html"
    [(to, mail)] = found.mails
    assert to == ["owner@example.com"]
    assert mail["Subject"] == f"Cartlake: sales-{MONTH}"
    [attached] = list(mail.iter_attachments())
    assert attached.get_payload(decode=True) == file.read_bytes()


def test_without_a_mail_server_the_report_is_there_and_the_way_out_is_said(run: Any, tmp_path: Path) -> None:
    done = run(CARTLAKE_REPORT__MAIL_TO="owner@example.com")
    assert done.returncode != 0
    assert "Prefect has no block email-server-credentials/cartlake" in done.stderr
    assert (tmp_path / "reports" / f"sales-{MONTH}.html").exists()


def test_without_a_month_it_is_the_one_before_today_s(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, asked = make_settings(), list[str]()
    monkeypatch.setattr(flow, "load", lambda: settings)
    monkeypatch.setattr(flow, "write_report", asked.append)
    monkeypatch.setattr(flow, "get_run_logger", logging.getLogger)
    with ThreadPoolExecutor(1) as pool:  # a browser of other tests has a loop in this thread
        for given in ((), (MONTH,)):
            pool.submit(lambda given=given: asyncio.run(flow.report.fn(*given))).result()
    assert asked == [month_before(settings), MONTH]


def test_a_month_that_has_not_ended_is_not_sent(small_shop: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nor is one before it in its place."""
    place = small_shop.report.model_copy(update={"folder": tmp_path})
    monkeypatch.setattr(flow, "load", lambda: small_shop.model_copy(update={"report": place}))
    with pytest.raises(PermanentFailure, match="does not hold the whole of 2999-01"):
        flow.write_report.fn("2999-01")
    assert list(tmp_path.iterdir()) == []
