"""What a web log says, on small inputs and both engines."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from transforms.silver import _web
from transforms.silver.search_terms import search_terms
from transforms.silver.web_hits import web_hits
from transforms.silver.web_sessions import web_sessions

UTC_US = pa.timestamp("us", tz="UTC")
START = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)
PERSON = "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0"
LINE = {
    "_file": "access.log",
    "_line": 1,
    "host": "10.0.0.1",
    "user": None,
    "at": START,
    "method": "GET",
    "path": "/",
    "status": 200,
    "bytes": 1,
    "referer": None,
    "agent": PERSON,
    "_source_ts": START,
}
SCHEMA = pa.schema(
    [
        ("_file", pa.string()),
        ("_line", pa.int64()),
        *((name, pa.string()) for name in ("host", "user", "method", "path", "referer", "agent")),
        *(("at", UTC_US), ("status", pa.int32()), ("bytes", pa.int64()), ("_sequence", pa.int64()), ("_source_ts", UTC_US)),
    ]
)


def hits(engine: Any, *lines: dict[str, Any]) -> Any:
    given = [{**LINE, "_sequence": number, **line} for number, line in enumerate(lines)]
    shop = engine.frame(pa.table({"salt": ["s"], "time_zone": ["UTC"]}))
    return web_hits(engine.frame(pa.Table.from_pylist(given, schema=SCHEMA)), shop)


def rows_of(engine: Any, frame: Any, by: str) -> list[dict[str, Any]]:
    return sorted(engine.arrow(frame).to_pylist(), key=lambda row: row[by])


PAGES = {
    "/": "home",
    "/index.html": "home",
    "/?utm_source=x": "home",
    "/product/12?ref=/cart": "product",
    "/products/blue-shirt": "product",
    "/products": "other",
    "/category/toys": "category",
    "/Collections/all": "category",
    "/search?q=tv": "search",
    "/research": "other",
    "/cart": "cart",
    "/cartoons": "other",
    "/checkout": "checkout",
    "/checkout/complete?order=7": "order",
    "/checkouts/abc/thank_you": "order",
    "/img/product/1.PNG": "asset",
    "/robots.txt": "robots",
    "\\x16\\x03": "other",
    None: "other",
}


def test_the_kind_of_page(engine: Any) -> None:
    found = rows_of(engine, hits(engine, *({"path": path} for path in PAGES)), "hit_id")
    assert {row["path"]: row["page"] for row in found} == PAGES


def test_what_a_path_names(engine: Any) -> None:
    paths = ("/product/12", "/cart?product=13", "/product/blue", "/checkout/complete?order=7", "/category/5", "/cart?order=9")
    found = rows_of(engine, hits(engine, *({"path": path} for path in paths)), "hit_id")
    assert [(row["product_id"], row["order_id"]) for row in found] == [
        *((12, None), (13, None), (None, None)),
        *((None, "7"), (None, None), (None, None)),
    ]


def test_a_visitor_is_a_host_with_an_agent_and_nobody_can_tell_which(engine: Any) -> None:
    same, agent, host, none = ({}, {"agent": "Other"}, {"host": "10.0.0.2"}, {"agent": None})
    found = rows_of(engine, hits(engine, same, same, agent, host, none), "hit_id")
    keys = [row["visitor_key"] for row in found]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 4
    pepper = engine.frame(pa.table({"salt": ["other"], "time_zone": ["UTC"]}))
    given = engine.frame(pa.Table.from_pylist([{**LINE, "_sequence": 0}], schema=SCHEMA))
    assert rows_of(engine, web_hits(given, pepper), "hit_id")[0]["visitor_key"] != keys[0]


AGENTS = {
    PERSON: False,
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Mobile/15E148 Safari/604.1": False,
    "Mozilla/5.0 (Linux; Android 9; CUBOT X19) AppleWebKit/537.36 Chrome/126.0 Mobile Safari/537.36": False,
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)": True,
    "SampleCrawler/1.0": True,
    "curl/8.5.0": True,
    "python-requests/2.32": True,
    None: True,
}


def test_agents_of_programs(engine: Any) -> None:
    found = rows_of(engine, hits(engine, *({"agent": agent} for agent in AGENTS)), "hit_id")
    assert {row["agent"]: row["is_bot"] for row in found} == AGENTS


def test_searches(engine: Any) -> None:
    paths = {
        "/search?q=Gaming++Laptop": ("gaming laptop", "Gaming  Laptop"),
        "/search?page=2&query=caf%C3%A9&x=1": ("café", "café"),
        "/search?q=100%": ("100%", "100%"),
        "/search?q=%FF": ("%ff", "%FF"),
        "/search?q=": None,
        "/search?sq=tv": None,
        "/search?q=+%20": None,
        "/product/1?q=tv": None,
    }
    found = rows_of(engine, search_terms(hits(engine, *({"path": path} for path in paths))), "hit_id")
    assert [(row["term"], row["typed"]) for row in found] == [said for said in paths.values() if said]
    refused = search_terms(hits(engine, {"path": "/search?q=tv", "status": 500}))
    assert rows_of(engine, refused, "hit_id") == []


CAME = [
    ("/", None, "direct"),
    ("/", "/cart", "direct"),
    ("/", "https://www.google.co.uk/", "organic search"),
    ("/", "https://search.example.com/", "organic search"),
    ("/", "https://notgoogle.example.com/", "referral"),
    ("/", "https://m.facebook.com/feed", "social"),
    ("/", "https://t.co/abc", "social"),
    ("/", "https://at.co/abc", "referral"),
    ("/", "https://news.example.org/offers", "referral"),
    ("/?utm_source=letter&utm_medium=Email", "https://www.google.com/", "email"),
    ("/?utm_medium=cpc", None, "paid search"),
    ("/?x=1&gclid=abc", "https://www.google.com/", "paid search"),
    ("/?utm_medium=social", None, "social"),
    ("/?utm_campaign=spring", None, "campaign"),
]


def test_where_a_visit_came_from(engine: Any) -> None:
    """The first request says it, whatever the second one does."""
    later = {"at": START + timedelta(minutes=1), "path": "/?utm_medium=later", "referer": "https://later.example.org/"}
    lines = []
    for number, (landing, referer, _) in enumerate(CAME):
        host = {"host": f"10.0.0.{number}"}
        lines += [{"path": landing, "referer": referer, **host}, {**later, **host}]
    found = {
        (row["landing"], row["referer"]): row["traffic_channel"]
        for row in rows_of(engine, web_sessions(hits(engine, *lines)), "hits")
    }
    assert found == {(landing, referer): channel for landing, referer, channel in CAME}
    assert set(found.values()) == set(_web.TRAFFIC)


def test_a_visit_ends_after_more_than_thirty_minutes(engine: Any) -> None:
    """Lines come in any order, and another visitor's between them are no matter."""
    minutes = [61, 0, 30]
    mine = [{"at": START + timedelta(minutes=minute), "path": f"/{minute}"} for minute in minutes]
    found = rows_of(engine, web_sessions(hits(engine, *mine, {"host": "10.0.0.9", "path": "/9"})), "landing")
    assert [(row["landing"], row["leaving"], row["hits"], row["seconds"]) for row in found] == [
        *(("/0", "/30", 2, 1800), ("/61", "/61", 1, 0), ("/9", "/9", 1, 0)),
    ]
    assert len({row["session_key"] for row in found}) == 3


