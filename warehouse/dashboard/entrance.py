"""The door itself, before Streamlit: the form for those who are not in, and a look at the cookie of those who are."""

import asyncio
import html
import logging
import re
from pathlib import Path
from string import Template
from urllib.parse import parse_qsl, urlencode

from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lake.errors import CartlakeError
from warehouse.dashboard.access import WEEK, Doors

log = logging.getLogger(__name__)
COOKIE = "cartlake"
_WRONG_SECONDS = 1.0  # that a wrong password waits for its answer
_LONGEST_FORM = 4096
_LOG_IN = 4401  # a socket's close code: who had it open may not look any more
_FORM = Template((Path(__file__).parent / "assets" / "login.html").read_text())


class Guard:
    """ASGI middleware: the application for those who are in, the form for those who are not."""

    def __init__(self, app: ASGIApp, doors: Doors) -> None:
        self._app, self._doors = app, doors
        self._checking = asyncio.Semaphore(2)  # a hash takes 16 MiB and 50 ms on purpose

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        ticket = HTTPConnection(scope).cookies.get(COOKIE, "")
        if scope["type"] == "websocket":
            if self._in(ticket):
                await self._while_in(ticket, scope, receive, send)
            else:
                await receive()
                await send({"type": "websocket.close", "code": _LOG_IN})
            return
        try:
            answer = await self._answer(Request(scope, receive), ticket)
        except CartlakeError as error:  # where it is on this machine is nobody's business outside
            log.error("%s", error)
            answer = PlainTextResponse("Nobody can log in just now; the log of the dashboard says why.", 503)
        await (answer or self._app)(scope, receive, send)

    def _in(self, ticket: str) -> bool:
        try:
            return self._doors.holds(ticket)
        except CartlakeError as error:
            log.error("%s", error)
            return False

    async def _while_in(self, ticket: str, scope: Scope, receive: Receive, send: Send) -> None:
        """A socket, which outlives the request that opened it: its cookie is looked at again at each message."""
        out = False

        async def received() -> Message:
            nonlocal out
            message = await receive()
            if message["type"] != "websocket.receive" or self._in(ticket):
                return message
            out = True
            await send({"type": "websocket.close", "code": _LOG_IN})
            return {"type": "websocket.disconnect", "code": _LOG_IN}

        async def sent(message: Message) -> None:
            if not out:
                await send(message)

        await self._app(scope, received, sent)

    async def _answer(self, request: Request, ticket: str) -> Response | None:
        """What is said instead of the application; None for those who are in."""
        given = parse_qsl(request.url.query)
        token = next((value for name, value in given if name == "token"), None)
        inside = self._doors.holds(ticket)
        if request.method == "GET" and token is not None:
            # Out of the address first, for whoever is in already too: addresses are sent to others.
            back = f"{request.url.path}?{urlencode([pair for pair in given if pair[0] != 'token'])}".rstrip("?")
            return RedirectResponse(_here(back), 303) if inside else await self._enter(request, "", token, back)
        if inside:
            return None
        if request.url.path == "/login" and request.method == "POST":
            body = b""
            async for part in request.stream():
                body += part
                if len(body) > _LONGEST_FORM:
                    return PlainTextResponse("too long", 413)
            form = dict(parse_qsl(body.decode(errors="replace")))
            return await self._enter(request, form.get("name", ""), form.get("password", ""), form.get("next", "/"))
        if request.method != "GET" or "text/html" not in request.headers.get("accept", ""):
            return PlainTextResponse("log in first", 401)
        return _form(f"{request.url.path}?{request.url.query}".rstrip("?"), "")

    async def _enter(self, request: Request, name: str, password: str, back: str) -> Response:
        async with self._checking:
            right = await asyncio.to_thread(self._doors.lets_in, name, password)
        if not right:
            await asyncio.sleep(_WRONG_SECONDS)  # keeping nobody else from being checked
            return _form(back, "That is not right." if name else "The token is not right.")
        answer = RedirectResponse(_here(back), 303)
        # A proxy with TLS before it says so; who says so without one harms but himself.
        secure = "https" in (request.url.scheme, request.headers.get("x-forwarded-proto", "").partition(",")[0].strip())
        answer.set_cookie(COOKIE, self._doors.ticket(name), max_age=WEEK, httponly=True, samesite="lax", secure=secure)
        return answer


def _here(path: str) -> str:
    """Only a path of this server: //elsewhere and /\\elsewhere would lead away."""
    return path if re.match(r"/(?![/\\])", path) else "/"


def _form(back: str, told: str) -> HTMLResponse:
    page = _FORM.substitute(told=html.escape(told), back=html.escape(back, quote=True))
    return HTMLResponse(page, 401, headers={"Cache-Control": "no-store"})
