"""`cartlake serve model` on one core, asked over HTTP from another: seconds to ready, time of an answer, answers a second."""

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from ml.customers.features import NUMERIC
from transforms.engine.server import free_port

ROOT = Path(__file__).resolve().parents[2]
SINGLE, CONNECTIONS, EACH = 2000, 8, 500


def measure(data: Path, name: str = "repeat_purchase") -> dict[str, float]:
    """`ready` in seconds, `p50` and `p99` in milliseconds of single requests one after the other, `rate` a second with
    CONNECTIONS at once and `p99_busy` of these. The server has core 0 alone, the client core 1."""
    port = free_port()
    command = [str(Path(sys.executable).parent / "cartlake"), "serve", "model", name, "--port", str(port)]
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
            found |= asyncio.run(_ask(port))
        finally:
            os.sched_setaffinity(0, before)
    finally:
        server.terminate()
        server.wait(30)
    return found


async def _ask(port: int) -> dict[str, float]:
    body = json.dumps({"dataframe_records": [dict.fromkeys(NUMERIC, 3.0)]}).encode()
    head = f"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    request = head.encode() + body
    await _client(port, request, 300)  # the first requests warm up
    alone = sorted(await _client(port, request, SINGLE))
    began = time.perf_counter()
    parts = await asyncio.gather(*(_client(port, request, EACH) for _ in range(CONNECTIONS)))
    took = time.perf_counter() - began
    busy = sorted(took for part in parts for took in part)
    return {
        "p50": 1e3 * alone[len(alone) // 2],
        "p99": 1e3 * alone[len(alone) * 99 // 100],
        "rate": len(busy) / took,
        "p99_busy": 1e3 * busy[len(busy) * 99 // 100],
    }


async def _client(port: int, request: bytes, count: int) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    took = []
    for _ in range(count):
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode())
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        await reader.readexactly(int(length.split(b":")[1]))
        took.append(time.perf_counter() - began)
    writer.close()
    return took


def _wait(server: "subprocess.Popen[Any]", url: str) -> None:
    while server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.01)
    raise RuntimeError(f"the server ended with {server.returncode}")
