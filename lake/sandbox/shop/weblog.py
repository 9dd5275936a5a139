"""The web access log of the last days, in the combined format: the sessions that led to the sales, many that did not, and bots.

One gzip file a day, `access-YYYY-MM-DD.log.gz`. A buyer's lines carry the customer as the user (`c123`), and the order's number
in the last request. Some sessions search, and some came by a link in a letter or an advertisement (utm parameters). The whole is
bounded: fewer days for a bigger shop, and a part of its sessions when one day is too much.
"""

import gzip
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

import numpy as np

from lake.sandbox.shop import names
from lake.sandbox.shop.catalog import Catalog
from lake.sandbox.shop.demand import TYPES, Timeline
from lake.sandbox.shop.seeds import choose, stream

if TYPE_CHECKING:
    import polars as pl

DAYS, LINES = 30, 100_000
_BROWSERS = 5  # sessions without a sale for each one with
_LINES_OF_A_SALE = 30  # with the browsers that go with it, measured
_BOTS_A_DAY = 30
_CUT = 3  # files whose first line is cut short, as a crashed server leaves it
_SEARCHED = 0.3  # of the sessions without a sale: what they look at second
_TAGS = (
    "",
    "",
    "",
    "?utm_source=newsletter&utm_medium=email&utm_campaign=weekly",
    "?utm_source=search&utm_medium=cpc&utm_campaign=brand",
)
_REFERERS = ("-", "https://search.example.com/", "https://news.example.org/offers", "https://social.example.net/feed")


