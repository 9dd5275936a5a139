"""Who may look: everybody on this machine; from outside those who know the token, or a name and its password.

Passwords are kept as scrypt hashes (RFC 7914; N 2^14, r 8, p 1). Who has come in carries a signed cookie for a week.
"""

import asyncio
import hashlib
import hmac
import html
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from string import Template
from urllib.parse import parse_qsl, urlencode

from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from lake.config import Settings
from lake.errors import PermanentFailure, UsageError
from warehouse.server.front import LOOPBACK
from warehouse.server.secret import kept_in

COOKIE = "cartlake"
_WEEK = 7 * 24 * 3600
_SECRET = "dashboard_secret"
_LEAST_TOKEN, _LEAST_PASSWORD = 16, 8
_TOKEN_USER = ""  # in a cookie: who came in with the token
_WRONG_SECONDS = 1.0  # that a wrong password waits for its answer
_LONGEST_FORM = 4096
_FORM = Template((Path(__file__).parent / "assets" / "login.html").read_text())


@dataclass(frozen=True)
class Doors:
    """The ways in, as they are now: the users file is read at each question, so that who is taken out of it is out."""

    token: str
    users: Path
    secret: str

    def known(self) -> dict[str, str]:
        """Name -> hash. PermanentFailure for a line that is none."""
        if not self.users.exists():
            return {}
        found = {}
        for number, line in enumerate(self.users.read_text().splitlines(), 1):
            name, _, hashed = line.partition(":")
            if not re.fullmatch(r"scrypt\$[0-9a-f]{32}\$[0-9a-f]{64}", hashed):
                raise PermanentFailure(
                    f"{self.users}, line {number}: expected NAME:scrypt$SALT$HASH; write it anew with --add-user"
                )
            found[name] = hashed
        return found

    def lets_in(self, name: str, password: str) -> bool:
        """Whether a name and its password, or the token without a name, are right. An unknown name takes as long as another."""
        if not name:
            return bool(self.token) and hmac.compare_digest(password.encode(), self.token.encode())
        known = self.known().get(name)
        salt, expected = (known or f"scrypt${'0' * 32}${'0' * 64}").split("$")[1:]
        return hmac.compare_digest(_scrypt(password, salt), expected) and known is not None

    def ticket(self, name: str) -> str:
        """What the cookie of somebody who is in says."""
        return self._signer().dumps([name, self._seal(name)])

    def holds(self, ticket: str) -> bool:
        """Whether a cookie is ours, younger than a week, and its password or token still the same."""
        try:
            name, seal = self._signer().loads(ticket, max_age=_WEEK)
        except (BadSignature, ValueError):
            return False
        return bool(seal) and seal == self._seal(name)

    def _signer(self) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(self.secret, salt=COOKIE)

    def _seal(self, name: str) -> str:
        """Changes with the password or token, which ends the cookies that were given for the old one."""
        key = self.token if name == _TOKEN_USER else self.known().get(name, "")
        return hmac.new(self.secret.encode(), key.encode(), hashlib.sha256).hexdigest()[:16] if key else ""


def doors(settings: Settings, host: str) -> Doors | None:
    """The ways in for a server on `host`; None where everybody may look: on this machine alone, with neither token nor users.

    UsageError where it would be open to the outside.
    """
    token, users = settings.dashboard.token.get_secret_value(), settings.dashboard.users
    if 0 < len(token) < _LEAST_TOKEN:
        raise UsageError(
            f"the token of the dashboard has fewer than {_LEAST_TOKEN} characters; set CARTLAKE_DASHBOARD__TOKEN to a longer one"
        )
    found = Doors(token, users, "")
    if token or found.known():
        return Doors(token, users, kept_in(settings.data / _SECRET))
    if host not in LOOPBACK:
        raise UsageError(
            f"{host} is reached from outside: set CARTLAKE_DASHBOARD__TOKEN, or say who may look: "
            "cartlake dashboard --add-user NAME"
        )
    return None


def add_user(file: Path, name: str, password: str) -> None:
    """Write a user with a password's hash into the file, or another password for one who is there. UsageError for a bad one."""
    if not re.fullmatch(r"[^\s:]{1,64}", name):
        raise UsageError(f"{name!r}: a name has neither spaces nor colons, and at most 64 characters")
    if len(password) < _LEAST_PASSWORD:
        raise UsageError(f"a password has at least {_LEAST_PASSWORD} characters")
    salt = secrets.token_hex(16)
    users = Doors("", file, "").known() | {name: f"scrypt${salt}${_scrypt(password, salt)}"}
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    part.touch(mode=0o600)
    part.write_text("".join(f"{name}:{hashed}\n" for name, hashed in users.items()))
    part.replace(file)


def _scrypt(password: str, salt: str) -> str:
    return hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), n=2**14, r=8, p=1, dklen=32).hex()


class Guard:
    """ASGI middleware: the application for those who are in, the form for those who are not."""

    def __init__(self, app: ASGIApp, doors: Doors) -> None:
        self._app, self._doors = app, doors
        self._checking = asyncio.Semaphore(2)  # a hash takes 16 MiB and 50 ms on purpose

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self._doors.holds(HTTPConnection(scope).cookies.get(COOKIE, "")):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 4401})
        else:
            await (await self._answer(Request(scope, receive)))(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        given = dict(parse_qsl(request.url.query))
        if request.method == "GET" and "token" in given:
            back = f"{request.url.path}?{urlencode({name: value for name, value in given.items() if name != 'token'})}"
            return await self._enter("", given["token"], back.rstrip("?"))
        if request.url.path == "/login" and request.method == "POST":
            body = b""
            async for part in request.stream():
                body += part
                if len(body) > _LONGEST_FORM:
                    return PlainTextResponse("too long", 413)
            form = dict(parse_qsl(body.decode(errors="replace")))
            return await self._enter(form.get("name", ""), form.get("password", ""), form.get("next", "/"))
        if request.method != "GET" or "text/html" not in request.headers.get("accept", ""):
            return PlainTextResponse("log in first", 401)
        return _form(f"{request.url.path}?{request.url.query}".rstrip("?"), "")

    async def _enter(self, name: str, password: str, back: str) -> Response:
        async with self._checking:
            right = await asyncio.to_thread(self._doors.lets_in, name, password)
            if not right:
                await asyncio.sleep(_WRONG_SECONDS)
        if not right:
            return _form(back, "That is not right." if name else "The token is not right.")
        # Only a path of this server: //elsewhere and /\\elsewhere would lead away.
        where = back if re.match(r"/(?![/\\])", back) else "/"
        answer = RedirectResponse(where, 303)
        answer.set_cookie(COOKIE, self._doors.ticket(name), max_age=_WEEK, httponly=True, samesite="lax")
        return answer


def _form(back: str, told: str) -> HTMLResponse:
    page = _FORM.substitute(told=html.escape(told), back=html.escape(back, quote=True))
    return HTMLResponse(page, 401, headers={"Cache-Control": "no-store"})
