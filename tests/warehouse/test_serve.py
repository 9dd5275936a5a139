"""`cartlake serve sql`, a real server in a process of its own, asked by real clients over quack."""

import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from lake.config import Settings, describe, load
from lake.errors import UsageError
from warehouse import duck, query
from warehouse.server.front import serving, token_of

TOKEN = "token-of-the-test"
SECONDS = 3
LIMITS = {"CARTLAKE_SERVE__QUERY_MEMORY": "64MiB", "CARTLAKE_SERVE__QUERIES": "3"}
ENDLESS = "select count(*) from range(100000) a, range(100000) b where hash(a.range + b.range) = 1"
names = itertools.count(1)


@dataclass
class Server:
    uri: str
    process: "subprocess.Popen[str]"
    settings: Settings
    base: duckdb.DuckDBPyConnection

    def client(self) -> Callable[[str], list[tuple[Any, ...]]]:
        """A client that stays connected."""
        connection = self.base.cursor()
        name = f"c{next(names)}"
        connection.execute(f"ATTACH '{self.uri}' AS {name} (TOKEN '{TOKEN}')")
        return lambda sql: connection.execute(f"FROM quack_query_by_name('{name}', ?)", [sql]).fetchall()

    def ask(self, sql: str, token: str = TOKEN) -> list[tuple[Any, ...]]:
        """A client that comes, asks and goes."""
        with self.base.cursor() as connection:
            return connection.execute(f"FROM quack_query('{self.uri}', ?, token := '{token}')", [sql]).fetchall()


def command(settings: Settings, *arguments: str) -> list[str]:
    return [str(Path(sys.executable).with_name("cartlake")), "--config", str(settings.home / "cartlake.toml"), *arguments]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def started(settings: Settings, **environment: str) -> Iterator[Server]:
    """The command as a user starts it, until the block ends."""
    given = {"CARTLAKE_SERVE__TOKEN": TOKEN, **LIMITS, **environment}
    base = duckdb.connect()
    for extension in ("httpfs", "quack"):
        duck.load_extension(base, extension)
    with subprocess.Popen(
        command(settings, "serve", "sql", "--port", str(free_port())),
        env={**os.environ, **given},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.match(r"(quack:\S+) serves release (\d+); .*ATTACH", line)
            assert found, line + process.communicate(timeout=30)[1]
            yield Server(found[1], process, settings, base)
            process.terminate()
            process.wait(30)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def server(make_gold: Callable[[], Any]) -> Iterator[Server]:
    gold = make_gold()
    gold.add_sales(200)
    gold.lake.create("silver.sales", gold.lake.read("gold.fact_sales").schema)
    gold.lake.append("silver.sales", gold.lake.read("gold.fact_sales"))
    gold.publish()
    with started(gold.settings) as running:
        yield running


@pytest.fixture(scope="module")
def hasty(server: Server) -> Iterator[Server]:
    """A server on the same release that gives a query few seconds."""
    with started(server.settings, CARTLAKE_SERVE__QUERY_SECONDS=str(SECONDS)) as running:
        yield running


@pytest.mark.parametrize(
    "sql",
    [
        "select count(*), sum(amount) from gold.fact_sales",
        "select sale_month, country, sum(amount) s from fact_sales group by cube (1, 2) order by all",
        "from gold.fact_sales order by sale_id",
        "select count(*), max(sold_at) from silver.sales",
        "select release, published_at, tables from meta.releases",
        "select 1 as a, 2 as a",
        "select 2::hugeint ** 100 as h, interval 1 month as i, [1, 2] as l, {'a': 1} as s, map {'k': 0.5} as m, null as n",
        "select range from range(70000) order by range desc",
        "select country, [country] as listed, country || '!' as told from gold.fact_sales order by sale_id limit 3",
        "describe gold.fact_sales",
        "select * from gold.fact_sales where false",
        "-- a comment\nwith a as (select 1 as x) from a",
    ],
)
def test_answers_are_those_of_cartlake_sql(server: Server, sql: str) -> None:
    with query.connect(server.settings) as connection:
        expected = query.run_sql(connection, sql)[1]
    assert server.ask(sql) == expected
    assert server.client()(sql) == expected


def test_an_attached_server_shows_its_tables(server: Server) -> None:
    with server.base.cursor() as connection:
        connection.execute(f"ATTACH '{server.uri}' AS shop (TOKEN '{TOKEN}')")
        assert connection.execute("SELECT count(*) FROM shop.gold.fact_sales WHERE sale_id < 10").fetchall() == [(10,)]
        assert connection.execute("SELECT count(*) FROM shop.silver.sales").fetchall() == [(200,)]
        with pytest.raises(duckdb.Error, match="refused: CREATE writes"):
            connection.execute("CREATE TABLE shop.gold.mine AS SELECT 1 AS a")
        connection.execute("CREATE TABLE mine AS SELECT * FROM shop.gold.fact_sales LIMIT 1")
        with pytest.raises(duckdb.Error, match="Authorization failed"):  # rows to insert travel another way than SQL
            connection.execute("INSERT INTO shop.gold.fact_sales SELECT * FROM mine")
        connection.execute("DROP TABLE mine; DETACH shop")
    assert server.ask("select count(*) from gold.fact_sales") == [(200,)]


def test_a_wrong_token_is_refused(server: Server) -> None:
    with pytest.raises(duckdb.Error, match="Authentication failed"):
        server.ask("select 1", token="another-token")
    assert server.ask("select 1") == [(1,)]


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("delete from gold.fact_sales", "DELETE writes"),
        ("create temp table x as select 1", "CREATE writes"),
        ("select * from read_text('/etc/passwd')", r"read_text\(\) may read files"),
        ("from '/etc/passwd'", "names a file"),
        ("from '{lake}/gold/fact_sales/**/*.parquet'", "names a file"),
        ("attach '/tmp/x.duckdb' as x", "ATTACH attaches"),
        ("install spatial", "INSTALL installs"),
        ("load spatial", "LOAD installs"),
        ("set memory_limit = '100GB'", "SET changes"),
        ("copy gold.fact_sales to '{lake}/x.csv'", "COPY reads or writes files"),
        ("call quack_stop('{uri}')", "CALL changes"),
        ("select 1; select 2", "2 statements"),
        ("select * from gold.fact_sale", r"did you mean gold\.fact_sales"),
        ("select error('mine')", "mine"),
        ("select ''::int", "Could not convert|invalid"),
    ],
)
def test_what_is_refused_says_why_and_leaves_the_server_as_it_was(server: Server, sql: str, told: str) -> None:
    client = server.client()
    with pytest.raises(duckdb.Error, match=told):
        client(sql.replace("{lake}", server.settings.lake_root).replace("{uri}", server.uri))
    assert client("select count(*) from gold.fact_sales") == [(200,)]
    assert not list(Path(server.settings.lake_root).glob("*.csv"))


