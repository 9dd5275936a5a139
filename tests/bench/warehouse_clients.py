"""Stage `clients`: many at once over `cartlake serve sql`, and a publish in the middle of it."""

import itertools
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import duckdb
import warehouse_rows as star  # type: ignore[import-not-found]
from measure import tree_bytes  # type: ignore[import-not-found]
from paired import Verdict, paired  # type: ignore[import-not-found]
from warehouse_sides import SPAWN, apart  # type: ignore[import-not-found]
from warehouse_star import new_home, publish  # type: ignore[import-not-found]

from lake.config import Settings
from warehouse import duck, query

PROCESSES, TOKEN = 5, "token-of-the-bench"
_LINES = "fact_sales join dim_date using (date_key)"
_TILES = (
    "select sum(amount), count(*), sum(quantity) from fact_sales where date_key = {day}",
    "select channel, sum(amount), sum(amount - cost) from fact_sales where date_key between {month}01 and {month}31 "
    "group by all order by all",
    f"select date, sum(amount) from {_LINES} join dim_country using (country_key) where country = '{{country}}' "
    "and date_key between {month}01 and {month}31 group by all order by all",
    "select category, sum(amount) from fact_sales join dim_product using (product_key) "
    "where date_key between {month}01 and {month}31 group by all order by all",
    "select brand, sum(quantity) as units from fact_sales join dim_product using (product_key) where date_key = {day} "
    "group by all order by units desc, brand limit 5",
    "select count(distinct customer_key) from fact_sales where date_key between {month}01 and {month}07",
)
COUNTRIES = ("France", "Germany", "Spain", "Italy")
MOST_SECONDS = 600  # of the round in which a release is published


@dataclass(frozen=True)
class Asked:
    """What one process's clients did: answers by the release they are of, and what went wrong."""

    answers: Mapping[int, int]
    troubles: Sequence[str]

    @property
    def count(self) -> int:
        return sum(self.answers.values())


def dashboard() -> list[str]:
    """Tiles of a dashboard over several days, months and countries, and two queries over whole years."""
    asked = []
    for place, month in enumerate((202512, 202601, 202602, 202603, 202604, 202605, 202606, 202607)):
        values = {"month": month, "day": f"{month}{place + 5:02}", "country": COUNTRIES[place % len(COUNTRIES)]}
        asked += [tile.format(**values) for tile in _TILES]
    return [*asked, star.QUERIES["year over year"], star.QUERIES["channel mix"]]