def write(
    seed: int, timeline: Timeline, catalog: Catalog, orders: "pl.DataFrame", lines: "pl.DataFrame", folder: Path
) -> list[str]:
    """Write the log of the last days of these orders; the keys (`file:line`) of the lines that were cut short."""
    import polars as pl

    random = stream(seed, "weblog")
    online = orders.filter(pl.col("channel").is_in(["web", "app"])).sort("order_id")
    day = pl.col("created_at").dt.date()
    daily = online.filter(day == timeline.until).height
    days = int(np.clip(LINES // max(daily * _LINES_OF_A_SALE, 1), 1, DAYS))
    first = np.datetime64(timeline.until) - (days - 1)
    bought = online.filter(day >= first.astype(object)).tail(days * LINES // _LINES_OF_A_SALE)
    visits = _visits(random, first, days, bought.height * _BROWSERS, catalog)
    hits = pl.concat([_sales(random, bought, lines), visits, _bots(random, first, days, catalog)])
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("access-*.log.gz"):
        old.unlink()
    cut: list[str] = []
    for when, content in _lines(hits, first):
        name = _name(when)
        if len(cut) < _CUT:
            content[0] = content[0][: len(content[0]) // 2]
            cut.append(f"{name}:1")
        _pack(folder / name, content)
    return cut


def write_day(seed: int, catalog: Catalog, when: date, orders: "pl.DataFrame", lines: "pl.DataFrame", folder: Path) -> None:
    """Write the log of one more day with these orders, whole; sessions that began the evening before lose their beginning."""
    import polars as pl

    first = np.datetime64(when)
    random = stream(seed, "weblog", int(first.astype(np.int64)))
    bought = orders.filter(pl.col("channel").is_in(["web", "app"])).sort("order_id").tail(LINES // _LINES_OF_A_SALE)
    visits = _visits(random, first, 1, bought.height * _BROWSERS, catalog)
    hits = pl.concat([_sales(random, bought, lines), visits, _bots(random, first, 1, catalog)])
    content = dict(_lines(hits, first)).get(when, [])
    folder.mkdir(parents=True, exist_ok=True)
    _pack(folder / _name(when), content)


def _lines(hits: "pl.DataFrame", first: np.datetime64) -> Iterator[tuple[date, list[str]]]:
    """The lines of each day from the first on."""
    import polars as pl

    text = hits.sort("at", "host", "path").select(
        day=pl.col("at").dt.date(),
        line=pl.format(
            '{} - {} [{}] "{} {} HTTP/1.1" {} {} "{}" "{}"',
            "host",
            "user",
            pl.col("at").dt.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            *("method", "path", "status", "bytes", "referer", "agent"),
        ),
    )
    for (when,), rows in text.filter(pl.col("day") >= first.astype(object)).group_by("day", maintain_order=True):
        assert isinstance(when, date)
        yield when, rows["line"].to_list()


def _name(when: date) -> str:
    return f"access-{when}.log.gz"


def _pack(path: Path, lines: list[str]) -> None:
    """Nobody ever sees half of it: the name with a dot is not captured."""
    half = path.with_name(f".{path.name}")
    half.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode(), compresslevel=4, mtime=0))
    half.replace(path)


def _sales(random: np.random.Generator, bought: "pl.DataFrame", lines: "pl.DataFrame") -> "pl.DataFrame":
    """Landing, a view and a cart for each line, checkout, and the order itself at its very second."""
    import polars as pl

    number = np.arange(bought.height)
    who = bought["customer_id"].to_numpy()
    session = bought.select("order_id", "customer_id", "created_at").with_columns(
        host=_hosts(who),
        agent=pl.Series(names.AGENTS).gather(who % len(names.AGENTS)),
        referer=pl.Series(_REFERERS).gather(random.integers(0, len(_REFERERS), len(number))),
        length=pl.Series(random.integers(90, 1500, len(number))),
    )
    items = lines.select("order_id", "product_id").join(session, on="order_id", maintain_order="left").with_columns(
        part=(pl.int_range(pl.len()).over("order_id") + 1) / (pl.len().over("order_id") + 2.0)
    )  # fmt: skip
    left, product, cart = (
        pl.col("length") * (1 - pl.col("part")),
        pl.format("/product/{}", "product_id"),
        pl.format("/cart?product={}", "product_id"),
    )
    views = _hits(items, "GET", product, left, referer="/")
    carts = _hits(items, "POST", cart, left * 0.97 - 2, referer="/", status=302)
    tag = pl.Series(_TAGS).gather(random.integers(0, len(_TAGS), len(number)))
    landing = _hits(session, "GET", pl.format("/{}", tag), pl.col("length"))
    checkout = _hits(session, "GET", pl.lit("/checkout"), pl.col("length") * 0.05 + 1, referer="/cart")
    complete = pl.format("/checkout/complete?order={}", "order_id")
    order = _hits(session, "POST", complete, pl.lit(0), referer="/checkout", status=302)
    return _sized(random, pl.concat([landing, views, carts, checkout, order]))


def _visits(random: np.random.Generator, first: np.datetime64, days: int, count: int, catalog: Catalog) -> "pl.DataFrame":
    """Sessions of people who look and go."""
    import polars as pl

    views = random.integers(1, 7, count)
    session = np.repeat(np.arange(count), views)
    start = random.integers(0, days * 86_400, count)
    step = np.arange(len(session)) - np.repeat(np.cumsum(views) - views, views)
    second = start[session] + step * random.integers(8, 120, count)[session]
    product = choose(random, catalog.sold_in(len(catalog.cents) - 1), len(session)) + 1
    kind = np.array([name.replace(" ", "-") for name in TYPES])[catalog.kind[product - 1]]
    searched = (random.random(count) < _SEARCHED)[session]
    tag = np.array(_TAGS)[random.integers(0, len(_TAGS), count)][session]
    frame = pl.DataFrame({"product": product, "kind": kind, "step": step, "second": second, "searched": searched, "tag": tag})
    path = (
        pl.when(pl.col("step") == 0)
        .then(pl.format("/category/{}{}", "kind", "tag"))
        .when((pl.col("step") == 1) & pl.col("searched"))
        .then(pl.format("/search?q={}", _terms(random, kind)))
        .otherwise(pl.format("/product/{}", "product"))
    )
    status = np.where(random.random(len(session)) < 0.01, 404, 200)
    made = frame.select(
        at=pl.Series((first.astype("datetime64[s]") + second).astype("datetime64[us]")),
        host=_hosts(5_000_000 + random.integers(0, 1 << 22, count)[session]),
        user=pl.lit("-"),
        method=pl.lit("GET"),
        path=path,
        status=pl.Series(status),
        referer=pl.when(pl.col("step") == 0).then(pl.Series(_REFERERS).gather(session % len(_REFERERS))).otherwise(pl.lit("/")),
        agent=pl.Series(names.AGENTS).gather(random.integers(0, len(names.AGENTS), count)[session]),
    )
    return _sized(random, made)


def _terms(random: np.random.Generator, kind: np.ndarray) -> "pl.Series":
    """What one types who looks for a product of this kind: sometimes in capitals, sometimes with a brand."""
    import polars as pl

    word = np.char.replace(kind.astype(str), "-", "+")
    brands = {name.replace(" ", "-"): list(known) for name, known in names.BRANDS.items()}
    brand = np.array(
        [brands[name][place % len(brands[name])] for name, place in zip(kind, random.integers(0, 60, len(kind)), strict=True)]
    )
    encoded = np.array([quote_plus(name) for name in brand])
    way = random.integers(0, 3, len(kind))
    return pl.Series(
        np.where(way == 0, word, np.where(way == 1, np.char.title(word), np.char.add(np.char.add(encoded, "+"), word)))
    )


def _bots(random: np.random.Generator, first: np.datetime64, days: int, catalog: Catalog) -> "pl.DataFrame":
    """Crawlers: robots.txt first, then product after product at a steady pace."""
    import polars as pl

    count = days * _BOTS_A_DAY
    hits = random.integers(4, 25, count)
    session = np.repeat(np.arange(count), hits)
    step = np.arange(len(session)) - np.repeat(np.cumsum(hits) - hits, hits)
    second = random.integers(0, days * 86_400, count)[session] + step * 2
    frame = pl.DataFrame({"step": step, "product": random.integers(1, len(catalog) + 40, len(session))})
    made = frame.select(
        at=pl.Series((first.astype("datetime64[s]") + second).astype("datetime64[us]")),
        host=_hosts(14_000_000 + session % 9),
        user=pl.lit("-"),
        method=pl.lit("GET"),
        path=pl.when(pl.col("step") == 0).then(pl.lit("/robots.txt")).otherwise(pl.format("/product/{}", "product")),
        status=pl.when(pl.col("product") > len(catalog)).then(404).otherwise(200).cast(pl.Int64),
        referer=pl.lit("-"),
        agent=pl.Series(names.BOTS).gather(session % len(names.BOTS)),
    )
    return _sized(random, made)


def _hits(
    frame: "pl.DataFrame", method: str, path: "pl.Expr", before: "pl.Expr", referer: str = "", status: int = 200
) -> "pl.DataFrame":
    """One request for each row, `before` seconds before the order."""
    import polars as pl

    seconds = pl.max_horizontal(before, pl.lit(0)).cast(pl.Int64)
    return frame.select(
        at=pl.col("created_at") - pl.duration(seconds=seconds),
        host="host",
        user=pl.format("c{}", "customer_id"),
        method=pl.lit(method),
        path=path,
        status=pl.lit(status, pl.Int64),
        referer=pl.lit(referer) if referer else pl.col("referer"),
        agent="agent",
    )


def _sized(random: np.random.Generator, hits: "pl.DataFrame") -> "pl.DataFrame":
    import polars as pl

    return hits.with_columns(bytes=pl.Series(random.integers(400, 60_000, hits.height)))


def _hosts(number: np.ndarray) -> "pl.Series":
    """A private address for each number below 2**24."""
    import polars as pl

    parts = pl.DataFrame({"a": number >> 16 & 255, "b": number >> 8 & 255, "c": number & 255})
    return parts.select(pl.format("10.{}.{}.{}", "a", "b", "c")).to_series()
