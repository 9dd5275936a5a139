"""`cartlake serve model` with every champion on one core, asked over HTTP from another: seconds to ready, time of an answer of
each, answers a second, and how long an answer takes when 500 a second are asked for, whether the last one has come or not."""

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lake.config import load
from ml.life import registry, store
from ml.model import models
from transforms.engine.server import free_port

ROOT = Path(__file__).resolve().parents[2]
WARM, SINGLE, CONNECTIONS, EACH = 300, 1000, 8, 250
OFFERED, SECONDS, WAITING = 500, 4, 32  # requests a second, for how long, over how many connections


def measure(data: Path) -> dict[str, float]:
    """`ready` in seconds with every champion. Of each model `p50/NAME` and `p99/NAME` in milliseconds of single requests one
    after the other, `rate/NAME` a second with CONNECTIONS at once and `p99_busy/NAME` of these, `p99_offered/NAME` at OFFERED a
    second, from when a request was due. Without a name, each is the worst of them. The server has core 0 alone, the client core
    1."""
    port, requests = free_port(), _requests(data)
    command = [str(Path(sys.executable).parent / "cartlake"), "serve", "model", "--port", str(port)]
    began = time.monotonic()
    server = subprocess.Popen(
        command, env={**os.environ, "CARTLAKE_DATA": str(data)}, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        os.sched_setaffinity(server.pid, {0})
        _wait(server, f"http://127.0.0.1:{port}/ping")
        found = {"ready": time.monotonic() - began}
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {max(before)})
        try:
            by = {name: asyncio.run(_ask(port, request)) for name, request in requests.items()}
        finally:
            os.sched_setaffinity(0, before)
    finally:
        server.terminate()
        server.wait(30)
    for figure in ("p50", "p99", "rate", "p99_busy", "p99_offered"):
        each = {name: told[figure] for name, told in by.items()}
        found |= {f"{figure}/{name}": value for name, value in each.items()}
        found[figure] = min(each.values()) if figure == "rate" else max(each.values())
    return found


def _requests(data: Path) -> dict[str, bytes]:
    """A request for one answer of each champion: the first row of the example that its training logged."""
    settings = load(ROOT / "cartlake.toml", {**os.environ, "CARTLAKE_DATA": str(data)})
    client = store.connect(settings.ml.tracking_uri, settings.ml.artifacts)
    made = {}
    for name in models():
        held = registry.holder(client, name)
        if held is None:
            continue
        example: Mapping[str, Any] = json.loads((registry.folder(client, held) / "input_example.json").read_text())
        row = dict(zip(example["columns"], example["data"][0], strict=True))
        body = json.dumps({"dataframe_records": [row]}).encode()
        head = f"POST /models/{name}/invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        made[name] = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    return made


async def _ask(port: int, request: bytes) -> dict[str, float]:
    await _client(port, request, WARM)
    alone = await _client(port, request, SINGLE)
    began = time.perf_counter()
    parts = await asyncio.gather(*(_client(port, request, EACH) for _ in range(CONNECTIONS)))
    took = time.perf_counter() - began
    busy = [took for part in parts for took in part]
    offered = await _offered(port, request)
    return {
        "p50": _quantile(alone, 50),
        "p99": _quantile(alone, 99),
        "rate": len(busy) / took,
        "p99_busy": _quantile(busy, 99),
        "p99_offered": _quantile(offered, 99),
    }


def _quantile(took: list[float], percent: int) -> float:
    return 1e3 * sorted(took)[len(took) * percent // 100]


async def _client(port: int, request: bytes, count: int) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    took = []
    for _ in range(count):
        began = time.perf_counter()
        await _one(reader, writer, request)
        took.append(time.perf_counter() - began)
    writer.close()
    return took


async def _offered(port: int, request: bytes) -> list[float]:
    """Seconds from when each request was due: one that must wait for a free connection has waited too."""
    due = iter(range(OFFERED * SECONDS))
    began, took = time.perf_counter() + 0.1, list[float]()

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in due:
            at = began + number / OFFERED
            await asyncio.sleep(max(0.0, at - time.perf_counter()))
            await _one(reader, writer, request)
            took.append(time.perf_counter() - at)
        writer.close()

    await asyncio.gather(*(client() for _ in range(WAITING)))
    return took


async def _one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode())
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
    await reader.readexactly(int(length.split(b":")[1]))


def _wait(server: "subprocess.Popen[Any]", url: str) -> None:
    while server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.01)
    raise RuntimeError(f"the server ended with {server.returncode}")
