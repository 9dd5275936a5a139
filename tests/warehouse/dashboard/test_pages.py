"""Every page in a browser: nobody complains, nothing calls outside, and the numbers are SQL's on the same release.

With CARTLAKE_PICTURES=FOLDER each page's picture is left there: `make pictures` makes those of the README.
"""

import os
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.steps import STEPS, silent
from lake import positions
from lake.config import Settings
from lake.delta import Lake
from lake.sandbox import shop
from warehouse.dashboard import charts

PAGES = {
    "": "Sales",
    "explore": "Explore",
    "customers": "Customers",
    "forecast": "Forecast",
    "products": "Products and web",
    "health": "Data health",
}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens_at_its_own_address(seen: Any, page: str) -> None:
    seen.open(page)
    assert seen.page.locator("h1").inner_text() == PAGES[page]
    assert seen.page.get_by_test_id("stException").count() == 0
    assert seen.page.get_by_test_id("stAlertContentError").count() == 0
    assert seen.page.title() == PAGES[page]
    _picture(seen, page or "sales")


def test_navigation_keeps_the_filters(seen: Any) -> None:
    seen.open("?country=France&period=2025")
    for page, title in list(PAGES.items())[1:]:
        seen.page.get_by_test_id("stSidebarNav").get_by_role("link", name=title, exact=True).click()
        seen.page.wait_for_url(f"**/{page}?**")
        seen.rest()
        assert "country=France" in seen.page.url
        assert "period=2025" in seen.page.url


def test_customers_by_kind_are_what_sql_gives(seen: Any) -> None:
    seen.open("customers")
    found = seen.site.sql("SELECT segment, count(*) FROM gold.customer_segments GROUP BY 1 ORDER BY sum(monetary) DESC")
    name, most = max(found, key=lambda row: row[1])
    told = next(text for text in seen.charts() if text.startswith("Customers by kind"))
    assert told == (
        f"Customers by kind: {len(found)} values, from {found[0][0]} to {found[-1][0]}; "
        f"the largest is {name} with {charts.short(most, 'count')}"
    )


def test_those_who_will_buy_are_what_the_model_said(seen: Any) -> None:
    seen.open("customers")
    [(expected, customers)] = seen.site.sql("SELECT sum(repeat_probability), count(*) FROM gold.customer_scores")
    assert f"of {customers:,} customers are expected to buy" in seen.text()
    said = float(seen.text().partition(f" of {customers:,} customers")[0].split()[-1].replace(",", ""))
    assert said == pytest.approx(expected, abs=1)


def test_the_forecast_says_who_made_it(seen: Any) -> None:
    seen.open("forecast?series=Books")
    [(version, after)] = seen.site.sql("SELECT DISTINCT model_version, release FROM gold.forecast_sales")
    [(newest,)] = seen.site.sql("SELECT max(release) FROM meta.releases")
    text = seen.text()
    assert f"Shown by release {newest}; made on" in text
    assert f"after release {after}, from data to 31 Oct 2026, by model sales_forecast, version {version}, which learned" in text
    tiles = seen.page.get_by_test_id("stMetric").locator("p, [data-testid=stMetricValue], [data-testid=stMetricDelta]")
    clipped = tiles.evaluate_all("all => all.filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.innerText)")
    assert tiles.count() >= 8
    assert clipped == []
    [(most,)] = seen.site.sql("SELECT max(forecast) FROM gold.forecast_sales WHERE category = 'Books'")
    assert any(
        text.startswith("Forecast of Books by day") and text.endswith(charts.short(most, "money")) for text in seen.charts()
    )


