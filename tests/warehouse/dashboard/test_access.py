"""Who may look: nobody from outside without a token or a name, and nobody with a wrong one."""

import asyncio
import http.cookiejar
import socket
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from lake.config import Settings
from lake.errors import PermanentFailure, UsageError
from warehouse.dashboard import access, entrance

TOKEN = "a-token-of-the-owner"


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings()


@pytest.fixture
def users(tmp_path: Path) -> Path:
    """A file with one name in it."""
    file = tmp_path / "users"
    access.add_user(file, "ann", "correct horse")
    return file


@pytest.fixture
def guarded(trained_shop: Settings, serve_dashboard: Any, users: Path) -> Iterator[Any]:
    yield from serve_dashboard(
        trained_shop, "--host", "0.0.0.0", CARTLAKE_DASHBOARD__TOKEN=TOKEN, CARTLAKE_DASHBOARD__USERS=str(users)
    )


class Visitor:
    """A browser without a screen: it keeps cookies and says that it wants a page."""

    def __init__(self, url: str) -> None:
        self.url, self._cookies = url, http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._cookies))

    def cookie(self) -> str:
        """What it says of itself at each request."""
        return "; ".join(f"{one.name}={one.value}" for one in self._cookies)

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


def test_who_is_taken_out_is_out_of_an_open_page_too(guarded: Any, users: Path) -> None:
    """By Streamlit's own protocol: a page that is looked at, and asks again after its user is gone."""
    import websockets.sync.client
    from streamlit.proto.BackMsg_pb2 import BackMsg
    from websockets.exceptions import ConnectionClosed

    visitor = Visitor(guarded.url)
    assert visitor.get("/login", {"name": "ann", "password": "correct horse"})[0] == 200
    ask = BackMsg()
    ask.rerun_script.query_string = ""
    address = guarded.url.replace("http", "ws") + "/_stcore/stream"
    cookie = {"Cookie": visitor.cookie()}
    with websockets.sync.client.connect(address, additional_headers=cookie, subprotocols=SPOKEN, proxy=None) as open_page:
        open_page.send(ask.SerializeToString())
        assert len(open_page.recv(timeout=60)) > 0
        access.remove_user(users, "ann")
        open_page.send(ask.SerializeToString())
        with pytest.raises(ConnectionClosed) as closed:
            list(iter(lambda: open_page.recv(timeout=60), None))  # what was under way, and then the end
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401


SPOKEN: Any = ["streamlit"]


@pytest.mark.parametrize(
    ("host", "status"), [("localhost", 101), ("127.0.0.1", 101), ("[::1]", 101), ("rebound.example.org", 403)]
)
def test_a_name_that_leads_to_this_machine_reads_nothing(site: Any, host: str, status: int) -> None:
    """DNS rebinding: a page of the internet makes its own name point to 127.0.0.1, and is then of the same origin."""
    port = int(site.url.rpartition(":")[2])
    lines = [
        "GET /_stcore/stream HTTP/1.1",
        f"Host: {host}:{port}",
        f"Origin: http://{host}:{port}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol: streamlit",
    ]
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        line.sendall("\r\n".join([*lines, "", ""]).encode())
        assert line.recv(200).split()[1] == str(status).encode()


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


def door(users: Path, token: str = "") -> entrance.Guard:
    """The guard before an application that says which address was asked for, and answers on a socket."""

    async def page(request: Request) -> Response:
        return PlainTextResponse(f"inside {request.url.path}?{request.url.query}")

    async def line(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(f"heard {await socket.receive_text()}")
        await socket.close()

    inner = Starlette(routes=[WebSocketRoute("/line", line), Route("/{rest:path}", page)])
    return entrance.Guard(inner, access.Doors(token, users, "secret"))


def browser(guard: entrance.Guard, url: str = "http://dash.example") -> TestClient:
    return TestClient(guard, url, headers={"accept": "text/html"})


def test_a_token_leaves_the_address_though_one_is_in(users: Path) -> None:
    client = browser(door(users, TOKEN))
    for _ in range(2):  # with no cookie, and with one
        answer = client.get(f"/sales?country=France&country=Spain&token={TOKEN}", follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/sales?country=France&country=Spain")
        assert client.get("/sales").text == "inside /sales?"
    assert client.get("//elsewhere.example/?token=x", follow_redirects=False).headers["location"] == "/"


@pytest.mark.parametrize(
    ("url", "headers", "secure"),
    [
        ("http://dash.example", {}, False),
        ("https://dash.example", {}, True),
        ("http://dash.example", {"x-forwarded-proto": "https"}, True),
        ("http://dash.example", {"x-forwarded-proto": "https, http"}, True),
    ],
)
def test_behind_tls_the_cookie_stays_behind_it(users: Path, url: str, headers: dict[str, str], secure: bool) -> None:
    form = {"name": "ann", "password": "correct horse"}
    answer = browser(door(users), url).post("/login", data=form, headers=headers, follow_redirects=False)
    assert answer.status_code == 303
    assert ("; secure" in answer.headers["set-cookie"].lower()) == secure


def test_wrong_passwords_keep_nobody_out(users: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four who guess wait, each for himself, and who knows the password comes in meanwhile."""
    waiting, first = asyncio.Event(), asyncio.Semaphore(0)

    async def sleep(_: float) -> None:
        first.release()
        await waiting.wait()

    monkeypatch.setattr(entrance.asyncio, "sleep", sleep)

    async def ask(guard: entrance.Guard, password: str) -> int:
        body = urllib.parse.urlencode({"name": "ann", "password": password}).encode()
        said: list[int] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        async def send(message: Any) -> None:
            said.append(message.get("status", 0))

        scope = {"type": "http", "method": "POST", "path": "/login", "query_string": b"", "headers": [], "scheme": "http"}
        await guard(scope, receive, send)
        return said[0]

    async def all_at_once() -> tuple[int, list[int]]:
        guard = door(users)
        guesses = [asyncio.create_task(ask(guard, f"guess {number}")) for number in range(4)]
        for _ in guesses:
            await first.acquire()
        right = await ask(guard, "correct horse")
        waiting.set()
        return right, await asyncio.gather(*guesses)

    with ThreadPoolExecutor(1) as pool:  # a browser of other tests has a loop in this thread
        found = pool.submit(lambda: asyncio.run(asyncio.wait_for(all_at_once(), 30))).result()
    assert found == (303, [401] * 4)


def test_a_broken_users_file_is_a_line_and_its_place_is_in_the_log(users: Path, caplog: pytest.LogCaptureFixture) -> None:
    client = browser(door(users), "http://testserver")  # to which its sockets go
    client.post("/login", data={"name": "ann", "password": "correct horse"})
    with client.websocket_connect("/line") as line:
        line.send_text("one")
        assert line.receive_text() == "heard one"
    users.write_text("ann:correct horse\n")
    answer = client.get("/sales")
    assert (answer.status_code, answer.text) == (503, "Nobody can log in just now; the log of the dashboard says why.")
    assert "users, line 1: expected NAME:scrypt" in caplog.text
    with pytest.raises(WebSocketDisconnect) as closed, client.websocket_connect("/line"):
        pass
    assert closed.value.code == 4401


def test_a_name_leaves_the_file(users: Path) -> None:
    access.add_user(users, "bob", "battery staple")
    access.remove_user(users, "ann")
    assert list(access.Doors("", users, "").known()) == ["bob"]
    with pytest.raises(UsageError, match="has no 'ann'; there are: bob"):
        access.remove_user(users, "ann")
