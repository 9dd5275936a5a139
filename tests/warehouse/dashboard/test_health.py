"""What Data health asks: how each table stands, what is kept out, what leads to what, what ran, what has drifted."""

import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from lake import positions, quarantine
from lake.config import Settings
from lake.delta import Lake
from lake.status import TableStatus
from transforms import progress
from warehouse.dashboard.filters import Filters
from warehouse.dashboard.health import ages, freshness, kept_out, lineage, monitoring, runs
from warehouse.dashboard.health.sources import of_sources, origins
from warehouse.dashboard.page import Page
from warehouse.dashboard.periods import Span
from warehouse.dashboard.reader import Reader
from warehouse.semantic.loaded import FOLDER, load

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def tables(trained_shop: Settings) -> pl.DataFrame:
    return freshness.known(trained_shop).tables


def one(frame: pl.DataFrame, table: str) -> dict[str, Any]:
    return frame.filter(pl.col("table") == table).row(0, named=True)


def test_every_table_with_its_rows_and_version(trained_shop: Settings, tables: pl.DataFrame) -> None:
    lake = Lake(trained_shop.lake_root)
    for layer in ("bronze", "silver", "gold"):
        assert set(lake.names(layer)) <= set(tables["table"])
    assert tables["table"].is_unique().all()
    for name in ("silver.sales", "gold.fact_sales", "gold.customer_segments"):
        row = one(tables, name)
        assert (row["rows"], row["version"]) == (lake.count(name), lake.version(name))
        assert row["written"] == datetime.fromtimestamp(lake.open(name).history(1)[0]["timestamp"] / 1000, UTC)


def test_what_was_read_of_a_table_is_what_the_builds_recorded(trained_shop: Settings, tables: pl.DataFrame) -> None:
    seen = progress.load(Lake(trained_shop.lake_root))
    readers = [fact.version for (_, read), fact in seen.items() if read == "gold.fact_sales"]
    assert one(tables, "gold.fact_sales")["consumed"] == min(readers)
    assert one(tables, "gold.mqt_total_sales_per_country")["consumed"] is None  # nobody reads it


def test_what_changed_at_the_source_is_its_clock(tables: pl.DataFrame) -> None:
    log = one(tables, "bronze.weblog.files.access")
    assert log["changed"] is not None
    assert log["standing"] == freshness.CURRENT
    assert one(tables, "gold.fact_sales")["changed"] is None


def test_a_table_that_was_not_built_waits_for_it(trained_shop: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    every = progress.load
    monkeypatch.setattr(
        progress, "load", lambda lake: {pair: fact for pair, fact in every(lake).items() if pair[0] != "gold.agg_funnel"}
    )
    found = freshness.known(trained_shop).tables
    assert one(found, "gold.agg_funnel")["standing"].startswith("waits for a build: ")
    assert one(found, "gold.fact_web_sessions")["consumed"] is None


def test_a_capture_that_stopped_makes_nothing_look_fresh(trained_shop: Settings) -> None:
    """A week on, nobody has captured: no table made of a source is called up to date, though nothing waits for a build."""
    at_once = freshness.known(trained_shop)
    assert {one.name: (one.late, one.told) for one in at_once.sources} == dict.fromkeys(
        ("shop", "catalog", "weblog"), (False, "captured in time")
    )
    later = freshness.known(trained_shop, datetime.now(UTC) + timedelta(days=7, hours=1))
    assert {one.name: (one.late, one.told) for one in later.sources} == {
        "shop": (True, "last captured 7 days ago"),
        "catalog": (True, "last captured 7 days ago"),
        "weblog": (True, "last captured 7 days ago, or nothing new came since"),
    }
    sales, funnel = (one(later.tables, name) for name in ("gold.fact_sales", "gold.agg_funnel"))
    assert sales["standing"] == "catalog: last captured 7 days ago; shop: last captured 7 days ago"
    assert "weblog: last captured 7 days ago" in funnel["standing"]
    marks = {one.name: one.captured for one in later.sources}
    assert sales["captured"] == min(marks["shop"], marks["catalog"])
    of_sources = later.tables.filter(pl.col("captured").is_not_null())
    assert set(freshness.waiting(later.tables)["table"]) >= set(of_sources["table"])


HOUR = timedelta(hours=1)


def table(source: str, mode: str, last: datetime | None, error: str = "") -> TableStatus:
    return TableStatus(source, "db.t", mode, "ok", 1, 1, last, last, error=error)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ([table("shop", "cdc", NOW - 25 * HOUR)], {"shop": "captured in time"}),
        ([table("shop", "cdc", NOW - 72 * HOUR)], {"shop": "late: last captured 3 days ago"}),
        # One table of the source that is new shows that it is read: the other one had no change.
        ([table("shop", "cdc", NOW - 72 * HOUR), table("shop", "cdc", NOW - HOUR)], {"shop": "captured in time"}),
        ([table("weblog", "files", NOW - 72 * HOUR)], {"weblog": "late: last captured 3 days ago, or nothing new came since"}),
        # Files come when they come: while the shop's log is read on, capture runs.
        (
            [table("weblog", "files", NOW - 72 * HOUR), table("shop", "cdc", NOW - HOUR)],
            {"weblog": "nothing new for 3 days", "shop": "captured in time"},
        ),
        ([table("shop", "cdc", NOW - HOUR, "the server is away")], {"shop": "capture failed: the server is away"}),
        ([table("old", "cdc", NOW - 72 * HOUR)], {"old": "not in the settings any more; nothing new for 3 days"}),
    ],
)
def test_how_a_source_stands(make_settings: Callable[..., Settings], tables: list[TableStatus], told: dict[str, str]) -> None:
    settings = make_settings()
    found = of_sources(settings, Lake(settings.lake_root), tables, NOW)
    assert {one.name: ("late: " if one.late else "") + one.told for one in found if one.tables} == told
    others = {one.told for one in found if not one.tables}
    assert others == {"nothing is captured yet"}


