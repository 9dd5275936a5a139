"""What the Sales page and the monthly report say: numbers and charts of the metrics layer."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import altair as alt
import polars as pl

from warehouse.dashboard import charts
from warehouse.dashboard.charts import Chart
from warehouse.dashboard.filters import is_in
from warehouse.dashboard.page import Page
from warehouse.dashboard.periods import Span, in_part

FIGURES = ("revenue", "orders", "average_order_value", "gross_margin", "return_rate")
PHONES = "smart phone"
TOP = 10
_AT_ONCE = 4  # questions of a page
UNCOMPARED = "no full period before"
NOT_COMPARED = "not compared"  # on a tile, which has room for two words


def figures(page: Page) -> list[tuple[str, Any, Any]]:
    """Each figure's metric with its value in the days of the page and in the days before; None where those are not all known."""
    spans = (page.filters.span, page.filters.span.known_before(page.known))
    now, before = (_figures(page, span) if span else {} for span in spans)
    return [(name, now[name], before.get(name)) for name in FIGURES]


def _figures(page: Page, span: Span) -> dict[str, Any]:
    return page.reader.ask(*FIGURES, where=page.filters.where(span)).row(0, named=True)


def ask_ahead(page: Page, dimension: str, year: int) -> None:
    """Ask at once what the page is about to ask, one question after the other: most of them keep but one core busy."""
    before = page.filters.span.known_before(page.known)
    questions: list[Callable[[], Any]] = [
        *(partial(_figures, page, span) for span in (page.filters.span, before) if span),
        partial(most, page, "product", TOP),
        *(partial(most, page, name) for name in ("category", "country")),
        partial(over_time, page),
        partial(changed, page, dimension),
        partial(phones, page, year),
    ]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for answer in [pool.submit(question) for question in questions]:
            answer.result()


def label(name: str) -> str:
    """A metric's or dimension's name for people."""
    return name.replace("_", " ").capitalize()


def over_time(page: Page) -> pl.DataFrame:
    """Revenue by month, or by day where the days are few."""
    grain = "month" if page.filters.span.days > 92 else "day"
    return page.reader.ask("revenue", by=[grain], where=page.filters.where(), order=[grain])


def most(page: Page, dimension: str, limit: int | None = None, span: Span | None = None) -> pl.DataFrame:
    """Revenue by a dimension, the most first. Products are articles: several may bear one name."""
    by = ["product", "sku"] if dimension == "product" else [dimension]
    found = page.reader.ask("revenue", by=by, where=page.filters.where(span), order=["revenue desc"], limit=limit)
    return _told_apart(page, found) if dimension == "product" else found


def _told_apart(page: Page, articles: pl.DataFrame) -> pl.DataFrame:
    """product, revenue of a frame of product, sku, revenue: with its number where another article ever bore its name."""
    shared = page.reader.rows("SELECT name FROM gold.dim_product GROUP BY name HAVING count(DISTINCT sku) > 1")["name"]
    numbered = pl.concat_str("product", "sku", separator=" · ")
    name = pl.when(pl.col("product").is_in(shared.implode())).then(numbered).otherwise("product")
    return articles.select(product=name, revenue="revenue")


def changed(page: Page, dimension: str) -> pl.DataFrame:
    """Revenue by a dimension, before and now, with the difference; what fell most first.

    No rows where not all of the days before are known.
    """
    now, earlier = most(page, dimension), page.filters.span.known_before(page.known)
    now, before = (now, most(page, dimension, span=earlier)) if earlier else (now.clear(), now.clear())
    both = now.join(before.rename({"revenue": "before"}), on=dimension, how="full", coalesce=True)
    both = both.with_columns(pl.col("revenue", "before").fill_null(0))
    return both.with_columns(change=pl.col("revenue") - pl.col("before")).sort("change", dimension)


def phones(page: Page, year: int) -> pl.DataFrame:
    """Revenue of mobile phones by quarter of a year, with what the page is cut to but its days."""
    parts = [f"year = {year}", is_in("product_type", [PHONES]), page.filters.cut()]
    return page.reader.ask("revenue", by=["quarter"], where=" AND ".join(filter(None, parts)), order=["quarter"])


def charts_of(page: Page, outlines: Any) -> dict[str, Chart | None]:
    """The page's charts by their titles; None where nothing was sold. `outlines` is where the map's countries come from."""
    time, by_category, by_country = over_time(page), most(page, "category"), most(page, "country")
    top = most(page, "product", TOP)
    grain = time.columns[0]
    part = in_part(grain, time[grain], page.filters.span, page.known)
    found: dict[str, tuple[pl.DataFrame, Chart]] = {
        f"Revenue by {grain}": (time, charts.line(time, grain, "revenue", "money", title=f"Revenue by {grain}", part=part)),
        "Revenue by category": (by_category, bars(by_category, "Revenue by category")),
        "Revenue by country": (
            by_country,
            charts.world(by_country, "revenue", "money", title="Revenue by country", outlines=outlines),
        ),
        "Top products": (top, bars(top, "Top products by revenue")),
    }
    return {title: chart if frame.height else None for title, (frame, chart) in found.items()}


def bars(frame: pl.DataFrame, title: str) -> alt.Chart:
    """Revenue by the frame's first column."""
    return charts.bars(frame, frame.columns[0], "revenue", "money", title=title)


def changes(moved: pl.DataFrame) -> alt.Chart:
    """What fell most and what rose most, of a frame of `changed`."""
    shown = pl.concat([moved.head(TOP), moved.tail(TOP)]) if moved.height > 2 * TOP else moved
    return charts.bars(shown, moved.columns[0], "change", "money", title=f"Change of revenue by {moved.columns[0]}", signed=True)