def test_the_workers_own_lock_holds_without_the_judge(server: Server) -> None:
    """The second wall: what a text that fooled the first one would meet."""
    from warehouse.server.worker import open_session

    session = open_session(load(server.settings.home / "cartlake.toml", LIMITS), 1)
    for sql in (
        "FROM read_text('/etc/passwd')",
        "COPY (SELECT 1) TO '/tmp/cartlake-never.csv'",
        "ATTACH '/tmp/cartlake-never.duckdb' AS x",
        "SET enable_external_access = true",
        "SET memory_limit = '100GB'",
        "RESET lock_configuration",
        "INSTALL spatial",
        "LOAD '/tmp/cartlake-never.duckdb_extension'",
        "CREATE TABLE warehouse.gold.x AS SELECT 1",
        "DROP TABLE warehouse.gold.fact_sales",
    ):
        with pytest.raises(duckdb.Error):
            session.connection.execute(sql)
    assert not list(Path("/tmp").glob("cartlake-never*"))
    session.connection.close()


@pytest.mark.parametrize("sql", [ENDLESS, "select sleep_ms(60000)"], ids=["heeds an interrupt", "heeds none"])
def test_a_query_over_its_time_ends_and_nobody_else_notices(hasty: Server, sql: str) -> None:
    failed: list[str] = []

    def endless() -> None:
        try:
            hasty.ask(sql)
        except duckdb.Error as error:
            failed.append(str(error))

    other = hasty.client()
    thread = threading.Thread(target=endless)
    begun = time.monotonic()
    thread.start()
    answered = 0
    while thread.is_alive():
        assert other("select count(*) from gold.fact_sales") == [(200,)]
        answered += 1
    assert SECONDS <= time.monotonic() - begun < SECONDS + 6
    assert answered > 0
    assert f"serve.query_seconds ({SECONDS} s)" in failed[0]


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("select count(distinct hash(range)) from range(100000000)", "serve.query_memory"),
        ("select length(repeat('x', 3000000000))", "serve.query_memory"),
        ("select list_sum(range(300000000))", "serve.query_memory"),
        ("select length(string_agg(repeat('x', 1000000))) from range(2000)", "serve.query_memory"),
        ("select repeat('x', 1000) from range(1000000)", "the answer is larger than serve.query_memory"),
    ],
)
def test_a_query_over_its_memory_ends_and_the_server_goes_on(server: Server, sql: str, told: str) -> None:
    with pytest.raises(duckdb.Error, match=re.escape(told)):
        server.ask(sql)
    assert server.ask("select count(*) from gold.fact_sales") == [(200,)]


def test_a_worker_that_dies_is_replaced(server: Server) -> None:
    listed = subprocess.run(["ps", "-eo", "pid,ppid"], capture_output=True, text=True, check=True).stdout.split("\n")[1:]
    parents = {int(pid): int(parent) for pid, parent in (line.split() for line in listed if line)}
    below = [pid for pid in parents if parents.get(parents[pid]) == server.process.pid]  # forkserver's children
    assert len(below) == 3
    for pid in below:
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while True:
        try:
            assert server.ask("select count(*) from gold.fact_sales") == [(200,)]
            break
        except duckdb.Error:
            assert time.monotonic() < deadline