def test_a_source_that_never_came_to_a_table_says_why(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings()
    lake = Lake(settings.lake_root)
    positions.record(lake, "shop", "failed", {}, {"error": "shop: access denied"}, number=1)
    [shop] = [one for one in freshness.known(settings).sources if one.name == "shop"]
    assert (shop.error, shop.told) == ("shop: access denied", "capture failed: shop: access denied")


def test_what_a_table_is_made_of_however_far_back() -> None:
    edges = [
        ("bronze.a", "silver.a"),
        ("bronze.b", "silver.b"),
        ("silver.a", "gold.x"),
        ("silver.b", "gold.x"),
        ("ref.c", "gold.x"),
    ]
    assert origins({"bronze.a": "shop", "bronze.b": "weblog"}, edges) == {
        "bronze.a": {"shop"},
        "silver.a": {"shop"},
        "bronze.b": {"weblog"},
        "silver.b": {"weblog"},
        "gold.x": {"shop", "weblog"},
    }


def test_a_file_without_statistics_has_an_unknown_number_of_rows(make_settings: Callable[..., Settings]) -> None:
    """As another tool may leave one: the table is told of, and its rows are not."""
    settings = make_settings()
    lake = Lake(settings.lake_root)
    lake.create("gold.theirs", pa.schema([("a", pa.int64())]))
    lake.append("gold.theirs", pa.table({"a": [1, 2]}))
    log = max(Path(lake.path("gold.theirs"), "_delta_log").glob("*.json"))
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    for action in actions:
        action.get("add", {}).pop("stats", None)
    log.write_text("\n".join(map(json.dumps, actions)))
    row = one(freshness.known(settings).tables, "gold.theirs")
    assert (row["rows"], row["version"]) == (None, 1)


def test_a_release_beside_the_lake(reader: Reader, tables: pl.DataFrame) -> None:
    held = {name: 7 for name in tables["table"] if name.startswith("gold.")}
    held["gold.fact_sales"] = int(one(tables, "gold.fact_sales")["version"]) - 1
    del held["gold.dim_date"]
    given = tables.with_columns(standing=pl.lit(freshness.CURRENT))
    found = freshness.beside(given, held)
    assert found["table"].to_list() == tables["table"].to_list()
    assert one(found, "gold.fact_sales")["standing"] == "newer than this release"
    assert one(found, "gold.dim_date")["standing"] == "not in this release"
    assert one(found, "silver.sales")["standing"] == freshness.CURRENT
    assert sorted(freshness.waiting(found)["table"]) == ["gold.dim_date", "gold.fact_sales"]
    failed = given.with_columns(standing=pl.lit("failed: no such column"))
    assert freshness.beside(failed, held)["standing"].unique().to_list() == ["failed: no such column"]


@pytest.mark.parametrize(
    ("ago", "said"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(seconds=61), "1 min ago"),
        (timedelta(minutes=59), "59 min ago"),
        (timedelta(hours=1), "1 hour ago"),
        (timedelta(hours=47), "1 day ago"),
        (timedelta(days=3), "3 days ago"),
    ],
)
def test_an_age_in_words(ago: timedelta, said: str) -> None:
    assert ages.age(NOW - ago, NOW) == said
    assert ages.age((NOW - ago).replace(tzinfo=None), NOW) == said


def test_what_never_was_and_what_lasted() -> None:
    assert ages.age(None) == "never"
    assert ages.duration(3.25) == "3.2 seconds"
    assert ages.duration(190) == "3 min"


