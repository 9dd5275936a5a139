"""The ASGI application: MLflow's paths, for one model or for each by its name."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from importlib.metadata import version
from typing import Any

import orjson

from ml.serving.champions import Champions
from ml.serving.loaded import Answer, Loaded, refused

MOST_BYTES = 16 * 2**20
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class App:
    """`/invocations` for a single model, `/models/<name>/invocations` for each; `/ping`, `/health`, `/version`, `/models`."""

    def __init__(self, champions: Champions) -> None:
        self._champions = champions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        loaded, answer = await self._answer(scope, receive)
        headers = [(b"content-type", answer.kind.encode()), (b"content-length", str(len(answer.body)).encode())]
        if loaded is not None:
            headers += [(b"x-model", loaded.name.encode()), (b"x-model-version", str(loaded.version).encode())]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[Loaded | None, Answer]:
        path, method = str(scope["path"]), str(scope["method"])
        if path.endswith("/invocations"):
            if method != "POST":
                return None, refused(f"{method} {path}: an invocation is a POST", "BAD_REQUEST", 405)
            body = await _body(receive)
            if body is None:
                return None, refused(f"the request is longer than {MOST_BYTES:,} bytes: ask in parts", "BAD_REQUEST", 413)
            loaded = self._asked(path)
            if isinstance(loaded, Answer):
                return None, loaded
            kind = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"content-type"), "")
            answer = loaded.at_once(body, kind)
            return loaded, await asyncio.to_thread(loaded.answer, body, kind) if answer is None else answer
        return None, self._told(path)

    def _asked(self, path: str) -> Loaded | Answer:
        serving = self._champions.serving
        if path == "/invocations":
            if len(serving) == 1:
                return next(iter(serving.values()))
            return refused(
                f"which model? POST to /models/<name>/invocations: {', '.join(serving)}", "RESOURCE_DOES_NOT_EXIST", 404
            )
        name = path.removeprefix("/models/").removesuffix("/invocations")
        found = serving.get(name)
        if found is None:
            return refused(f"no model {name!r} is served here: {', '.join(serving)}", "RESOURCE_DOES_NOT_EXIST", 404)
        return found

    def _told(self, path: str) -> Answer:
        if path == "/ping":
            return Answer(200, b"\n")
        if path == "/version":
            return Answer(200, version("mlflow").encode())
        if path in ("/health", "/models"):
            serving = {name: loaded.version for name, loaded in self._champions.serving.items()}
            return Answer(200, orjson.dumps({"serving": serving, "failed": self._champions.failed}))
        return refused(f"nothing is at {path}", "RESOURCE_DOES_NOT_EXIST", 404)


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None when it is too long, and then the rest is read and dropped."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(parts)
        part = message.get("body", b"")
        size += len(part)
        if size <= MOST_BYTES:
            parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts) if size <= MOST_BYTES else None


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