def test_the_funnel_is_what_sql_gives(seen: Any) -> None:
    seen.open("products?period=All+time")
    [counts] = seen.site.sql("SELECT sum(visits), sum(product), sum(cart), sum(checkout), sum(ordered) FROM gold.agg_funnel")
    shares = [f"{100 * now / before:.1f} %" for before, now in pairwise(counts)]
    names = ("saw a product", "used the cart", "went to the checkout", "ordered")
    said = ", ".join(f"{name} {share}" for name, share in zip(names, shares, strict=True))
    assert f"Of those of the step before: {said}" in " ".join(seen.text().split())
    [(term, searches)] = seen.site.sql(
        "SELECT term, sum(searches) FROM gold.agg_search_terms GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1"
    )
    told = next(text for text in seen.charts() if text.startswith("Searches by term"))
    assert told.endswith(f"the largest is {term} with {charts.short(searches, 'count')}")


def test_health_counts_what_is_kept_out_and_draws_where_a_number_comes_from(seen: Any) -> None:
    seen.open("health")
    seen.page.locator("[data-testid=stGraphVizChart] svg").wait_for()
    drawn = seen.page.get_by_test_id("stGraphVizChart").text_content()
    assert "gold.fact_sales" in drawn
    assert "metric revenue" in drawn
    assert "metric conversion" not in drawn
    assert "No Prefect server answers" in seen.text()
    told = next(text for text in seen.charts() if text.startswith("Rows in quarantine"))
    assert "quarantine.sales: " in told


@pytest.fixture
def bare(make_settings: Callable[..., Settings], serve_dashboard: Any, chromium: Any, watch: Any) -> Iterator[Any]:
    """A dashboard over a lake with no release, whose first capture failed."""
    settings = make_settings()
    positions.record(Lake(settings.lake_root), "shop", "failed", {}, {"error": "shop: access denied for cartlake"}, number=1)
    for site in serve_dashboard(settings):
        yield from watch(site, chromium)


def test_health_is_told_before_there_is_a_release(bare: Any) -> None:
    """When it is needed most: nothing is shown elsewhere, and here is why."""
    bare.open("health")
    text = bare.text()
    assert "The warehouse has no release yet" in text
    assert "shop: capture failed: shop: access denied for cartlake" in text
    assert "Nothing is captured yet" in text
    assert "No Prefect server answers" in text
    bare.page.locator("[data-testid=stGraphVizChart] svg").wait_for()
    bare.open("")
    assert "shop: capture failed" not in bare.text()


def test_a_click_on_a_mark_shows_the_rows_behind_it(seen: Any) -> None:
    seen.open("explore?period=2025&cut=Country&metrics=Revenue")
    seen.hit()
    country = seen.page.locator("h3", has_text="Behind").inner_text().removeprefix("Behind ")
    [(lines,)] = seen.site.sql(
        "SELECT count(*) FROM gold.fact_sales JOIN gold.dim_date USING (date_key) JOIN gold.dim_country USING (country_key) "
        "WHERE year = 2025 AND country = ?",
        country,
    )
    assert f"{lines:,} rows of gold.fact_sales, which together are the mark's revenue" in seen.text()


def test_a_split_goes_one_step_down(seen: Any) -> None:
    seen.open("explore?period=2025&cut=Category")
    seen.hit()
    seen.page.get_by_role("button", name="Split", exact=True).click()
    seen.page.wait_for_url("**category=**")
    seen.rest()
    [(best,)] = seen.site.sql(
        "SELECT category FROM gold.fact_sales JOIN gold.dim_date USING (date_key) JOIN gold.dim_product "
        "USING (product_key) WHERE year = 2025 GROUP BY 1 ORDER BY sum(net_amount) DESC LIMIT 1"
    )
    assert f"category={best}" in seen.page.url
    assert "cut=Category" not in seen.page.url