def test_of_requests_in_one_second_the_first_in_the_log_begins_the_visit(engine: Any) -> None:
    found = rows_of(engine, web_sessions(hits(engine, {"path": "/z"}, {"path": "/a"})), "landing")
    assert [(row["landing"], row["leaving"]) for row in found] == [("/z", "/a")]


def test_a_visit_counts_what_was_answered(engine: Any) -> None:
    paths = [("/product/1", 200), ("/product/404", 404), ("/x.css", 200), ("/cart", 302), ("/checkout/complete?order=7", 500)]
    steps = [{"path": path, "status": status, "user": "c5"} for path, status in paths]
    done = [{"path": f"/checkout/complete?order={order}", "at": START + timedelta(minutes=1)} for order in ("9", "10")]
    (visit,) = rows_of(engine, web_sessions(hits(engine, *steps, *done)), "started_at")
    counts = [visit[name] for name in ("hits", "pages", "errors", "products", "carts", "checkouts", "orders")]
    assert counts == [7, 4, 2, 1, 1, 0, 2]
    assert (visit["order_id"], visit["customer_id"], visit["customers"]) == ("9", 5, 1)


def test_a_bot_is_told_by_what_it_says_and_by_what_it_does(engine: Any) -> None:
    visits: dict[str | None, list[dict[str, Any]]] = {
        "agent": [{"agent": "curl/8.5.0"}],
        "robots.txt": [{"path": "/robots.txt"}, {"path": "/"}],
        "pace": [{"path": f"/product/{n}", "at": START + timedelta(seconds=n // 2)} for n in range(30)],
        None: [{"path": f"/product/{n}", "at": START + timedelta(seconds=2 * n)} for n in range(30)]
        + [{"path": f"/{n}.png"} for n in range(100)],
    }
    lines = [{"host": str(reason), **line} for reason, visit in visits.items() for line in visit]
    found = rows_of(engine, web_sessions(hits(engine, *lines)), "hits")
    assert [(row["hits"], row["bot_reason"], row["is_bot"]) for row in found] == [
        *((1, "agent", True), (2, "robots.txt", True), (30, "pace", True), (130, None, False)),
    ]
