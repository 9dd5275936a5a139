"""Making the shop: three years of history, loaded in bulk.

A fresh shop is loaded without binlog, since no capture can have seen it. One that replaces another is written like any other
change (each old row deleted, each new one inserted, all in the binlog), so that a capture that knew the old one ends right.
"""

import json
import shutil
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lake.config import Settings
from lake.errors import PermanentFailure, UsageError
from lake.lock import hold
from lake.sandbox import mariadb, servers, state
from lake.sandbox.shop import customers, dirt, documents, sales, tables, weblog
from lake.sandbox.shop.world import World

if TYPE_CHECKING:
    import polars as pl

Progress = Callable[[str, int, int], None]
_CUSTOMERS_AT_ONCE = 250_000


def silent(what: str, done: int, total: int) -> None:
    """The progress that nobody watches."""


def shop_file(settings: Settings) -> Path:
    """Written last by `create`: what the shop is. Without it there is none, or a half-made one."""
    return settings.sandbox.folder / "shop.json"


def exists(settings: Settings) -> bool:
    """Whether the running sandbox holds a whole shop."""
    if not shop_file(settings).exists():
        return False
    with closing(mariadb.connect(server(settings).shop_mysql_url)) as connection:
        return tables.exist(connection)


def ensure(settings: Settings, on_progress: Progress = silent) -> None:
    """Create the shop unless it is there, whatever its scale."""
    if not exists(settings):
        create(settings, on_progress=on_progress)


def create(settings: Settings, on_progress: Progress = silent) -> dict[str, Any]:
    """Make the shop of the settings (seed, scale, until) in the running sandbox; what `shop.json` says of it."""
    import pymysql
    from pymongo.errors import PyMongoError

    sandbox, world, folder = server(settings), World.of(settings), settings.sandbox.folder
    with hold(settings.data, "shop"), ExitStack() as stack:
        shop_file(settings).unlink(missing_ok=True)
        work = folder / "loading"
        shutil.rmtree(work, ignore_errors=True)  # of a run that was killed
        work.mkdir()
        stack.callback(shutil.rmtree, work, ignore_errors=True)
        try:
            loader = stack.enter_context(_Loader(sandbox, work))
            loaded = _load(world, loader, folder, on_progress)
        except (OSError, pymysql.err.Error, PyMongoError) as error:
            raise PermanentFailure(f"shop: {folder}: {error}; mend that, then create the shop again") from error
        made = {"seed": world.seed, "scale": world.scale, "until": str(world.until), "opening": str(world.timeline.opening)}
        state.write(shop_file(settings), made | loaded | {"created_at": int(time.time())})
    return made | loaded


def server(settings: Settings) -> servers.Sandbox:
    """The running sandbox; UsageError when there is none."""
    found = servers.find(settings)
    if found is None:
        raise UsageError("shop: the sandbox does not run; start it: cartlake sandbox start")
    return found


def _load(world: World, loader: "_Loader", folder: Path, on_progress: Progress) -> dict[str, Any]:
    import polars as pl

    timeline, created = world.timeline, world.customers.created
    for start in range(0, len(created), _CUSTOMERS_AT_ONCE):
        part = created[start : start + _CUSTOMERS_AT_ONCE]
        loader.put("customers", customers.frame(world.seed, part, start + 1, world.until))
    numbers, unreturned = sales.Numbers(), pl.DataFrame()
    tail: list[sales.Month] = []
    for month in sales.history(world.seed, timeline, world.scale, world.catalog, world.customers):
        numbers = sales.Numbers(*(n + rows.height for n, rows in zip(vars(numbers).values(), vars(month).values(), strict=True)))
        if unreturned.height < 100:
            unreturned = month.lines.join(month.returns, on="rowid", how="anti", maintain_order="left").head(100)
        tail = [*tail, month][-2:]  # the log covers at most the last 30 days
        for table, rows in (("orders", month.orders), ("sales_data", month.lines), ("returns", month.returns)):
            loader.put(table, rows)
        on_progress("sales", numbers.line - 1, world.scale)
    products = documents.make(world.seed, timeline, world.catalog)
    planted = dirt.plant(world.seed, timeline, numbers, len(created), products, unreturned)
    for table, rows in planted.rows.items():
        loader.put(table, rows)
    loader.documents(products + planted.documents)
    orders, lines = (pl.concat([getattr(month, name) for month in tail]) for name in ("orders", "lines"))
    cut = weblog.write(world.seed, timeline, world.catalog, orders, lines, folder / "weblog")
    planted.planted["weblog_line_cut"] = {"table": "weblog", "count": len(cut), "keys": cut, "quarantined": True}
    loader.finish(on_progress)
    state.write(folder / "dirty.json", planted.planted)
    counts = {"orders": numbers.order - 1, "sales": numbers.line - 1, "returns": numbers.back - 1}
    return counts | {"customers": len(created), "products": len(products), "lines_per_weight": world.lines_per_weight}


class _Loader:
    """Loads frames while more are made: a thread and a connection a table, at most two frames of each waiting."""

    def __init__(self, sandbox: servers.Sandbox, work: Path) -> None:
        self._work, self._sandbox = work, sandbox
        self._threads = {name: ThreadPoolExecutor(1) for name in (*tables.SCHEMA, "products")}
        self._jobs: dict[str, list[Future[None]]] = {name: [] for name in self._threads}
        url = sandbox.admin_mysql_url
        self._connections = {name: mariadb.connect(url) for name in tables.SCHEMA}
        first = next(iter(self._connections.values()))
        fresh = not tables.exist(first)
        tables.make(first)
        if not fresh:
            tables.clear(first)
        for connection in self._connections.values():
            with connection.cursor() as cursor:
                cursor.execute(f"SET SESSION sql_log_bin = {int(not fresh)}, unique_checks = 0, foreign_key_checks = 0")

    def __enter__(self) -> "_Loader":
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads.values():
            thread.shutdown(cancel_futures=True)
        for connection in self._connections.values():
            connection.close()

    def put(self, table: str, rows: "pl.DataFrame") -> None:
        self._submit(table, lambda: tables.load(self._connections[table], table, rows, self._work))

    def documents(self, products: list[dict[str, Any]]) -> None:
        self._submit("products", lambda: _replace_documents(self._sandbox.mongo_url, products))

    def finish(self, on_progress: Progress) -> None:
        jobs = [job for jobs in self._jobs.values() for job in jobs]
        for number, job in enumerate(jobs, 1):
            job.result()
            on_progress("loading", number, len(jobs))

    def _submit(self, table: str, work: Callable[[], None]) -> None:
        jobs = self._jobs[table]
        jobs.append(self._threads[table].submit(work))
        if len(jobs) > 2:
            jobs.pop(0).result()  # also raises what went wrong


def _replace_documents(url: str, products: list[dict[str, Any]]) -> None:
    import pymongo

    with pymongo.MongoClient[dict[str, Any]](url) as client:
        collection = client.get_default_database()["products"]
        collection.delete_many({})
        collection.create_index("product_id")
        collection.insert_many(products, ordered=False)


def description(settings: Settings) -> dict[str, Any]:
    """What `shop.json` says; UsageError when there is no shop."""
    try:
        return dict(json.loads(shop_file(settings).read_text()))
    except FileNotFoundError:
        raise UsageError("shop: there is none yet; make it: cartlake shop create") from None