def test_rows_in_quarantine_by_table_and_rule(trained_shop: Settings) -> None:
    lake = Lake(trained_shop.lake_root)
    found = kept_out.counts(trained_shop)
    assert found["rows"].is_sorted(descending=True)
    rules = Counter(lake.read("quarantine.sales")["rule"].to_pylist())
    sales = found.filter(pl.col("table") == "quarantine.sales").select("rule", "rows").rows()
    assert dict(sales) == dict(rules)
    assert len(rules) > 1


def test_samples_are_rows_of_that_rule_as_they_came(trained_shop: Settings) -> None:
    lake = Lake(trained_shop.lake_root)
    for table, rule, count in kept_out.counts(trained_shop).rows():
        found = kept_out.samples(trained_shop, table, rule, limit=4)
        assert found.height == min(count, 4), (table, rule)
        assert not any(name.startswith("_") and name != "_id" for name in found.columns)
    held = [row for row in lake.read("quarantine.sales").to_pylist() if row["rule"] == "quantity > 0"]
    raws = [json.loads(row["raw"]) for row in held]
    found = kept_out.samples(trained_shop, "quarantine.sales", "quantity > 0", limit=1000)
    assert sorted(found["rowid"].to_list()) == sorted(str(raw["rowid"]) for raw in raws)
    assert all(int(number) <= 0 for number in found["quantity"].to_list())
    assert kept_out.samples(trained_shop, "quarantine.sales", "no such rule").is_empty()


