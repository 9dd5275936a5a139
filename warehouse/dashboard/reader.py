"""A release, opened once for everybody who looks at it; each question is answered once, since a release never changes."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ibis
import polars as pl
from cachetools import LRUCache

from lake.config import Settings
from warehouse import query
from warehouse.dashboard.periods import Span
from warehouse.describe import literal
from warehouse.errors import translated
from warehouse.files import Shelf
from warehouse.release import Release, releases
from warehouse.semantic import where
from warehouse.semantic.answers import tables_of
from warehouse.semantic.asked import question
from warehouse.semantic.behind import rows_behind
from warehouse.semantic.declared import Metric
from warehouse.semantic.loaded import FOLDER, load
from warehouse.semantic.prepared import Prepared
from warehouse.semantic.star import Star

_ANSWERS = 2000  # kept of each release, the latest asked for


@dataclass(frozen=True)
class Asked:
    """A question as it is written: what `cartlake metric` takes."""

    metrics: tuple[str, ...]
    by: tuple[str, ...] = ()
    where: str | None = None
    order: tuple[str, ...] = ()
    limit: int | None = None


class Reader:
    """Answers from one release, to any number of threads. Numbers come as Polars frames with money as decimals."""

    def __init__(self, settings: Settings, release: Release) -> None:
        self.release = release
        self.declared = load(FOLDER)
        self._connection = query.connect(settings, release=release.number, live=False)
        [(self._path,)] = self._connection.execute("SELECT current_setting('search_path')").fetchall()
        self._star = Star(self.declared, tables_of(self._connection, self.declared))
        self._prepared = Prepared(self._star)
        self._known: LRUCache[Any, Any] = LRUCache(_ANSWERS)
        self._lock, self._keeping = threading.Lock(), threading.Lock()

    def ask(
        self, *metrics: str, by: Sequence[str] = (), where: str | None = None, order: Sequence[str] = (), limit: int | None = None
    ) -> pl.DataFrame:
        """The answer to a question of the metrics layer. UsageError says why there is none."""
        asked = Asked(metrics, tuple(by), where or None, tuple(order), limit)
        frame: pl.DataFrame = self._once(asked, lambda cursor: self._framed(cursor, self._compiled(cursor, asked)))
        return frame

    def sql(self, asked: Asked) -> str:
        """The SQL that answers a question."""
        text: str = self._once(("sql", asked), lambda cursor: self._compiled(cursor, asked))
        return text

    def rows(self, text: str, parameters: Sequence[Any] = ()) -> pl.DataFrame:
        """Rows that are no metric, such as the sale lines behind a mark. UsageError for what DuckDB refuses."""

        frame: pl.DataFrame = self._once((text, tuple(parameters)), lambda cursor: self._framed(cursor, text, parameters))
        return frame

    def behind(self, model: str, condition: str | None, limit: int) -> tuple[pl.DataFrame, int]:
        """Rows of a model's fact with the names of their dimensions, the newest `limit` of them; and how many there are."""
        with self._lock:
            tree = where.parse(condition) if condition else None
            found = rows_behind(self._star, model, tree)
            newest = found.order_by(found["day"].desc()).limit(limit) if "day" in found.columns else found.limit(limit)
            texts = [str(ibis.to_sql(asked, dialect="duckdb")) for asked in (newest, found.count().name("rows").as_table())]
        rows, count = (self.rows(text) for text in texts)
        return rows, int(count.item())

    def has(self, table: str) -> bool:
        """Whether the release has a table, such as gold.forecast_sales: no model is trained before there is a month of sales."""
        found = self.rows(
            "SELECT schema_name || '.' || table_name AS name FROM duckdb_tables() WHERE database_name = 'warehouse'"
        )
        return table in found["name"].to_list()

    def metric(self, name: str) -> Metric:
        return self.declared.metrics[name]

    def days(self) -> Span | None:
        """From the first day with a sale to the last; None in a shop that has not sold yet."""
        ends = [self.ask("lines", by=["day"], order=[f"day{down}"], limit=1)["day"].to_list() for down in ("", " desc")]
        return Span(ends[0][0], ends[1][0]) if ends[0] else None

    def values(self, dimension: str) -> list[str]:
        """What a dimension of the sales can be, the one with the most revenue first."""
        return [str(value) for value in self.ask("revenue", by=[dimension], order=["revenue desc"])[dimension].to_list()]

    def close(self) -> None:
        self._connection.close()

    def _compiled(self, cursor: Any, asked: Asked) -> str:
        with self._lock:  # the compiler's own caches are not made for threads
            checked = question(self.declared, asked.metrics, asked.by, asked.where, asked.order, asked.limit)
            return self._prepared.sql(cursor, checked)

    @staticmethod
    def _framed(cursor: Any, text: str, parameters: Sequence[Any] = ()) -> pl.DataFrame:
        with translated(cursor):
            frame: pl.DataFrame = cursor.execute(text, list(parameters)).pl()
            return frame

    def _once(self, key: Any, made: Any) -> Any:
        """An answer, made by the first who asks. Two who ask at the same instant may both make it, which does no harm."""
        with self._keeping:
            if key in self._known:
                return self._known[key]
        with self._connection.cursor() as cursor:
            cursor.execute(f"SET search_path = {literal(self._path)}")  # a cursor's own, which it does not inherit
            found = made(cursor)
        with self._keeping:
            self._known[key] = found
        return found


class Readers:
    """The readers of the releases that are kept, each opened when it is asked for first.

    `warm` gets each reader that is opened, in a thread of its own: it asks what people will ask.
    """

    def __init__(self, settings: Settings, warm: Callable[[Reader], None] = lambda _: None) -> None:
        self._settings, self._warm = settings, warm
        self._open: dict[int, Reader] = {}
        self._listed: tuple[list[int], list[Release]] = ([], [])
        self._lock = threading.Lock()

    def kept(self) -> list[Release]:
        """The releases there are now, oldest first; a listing of files, unless one came or went."""
        numbers = Shelf.of(self._settings).numbers()
        with self._lock:
            if numbers != self._listed[0]:
                self._listed = (numbers, releases(self._settings))
                for gone in set(self._open) - set(numbers):
                    del self._open[gone]  # closed when the last page that reads it is done
            return self._listed[1]

    def reader(self, release: Release) -> Reader:
        with self._lock:
            if release.number not in self._open:
                opened = self._open[release.number] = Reader(self._settings, release)
                threading.Thread(target=self._warm, args=(opened,), daemon=True).start()
            return self._open[release.number]