def clients(home: Path, rows: int, rounds: int, count: int, seconds: float) -> list[Verdict]:
    """One client and many take turns; then many during a publish."""
    settings = new_home(home)
    star.make_lake(settings, rows)
    publish(settings, settings.lake_root)
    known = {1: _answers(settings, 1)}
    one, many, troubles = [], [], []
    with _server(settings) as (uri, process), _processes(uri, count) as (pipes, stop):
        for number in range(rounds + 1):
            for kept, active in ((one, 1), (many, count)) if number % 2 else ((many, count), (one, 1)):
                found = _round(pipes, active, seconds, known)
                troubles += found.troubles
                if number:  # the first round warms up
                    kept.append(found.count / seconds)
        star.change(settings, rows, 1)

        def meanwhile() -> None:
            time.sleep(seconds)
            apart(publish, settings, settings.lake_root)
            time.sleep(seconds)
            stop.set()
            known[2] = _answers(settings, 2)

        during = _round(pipes, count, MOST_SECONDS, known, meanwhile)
        peak = tree_bytes(process.pid)
        process.terminate()
        ended = process.wait(60)
    ratio = paired(many, one)
    rate = sorted(many)[len(many) // 2]
    said = "; ".join(sorted(set(troubles))[:3])
    lost = "; ".join(sorted(set(during.troubles))[:3])
    both = during.answers.get(1, 0) > 0 and during.answers.get(2, 0) > 0
    old_new = f"{during.answers.get(1, 0):,} answers of the old, {during.answers.get(2, 0):,} of the new release"
    return [
        Verdict(f"{count} clients: errors and wrong answers", said or "none", "none", bool(troubles)),
        Verdict(f"{count} clients ({rate:.0f} queries/s), throughput x one client's", str(ratio), ">= 1.5", ratio.high < 1.5),
        Verdict(f"{count} clients during a publish", lost or old_new, "nobody dropped", bool(during.troubles) or not both),
        Verdict("server: memory after it, and how it ended", f"{peak / 2**30:.2f} GiB, {ended}", "ends with 0", ended != 0),
    ]


def _answers(settings: Settings, release: int) -> dict[str, str]:
    with query.connect(settings, release, live=False) as connection:
        return {sql: repr(connection.execute(sql).fetchall()) for sql in dashboard()}


def _round(
    pipes: "Sequence[Connection[Any, Any]]",
    active: int,
    seconds: float,
    known: Mapping[int, Mapping[str, str]],
    meanwhile: Callable[[], None] = lambda: None,
) -> Asked:
    """So many clients ask for so long, spread over the processes; each answer must be that of one of the `known` releases."""
    shares = [active // len(pipes) + (place < active % len(pipes)) for place in range(len(pipes))]
    for pipe, share in zip(pipes, shares, strict=True):
        pipe.send((share, seconds))
    meanwhile()
    answers: dict[int, int] = {}
    troubles: list[str] = []
    for pipe in pipes:
        given, failed = pipe.recv()
        troubles += failed
        for (sql, text), times in given.items():
            release = next((number for number, wanted in known.items() if wanted[sql] == text), None)
            if release is None:
                troubles.append(f"an answer of no release: {sql}: {text[:100]}")
            else:
                answers[release] = answers.get(release, 0) + times
    return Asked(answers, troubles)


@contextmanager
def _server(settings: Settings) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [str(Path(sys.executable).with_name("cartlake")), "--config", str(settings.home / "cartlake.toml")]
    command += ["serve", "sql", "--port", port]
    environment = {**os.environ, "CARTLAKE_SERVE__TOKEN": TOKEN}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(rf"quack:\S+:{port}", line)
            if not found:
                raise RuntimeError(f"cartlake serve sql said: {line}")
            yield found[0], process
        finally:
            if process.poll() is None:
                process.kill()


@contextmanager
def _processes(uri: str, count: int) -> "Iterator[tuple[list[Connection[Any, Any]], Event]]":
    """Their pipes, and the event that ends a round early."""
    processes, pipes, stop = [], [], SPAWN.Event()
    try:
        for place in range(min(PROCESSES, count)):
            here, there = SPAWN.Pipe()
            most = -(-count // PROCESSES)
            processes.append(SPAWN.Process(target=_ask, args=(there, uri, most, place, stop), daemon=True))
            processes[-1].start()
            there.close()
            pipes.append(here)
        for pipe in pipes:
            pipe.recv()  # connected
        yield pipes, stop
    finally:
        for pipe in pipes:
            pipe.close()
        for process in processes:
            process.join(10)
            if process.is_alive():
                process.kill()


def _ask(pipe: "Connection[Any, Any]", uri: str, most: int, place: int, stop: Event) -> None:
    """A process of `most` clients, each of which stays connected."""
    base = duckdb.connect(config={"threads": 1})
    base.execute("SET enable_progress_bar = false")
    for extension in ("httpfs", "quack"):
        duck.load_extension(base, extension)
    connections = []
    for number in range(most):
        cursor = base.cursor()
        cursor.execute(f"ATTACH '{uri}' AS c{number} (TOKEN '{TOKEN}')")
        connections.append(cursor)
    pipe.send("connected")
    asked = dashboard()
    while True:
        try:
            share, seconds = pipe.recv()
        except EOFError:
            return
        given: dict[tuple[str, str], int] = {}
        failed: list[str] = []
        lock = threading.Lock()
        until = time.monotonic() + seconds

        def run(number: int) -> None:
            queries = itertools.cycle(asked[7 * (number * PROCESSES + place) % len(asked) :] + asked)
            while time.monotonic() < until and not stop.is_set():  # noqa: B023 - the threads end before the next turn
                sql = next(queries)
                try:
                    rows = connections[number].execute(f"FROM quack_query_by_name('c{number}', ?)", [sql]).fetchall()
                except duckdb.Error as error:
                    with lock:  # noqa: B023
                        failed.append(" ".join(str(error).split())[:200])  # noqa: B023
                    return
                with lock:  # noqa: B023
                    key = (sql, repr(rows))
                    given[key] = given.get(key, 0) + 1  # noqa: B023

        threads = [threading.Thread(target=run, args=(number,)) for number in range(share)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        pipe.send((given, failed))