def test_samples_are_the_newest(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings()
    lines = [quarantine.Line("a.csv", number, "format", "no date", f"line {number}") for number in range(3)]
    for line in lines:  # each later than the one before it
        quarantine.add_lines(Lake(settings.lake_root), "silver.stock", [line])
    found = kept_out.samples(settings, quarantine.name("silver.stock"), "format", limit=2)
    assert found["text"].to_list() == ["line 2", "line 1"]


def test_a_line_of_a_file_is_one_column(trained_shop: Settings) -> None:
    found = kept_out.samples(trained_shop, "quarantine.weblog__files__access", "format")
    assert found.columns == ["text"]
    assert found.height > 0


@pytest.fixture(scope="module")
def edges(trained_shop: Settings, reader: Reader) -> lineage.Edges:
    return lineage.of_tables(trained_shop) | lineage.of_metrics(reader.declared) | lineage.of_models(reader)


def test_from_a_source_to_a_metric(edges: lineage.Edges) -> None:
    chain = (
        "source shop",
        "bronze.shop.softcart.sales_data",
        "silver.sales",
        "gold.fact_sales",
        "model sales",
        "metric revenue",
        "metric average_order_value",
    )
    # The database of the tests bears a name of its own.
    plain = {tuple(re.sub(r"^bronze\.shop\.\w+\.", "bronze.shop.softcart.", node) for node in edge) for edge in edges}
    assert {*pairwise(chain)} <= plain


def test_what_a_trained_model_says_leads_to_metrics(edges: lineage.Edges) -> None:
    near = lineage.around(edges, "metric segmented_customers")
    assert ("trained customer_segments", "gold.customer_segments") in near
    assert ("gold.customer_segments", "model kinds") in near


def test_a_rollup_answers_for_the_metrics_of_its_fact(edges: lineage.Edges) -> None:
    assert {("gold.agg_sales_daily", "model sales_daily"), ("model sales_daily", "model sales")} <= edges


def test_around_a_thing_is_what_leads_there_and_from_there(edges: lineage.Edges) -> None:
    near = lineage.around(edges, "metric revenue")
    nodes = {node for edge in near for node in edge}
    assert {"source shop", "gold.fact_sales", "metric revenue_growth"} <= nodes
    assert not {"metric conversion", "metric units", "gold.agg_funnel", "silver.web_hits"} & nodes
    assert near <= edges


def test_around_ends_where_things_go_in_circles() -> None:
    circle = frozenset({("a", "b"), ("b", "a"), ("b", "c"), ("x", "y")})
    assert lineage.around(circle, "a") == {("a", "b"), ("b", "a"), ("b", "c")}
    assert lineage.around(circle, "alone") == frozenset()


def test_the_graph_as_text() -> None:
    drawn = lineage.dot(frozenset({('bronze.a."b"', "metric x")}), "metric x")
    assert drawn.startswith("digraph {")
    assert r'"bronze.a.\"b\"" -> "metric x"' in drawn
    assert drawn.count("penwidth=3") == 1
    assert lineage.dot(frozenset(), "metric x").count("label=") == 1


def test_the_graph_in_a_sentence() -> None:
    edges = frozenset({("source shop", "gold.x"), ("gold.x", "metric y"), ("metric y", "metric z")})
    assert lineage.told(edges, "metric y") == "metric y comes from source shop and goes into metric z."
    assert lineage.told(edges, "source shop") == "source shop goes into metric y, metric z."
    assert lineage.told(frozenset(), "metric y") == "metric y stands alone."


def test_every_declared_metric_is_reached_from_a_table() -> None:
    declared = load(FOLDER)
    edges = lineage.of_metrics(declared)
    for name in declared.metrics:
        assert any(start.startswith("gold.") for start, _ in lineage.around(edges, f"metric {name}")), name


Answer = tuple[int, bytes]


@pytest.fixture
def prefect(make_settings: Callable[..., Settings]) -> Iterator[Callable[[Answer], tuple[Settings, list[Any]]]]:
    """A server that answers as it is told, settings that point to it, and what it was asked."""
    servers = []

    def start(answer: Answer) -> tuple[Settings, list[Any]]:
        asked: list[Any] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
                self.send_response(answer[0])
                self.end_headers()
                self.wfile.write(answer[1])

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings = make_settings()
        return settings.model_copy(update={"ui": settings.ui.model_copy(update={"port": server.server_port})}), asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


RUN = {
    "id": "0d1c",
    "name": "daily-1",
    "state_name": "Completed",
    "start_time": "2026-03-01T05:00:00.25Z",
    "total_run_time": 61.5,
    "more": None,
}


def test_the_last_runs_with_a_way_to_each(prefect: Any) -> None:
    settings, asked = prefect((200, json.dumps([RUN, {**RUN, "start_time": None, "state_name": None}]).encode()))
    first, second = runs.last(settings) or []
    assert first == runs.Run(
        "daily-1",
        "Completed",
        datetime(2026, 3, 1, 5, 0, 0, 250_000, tzinfo=UTC),
        61.5,
        f"http://127.0.0.1:{settings.ui.port}/runs/flow-run/0d1c",
    )
    assert (second.started, second.state) == (None, "")
    [(path, body)] = asked
    assert path == "/api/flow_runs/filter"
    assert body["limit"] > 0


def test_who_looks_from_elsewhere_gets_links_that_lead_there(prefect: Any) -> None:
    settings, _ = prefect((200, json.dumps([RUN]).encode()))
    ui = settings.ui.model_copy(update={"url": "https://prefect.example.com/"})
    [run] = runs.last(settings.model_copy(update={"ui": ui})) or []
    assert run.url == "https://prefect.example.com/runs/flow-run/0d1c"


def test_prefect_takes_the_question(prefect: Any) -> None:
    """By Prefect's own model of it."""
    from prefect.server.schemas.filters import FlowRunFilter
    from prefect.server.schemas.sorting import FlowRunSort

    settings, asked = prefect((200, b"[]"))
    assert runs.last(settings) == []
    [(_, body)] = asked
    assert FlowRunSort(body["sort"]) == FlowRunSort.START_TIME_DESC
    given = FlowRunFilter.model_validate(body["flow_runs"])
    assert given.start_time is not None
    assert given.start_time.is_null_ is False


@pytest.mark.parametrize("answer", [(500, b"[]"), (200, b"<html>"), (200, b'{"detail": "no"}'), (200, b'[{"id": 1}]')])
def test_who_is_not_prefect_is_nobody(prefect: Any, answer: Answer) -> None:
    settings, _ = prefect(answer)
    assert runs.last(settings) is None


def test_nobody_answers(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings()
    assert runs.last(settings.model_copy(update={"ui": settings.ui.model_copy(update={"port": 1})})) is None


def test_checks_are_read_from_the_release(reader: Reader, trained_shop: Settings) -> None:
    known = reader.days()
    assert known is not None
    page = Page(trained_shop, reader, Filters(Span(known.first, known.last), {}), known, ())
    found = monitoring.checks(page)
    assert found.height == reader.rows("SELECT count(*) AS n FROM gold.model_monitoring").item()
    assert set(found["status"]) <= {"ok", "warn", "alert"}


def test_only_the_newest_day_of_each_model_is_open() -> None:
    days = [date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 2), date(2026, 2, 1)]
    rows = pl.DataFrame(
        {
            "date": days,
            "model": ["a", "a", "a", "b"],
            "status": ["alert", "warn", "alert", "ok"],
            "check": ["1", "1", "2", "3"],
        }
    )
    assert monitoring.open_alerts(rows).select("check", "status").rows() == [("2", "alert"), ("1", "warn")]
    assert monitoring.newest(rows).height == 3


@pytest.mark.parametrize(
    ("metric", "threshold", "side"),
    [("missing_sales", 0.0001, "below"), ("psi", 0.25, "above"), ("price_shift", -0.4, "below"), ("price_shift", 0.08, "above")],
)
def test_on_which_side_of_its_threshold_a_check_is_an_alert(metric: str, threshold: float, side: str) -> None:
    assert monitoring.when(pl.DataFrame({"metric": [metric], "threshold": [threshold]})) == side