def test_which_category_fell_most_in_france_last_quarter_and_why(seen: Any) -> None:
    """The way that docs/dashboard.md describes, with clicks alone."""

    def change(column: str, *further: str) -> dict[str, Any]:
        which = " AND ".join(["year = 2026", "quarter IN (2, 3)", "country = 'France'", *further])
        return dict(
            seen.site.sql(
                f"SELECT coalesce({column}, 'Unknown'), sum(CASE quarter WHEN 3 THEN net_amount ELSE -net_amount END) "
                "FROM gold.fact_sales JOIN gold.dim_date USING (date_key) JOIN gold.dim_country USING (country_key) "
                f"JOIN gold.dim_product USING (product_key) WHERE {which} GROUP BY 1"
            )
        )

    def told() -> str:
        return next(text for text in seen.charts() if text.startswith("Revenue change by"))

    seen.open().choose("Period", "Last quarter").choose("Country", "France")
    by_category = change("category")
    fell = min(by_category, key=lambda name: by_category[name])
    assert f"from {fell} to" in next(text for text in seen.charts() if text.startswith("Change of revenue by category"))
    seen.page.get_by_test_id("stSidebarNav").get_by_role("link", name="Explore", exact=True).click()
    seen.page.wait_for_url("**/explore?**")
    seen.rest()
    seen.page.get_by_text("Compare with the period before").click()
    seen.page.wait_for_url("**compare=true**")
    seen.rest()
    assert f"from {fell} to" in told()
    seen.hit()
    assert seen.page.locator("h3", has_text="Why?").inner_text() == f"Why? Split {fell}"
    seen.choose("Split by", "Product type")
    seen.page.get_by_role("button", name="Split", exact=True).click()
    seen.page.wait_for_url("**category=**")
    seen.rest()
    by_type = change("type", f"coalesce(category, 'Unknown') = '{fell}'")
    assert f"from {min(by_type, key=lambda name: by_type[name])} to" in told()


def test_a_view_is_saved_and_opened_again(seen: Any) -> None:
    seen.open("explore?period=2024&metrics=Orders&cut=Channel")
    seen.page.get_by_role("button", name="Views").click()
    seen.page.get_by_label("Save this one as").fill("Orders by channel")
    seen.page.keyboard.press("Enter")
    seen.page.get_by_role("button", name="Save", exact=True).click()
    seen.rest()
    seen.open("explore")
    seen.page.get_by_role("button", name="Views").click()
    seen.page.get_by_label("View", exact=True).click()
    seen.page.get_by_role("option", name="Orders by channel").click()
    seen.rest()
    seen.page.get_by_test_id("stPopoverBody").get_by_role("button", name="Open", exact=True).last.click()
    seen.page.wait_for_url("**metrics=Orders**")
    seen.rest()
    assert any(text.startswith("Orders by channel") for text in seen.charts())


def test_what_has_no_answer_is_a_hint(seen: Any) -> None:
    seen.open("explore?metrics=Repeat+rate&metrics=Conversion")
    assert seen.page.get_by_test_id("stException").count() == 0


def test_the_answer_is_downloaded_whole(seen: Any) -> None:
    seen.open("explore?period=2025&cut=Product&metrics=Revenue")
    seen.page.get_by_text("SQL and download").click()
    assert "SUM(" in seen.page.get_by_test_id("stCode").inner_text()
    with seen.page.expect_download() as waiting:
        seen.page.get_by_role("button", name="CSV", exact=True).click()
    lines = Path(waiting.value.path()).read_text().splitlines()
    [(products, revenue)] = seen.site.sql(
        "SELECT count(DISTINCT name), sum(net_amount) FROM gold.fact_sales JOIN gold.dim_date USING (date_key) "
        "JOIN gold.dim_product USING (product_key) WHERE year = 2025"
    )
    assert lines[0] == "product,revenue"
    assert len(lines) == 1 + products
    assert sum(round(100 * float(line.rsplit(",", 1)[1])) for line in lines[1:]) == round(100 * revenue)
    with seen.page.expect_download() as waiting:
        seen.page.get_by_role("button", name="Parquet", exact=True).click()
    assert waiting.value.suggested_filename == "revenue-by-product.parquet"
    found = pl.read_parquet(waiting.value.path())
    assert (found.columns, found.height, found["revenue"].sum()) == (["product", "revenue"], products, revenue)


