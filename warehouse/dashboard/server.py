"""The app behind uvicorn, with what it needs from this machine alone."""

import os
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lake.config import Settings
from warehouse.dashboard import access, charts, entrance
from warehouse.server.front import LOOPBACK

_HERE = Path(__file__).parent
# Streamlit asks for these when a page needs them first, which is long after it could have had them.
_AHEAD = ("ArrowVegaLiteChart", "Metric", "Multiselect", "Selectbox", "embed", "loadVegaEmbed", "vega-interpreter")
_OPTIONS: dict[str, Any] = {
    "browser.gatherUsageStats": False,  # nothing is reported to anybody
    "server.fileWatcherType": "none",
    "server.headless": True,
    "client.toolbarMode": "viewer",
    "client.showErrorDetails": "none",  # the log has them
    "runner.magicEnabled": False,
    # For each scheme by itself: a theme of one alone would be shown to those who prefer the other, too.
    **{
        f"theme.{scheme}.{name}": value
        for scheme in ("light", "dark")
        for name, value in {
            "font": "system-ui, -apple-system, 'Segoe UI', sans-serif",
            "primaryColor": charts.COLOURS[0],
            "chartCategoricalColors": list(charts.COLOURS),
        }.items()
    },
}


def run(settings: Settings, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM. UsageError for an address that would be open to the outside."""
    import uvicorn

    ways = access.doors(settings, host)
    os.environ["CARTLAKE_CONFIG"] = str(settings.home / "cartlake.toml")  # the script reads its settings by itself
    uvicorn.run(application(ways), host=host, port=port, log_level="warning", access_log=False)


def application(ways: access.Doors | None) -> Any:
    """The ASGI application: Streamlit's with the outlines of the map, behind `ways` in where there are any."""
    import streamlit as st
    from starlette.middleware import Middleware
    from starlette.responses import FileResponse
    from starlette.routing import Route
    from streamlit import config

    # Where no cookie is asked for, a page of the internet whose name leads to this machine must not read what it shows.
    hosts = [] if ways else list(LOOPBACK)
    for name, value in (_OPTIONS | {"server.allowedHosts": hosts}).items():
        config.set_option(name, value)

    async def outlines(_: Any) -> Any:
        return FileResponse(_HERE / "assets" / "countries.json", headers={"Cache-Control": "max-age=86400"})

    wrapped = [Middleware(entrance.Guard, doors=ways)] if ways else []
    wrapped.append(Middleware(Index))
    return st.App(_HERE / "script" / "run.py", routes=[Route("/assets/countries.json", outlines)], middleware=wrapped)


class Index:
    """ASGI middleware: puts assets/head.html into Streamlit's page, with its own scripts that every page needs.

    The head tells the page at which address its server is, without which it would try the path below a page's first and fill the
    browser's console with two errors; and keeps room free for what is not there yet.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._head = b"<head>" + (_HERE / "assets" / "head.html").read_bytes() + _ahead()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or "text/html" not in Headers(scope=scope).get("accept", ""):
            await self._app(scope, receive, send)
            return
        # Uncompressed, so that it can be changed: it is a few kilobytes.
        plain = {**scope, "headers": [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]}
        start: Message = {}
        body = b""

        async def change(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                return
            body += message.get("body", b"")
            if message.get("more_body"):
                return
            if Headers(raw=start["headers"]).get("content-type", "").startswith("text/html"):
                body = body.replace(b"<head>", self._head, 1).replace(b"<title>Streamlit</title>", b"<title>Cartlake</title>")
                MutableHeaders(raw=start["headers"])["content-length"] = str(len(body))
            await send(start)
            await send({"type": "http.response.body", "body": body})

        await self._app(plain, receive, change)


def _ahead() -> bytes:
    """Links to those of Streamlit's scripts that every page needs; none for one that another version does not have."""
    import streamlit as st

    folder = Path(st.__file__).parent / "static" / "static" / "js"
    found = sorted(file.name for name in _AHEAD for file in folder.glob(f"{name}.*.js"))
    return "".join(f'<link rel="modulepreload" href="/static/js/{name}">' for name in found).encode()