def test_answers_are_dropped_when_they_were_fetched_or_left(server: Server) -> None:
    """Else clients in a loop would fill the server; one that reads half of its answer and asks again still gets the next."""
    here = {**LIMITS, "CARTLAKE_SERVE__TOKEN": TOKEN, "CARTLAKE_SERVE__PORT": str(free_port()), "CARTLAKE_SERVE__QUERIES": "1"}
    with serving(load(server.settings.home / "cartlake.toml", here)) as front, server.base.cursor() as connection:
        connection.execute(f"ATTACH '{front.uri}' AS here (TOKEN '{TOKEN}')")
        for _ in range(5):
            connection.execute("FROM quack_query_by_name('here', 'select range from range(300000)')").fetchmany(10)
            assert connection.execute("FROM quack_query_by_name('here', 'select 1')").fetchall() == [(1,)]
        deadline = time.monotonic() + 30
        while front.held:
            front.follow()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert connection.execute("FROM quack_query_by_name('here', 'select 2')").fetchall() == [(2,)]


def test_fifty_clients_at_once(server: Server) -> None:
    clients = [server.client() for _ in range(50)]
    failed: list[Exception] = []

    def loop(client: Callable[[str], list[tuple[Any, ...]]]) -> None:
        try:
            for month in (1, 2, 3):
                rows = client(f"select count(*) from gold.fact_sales where sale_month = '2026-{month:02}'")
                assert rows[0][0] in (66, 67)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=loop, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_a_publish_drops_nobody_and_each_answer_is_one_release(make_gold: Callable[[], Any]) -> None:
    gold = make_gold()
    gold.add_sales(10)
    gold.publish()
    with started(gold.settings) as server:
        done, failed, seen = threading.Event(), [], set()

        def loop() -> None:
            client = server.client()
            try:
                while not done.is_set():
                    seen.update(
                        client(
                            "select count(*), (select max(release) from meta.releases), count(*) filter (sale_id >= 0) "
                            "from gold.fact_sales"
                        )
                    )
            except Exception as error:
                failed.append(error)

        before = server.client()
        assert before("select count(*) from gold.fact_sales") == [(10,)]
        threads = [threading.Thread(target=loop) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(6):  # more than are kept: those at work lose their file meanwhile
            gold.lake.append("gold.fact_sales", gold.sales(gold.sale(100 + number)))
            gold.publish()
        deadline = time.monotonic() + 20
        while before("select count(*) from gold.fact_sales") != [(16,)]:
            assert time.monotonic() < deadline
        assert before("select max(release) from meta.releases") == [(7,)]
        assert before("select sale_id from meta.changes('gold.fact_sales', since => 6)") == [(105,)]
        done.set()
        for thread in threads:
            thread.join()
        assert failed == []
        assert seen <= {(9 + release, release, 9 + release) for release in range(1, 8)}
        assert len(seen) > 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_when_asked_also_in_the_middle_of_a_query(make_gold: Callable[[], Any], number: signal.Signals) -> None:
    gold = make_gold()
    gold.add_sales(1)
    gold.publish()
    with started(gold.settings) as server:
        ended: list[str] = []

        def endless() -> None:
            try:
                server.ask(ENDLESS)
            except duckdb.Error as error:
                ended.append(str(error))

        thread = threading.Thread(target=endless)
        thread.start()
        time.sleep(1)
        server.process.send_signal(number)
        told = server.process.communicate(timeout=20)[1]
        assert (server.process.returncode, told) == (0, "stopped\n")
        thread.join(20)
        assert len(ended) == 1


def test_a_port_that_is_taken_is_told(server: Server) -> None:
    port = server.uri.rpartition(":")[2]
    done = subprocess.run(
        command(server.settings, "serve", "sql", "--port", port), capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (
        2,
        f"cartlake: port {port} of 127.0.0.1 is taken; choose another: --port {int(port) + 1}\n",
    )


def test_without_a_release_it_says_how_to_make_one(make_settings: Callable[..., Settings]) -> None:
    done = subprocess.run(
        command(make_settings(), "serve", "sql", "--port", str(free_port())),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "cartlake run publish" in done.stderr


def test_the_token_is_made_once_for_its_owner_alone(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings()
    token = token_of(settings)
    assert len(token) == 32
    assert token_of(settings) == token
    assert (settings.data / "serve_token").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in settings.data.iterdir()] == ["serve_token"]


def test_a_given_token_is_used_and_never_shown(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(CARTLAKE_SERVE__TOKEN="not-to-be-seen")
    assert token_of(settings) == "not-to-be-seen"
    assert not (settings.data / "serve_token").exists()
    assert "not-to-be-seen" not in str(describe(settings)) + repr(settings)


def test_a_short_token_is_refused(make_settings: Callable[..., Settings]) -> None:
    with pytest.raises(UsageError, match="CARTLAKE_SERVE__TOKEN"):
        token_of(make_settings(CARTLAKE_SERVE__TOKEN="abc"))