@pytest.mark.parametrize("page", PAGES)
def test_every_control_is_reached_by_keyboard_and_has_a_name(seen: Any, page: str) -> None:
    seen.open(page)
    seen.page.evaluate("() => document.addEventListener('focusin', event => event.target.dataset.reached = 'yes')")
    controls = """[...document.querySelectorAll('button, input, a, [role=combobox]')]
        .filter(e => !e.disabled && e.checkVisibility({visibilityProperty: true}))"""
    for _ in range(200):
        seen.page.keyboard.press("Tab")
    missed = seen.page.evaluate(
        f"() => {controls}.filter(e => e.tabIndex >= 0 && !e.dataset.reached).map(e => e.outerHTML.slice(0, 300))"
    )
    assert missed == []
    nameless = seen.page.evaluate(
        f"""() => {controls}.filter(e =>
            !(e.getAttribute('aria-label') || e.innerText || e.labels?.length || e.title || e.getAttribute('aria-labelledby')))
            .map(e => e.outerHTML.slice(0, 120))"""
    )
    assert nameless == []


@pytest.fixture(params=[{"viewport": {"width": 390, "height": 844}}, {"color_scheme": "dark"}], ids=["phone", "dark"])
def other(request: pytest.FixtureRequest, site: Any, chromium: Any, watch: Any) -> Iterator[Any]:
    yield from watch(site, chromium, **request.param)


@pytest.fixture
def phone(site: Any, chromium: Any, watch: Any) -> Iterator[Any]:
    yield from watch(site, chromium, viewport={"width": 390, "height": 844})


@pytest.mark.parametrize("page", PAGES)
def test_a_phone_has_nothing_to_scroll_sideways(phone: Any, page: str) -> None:
    phone.open(page)
    # Not of the document, which hides whatever is wider than it: what scrolls is stMain, and charts and tables have a box each.
    width, wider = phone.page.evaluate(
        """() => {
            const main = document.querySelector('[data-testid=stMain]');
            const boxes = [...main.querySelectorAll('[data-testid=stElementContainer]')].map(e => e.getBoundingClientRect());
            const wider = boxes.filter(box => box.height && box.right > main.clientWidth + 1);
            return [main.scrollWidth - main.clientWidth, wider.length];
        }"""
    )
    assert (width, wider) == (0, 0)


def test_a_phone_and_the_dark(other: Any, request: pytest.FixtureRequest) -> None:
    other.open()
    shade = other.page.evaluate("() => getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor")
    dark = sum(map(int, shade[4:-1].split(","))) < 200
    assert dark == ("[dark]" in request.node.name)
    _picture(other, "phone" if "[phone]" in request.node.name else "dark")


def test_a_new_release_appears_without_a_restart(seen: Any) -> None:
    """An open page follows by itself; and what it was before can still be looked at."""
    seen.open("?period=All+time")
    [(before, number)] = seen.site.sql("SELECT sum(net_amount), (SELECT max(release) FROM meta.releases) FROM gold.fact_sales")
    assert seen.tiles()["Revenue"] == charts.short(before, "money")
    settings = seen.site.settings
    shop.trade(settings, days=1)
    for step in ("capture", "build", "publish"):
        assert STEPS[step](settings, silent).errors == {}
    seen.page.get_by_text(f"Release {number + 1} of").wait_for(timeout=60_000)
    seen.rest()
    [(after,)] = seen.site.sql("SELECT sum(net_amount) FROM gold.fact_sales")
    assert seen.tiles()["Revenue"] == charts.short(after, "money")
    assert after != before
    seen.page.get_by_role("combobox", name="Release").click()
    seen.page.get_by_role("option", name=str(number), exact=True).click()
    seen.page.get_by_text(f"Release {number} of").wait_for()
    seen.rest()
    assert seen.tiles()["Revenue"] == charts.short(before, "money")
    assert f"release={number}" in seen.page.url
    seen.open(seen.page.url.removeprefix(f"{seen.site.url}/"))  # a view of that release can be sent to somebody
    assert seen.tiles()["Revenue"] == charts.short(before, "money")


def _picture(seen: Any, name: str) -> None:
    folder = os.environ.get("CARTLAKE_PICTURES")
    if folder:
        seen.page.screenshot(path=str(Path(folder) / f"{name}.png"))
