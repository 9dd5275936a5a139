"""Who may look: nobody from outside without a token or a name, and nobody with a wrong one."""

import http.cookiejar
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lake.config import Settings
from lake.errors import PermanentFailure, UsageError
from warehouse.dashboard import access

TOKEN = "a-token-of-the-owner"


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings()


@pytest.fixture
def guarded(trained_shop: Settings, serve_dashboard: Any, tmp_path: Path) -> Iterator[Any]:
    users = tmp_path / "users"
    access.add_user(users, "ann", "correct horse")
    yield from serve_dashboard(
        trained_shop, "--host", "0.0.0.0", CARTLAKE_DASHBOARD__TOKEN=TOKEN, CARTLAKE_DASHBOARD__USERS=str(users)
    )


class Visitor:
    """A browser without a screen: it keeps cookies and says that it wants a page."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def get(self, path: str = "/", form: dict[str, str] | None = None) -> tuple[int, str]:
        data = urllib.parse.urlencode(form).encode() if form else None
        try:
            with self._opener.open(urllib.request.Request(self.url + path, data, {"Accept": "text/html"}), timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


def test_the_way_in(guarded: Any) -> None:
    for path in (
        "/",
        "/sales?country=France",
        "/_stcore/health",
        "/_stcore/host-config",
        "/static/js/x.js",
        "/assets/countries.json",
    ):
        assert Visitor(guarded.url).get(path)[0] == 401
    visitor = Visitor(guarded.url)
    assert visitor.get("/login", {"name": "ann", "password": "wrong horse"})[0] == 401
    assert visitor.get("/login", {"name": "bob", "password": "correct horse"})[0] == 401
    assert visitor.get("/")[0] == 401
    status, page = visitor.get("/login", {"name": "ann", "password": "correct horse", "next": "/sales?country=France"})
    assert status == 200
    assert "<title>Cartlake</title>" in page
    assert visitor.get("/_stcore/health")[0] == 200
    assert Visitor(guarded.url).get(f"/sales?token={TOKEN}")[0] == 200
    assert Visitor(guarded.url).get("/sales?token=another")[0] == 401


def test_a_socket_needs_it_too(guarded: Any) -> None:
    import websockets.sync.client
    from websockets.exceptions import ConnectionClosed, InvalidStatus

    address = guarded.url.replace("http", "ws") + "/_stcore/stream"
    with pytest.raises((InvalidStatus, ConnectionClosed)), websockets.sync.client.connect(address, proxy=None) as socket:
        socket.recv()


def test_a_form_leads_to_no_other_server(guarded: Any) -> None:
    for elsewhere in ("//example.org", "https://example.org", "/\\example.org"):
        status, page = Visitor(guarded.url).get("/login", {"name": "ann", "password": "correct horse", "next": elsewhere})
        assert (status, "<title>Cartlake</title>" in page) == (200, True)


def test_it_does_not_open_to_the_outside_by_itself(settings: Settings) -> None:
    assert access.doors(settings, "127.0.0.1") is None
    with pytest.raises(UsageError, match="CARTLAKE_DASHBOARD__TOKEN, or say who may look: cartlake dashboard --add-user"):
        access.doors(settings, "0.0.0.0")
    access.add_user(settings.dashboard.users, "ann", "correct horse")
    assert access.doors(settings, "0.0.0.0") is not None
    assert access.doors(settings, "127.0.0.1") is not None  # whoever names users means them


def test_passwords_are_hashed_and_can_be_changed(tmp_path: Path) -> None:
    file = tmp_path / "users"
    access.add_user(file, "ann", "correct horse")
    access.add_user(file, "bob", "battery staple")
    first = file.read_text()
    assert "horse" not in first
    assert file.stat().st_mode & 0o077 == 0
    ways = access.Doors("", file, "secret")
    assert ways.lets_in("ann", "correct horse")
    assert not ways.lets_in("ann", "battery staple")
    assert not ways.lets_in("", "")
    ticket = ways.ticket("ann")
    assert ways.holds(ticket)
    assert not access.Doors("", file, "another secret").holds(ticket)
    assert not ways.holds(ticket[:-2])
    access.add_user(file, "ann", "another horse")
    assert not ways.holds(ticket)  # who came in with the old password is out
    assert ways.lets_in("ann", "another horse")
    assert ways.lets_in("bob", "battery staple")


@pytest.mark.parametrize(
    ("name", "password"), [("", "long enough"), ("a:b", "long enough"), ("ann", "short"), ("a b", "long enough")]
)
def test_bad_names_and_passwords_are_refused(tmp_path: Path, name: str, password: str) -> None:
    with pytest.raises(UsageError):
        access.add_user(tmp_path / "users", name, password)
    assert not (tmp_path / "users").exists()


def test_a_broken_users_file_lets_nobody_in(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text("ann:correct horse\n")
    with pytest.raises(PermanentFailure, match="users, line 1: expected NAME:scrypt"):
        access.Doors("", file, "").lets_in("ann", "correct horse")
