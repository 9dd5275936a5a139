"""The page Sales in a browser: what it shows is what SQL gives on the same release."""

from decimal import Decimal
from typing import Any

from warehouse.dashboard import charts

SOLD = "gold.fact_sales JOIN gold.dim_date USING (date_key) JOIN gold.dim_country USING (country_key)"


def test_the_tiles_are_what_sql_gives(seen: Any) -> None:
    seen.open("?period=2025&country=France")
    now, before = (
        seen.site.sql(
            f"""
            SELECT sum(net_amount), count(DISTINCT order_id), sum(net_amount) / count(DISTINCT order_id),
                   sum(net_amount - cost) / sum(net_amount) FILTER (cost IS NOT NULL),
                   (SELECT sum(quantity) FROM {SOLD.replace("fact_sales", "fact_returns")} WHERE year = $1 AND country = 'France')
                       / sum(quantity)
            FROM {SOLD} WHERE year = $1 AND country = 'France'
            """,
            year,
        )[0]
        for year in (2025, 2024)
    )
    forms = ("money", "count", "money", "percent", "percent")
    assert seen.tiles() == dict(
        zip(
            ("Revenue", "Orders", "Average order value", "Gross margin", "Return rate"),
            map(charts.short, now, forms),
            strict=True,
        )
    )
    moved = [text.strip() for text in seen.page.get_by_test_id("stMetricDelta").all_inner_texts()]
    assert moved == list(map(charts.change, now, before, forms))


def test_a_year_after_one_that_is_known_in_part_is_compared_with_nothing(seen: Any) -> None:
    seen.open("?period=2024")
    assert [text.strip() for text in seen.page.get_by_test_id("stMetricDelta").all_inner_texts()] == ["not compared"] * 5
    assert "There is no full period before: sales are known from" in seen.text()
    assert not any(text.startswith("Change of revenue") for text in seen.charts())


def test_the_charts_say_what_sql_gives(seen: Any) -> None:
    seen.open("?period=2025")
    told = "\n".join(seen.charts())
    [(month, most)] = seen.site.sql(
        f"SELECT strftime(date, '%Y-%m'), sum(net_amount) FROM {SOLD} WHERE year = 2025 GROUP BY 1 ORDER BY 2 DESC LIMIT 1"
    )
    assert (
        f"Revenue by month: 12 values, from 2025-01 to 2025-12; the largest is {month} with {charts.short(most, 'money')}" in told
    )
    [(country, most)] = seen.site.sql(
        f"SELECT country, sum(net_amount) FROM {SOLD} WHERE year = 2025 GROUP BY 1 ORDER BY 2 DESC LIMIT 1"
    )
    assert f"the largest is {country} with {charts.short(most, 'money')}" in told


def test_mobile_phones_by_quarter_of_a_year(seen: Any) -> None:
    seen.open("?phones=2024")
    found = seen.site.sql(
        "SELECT quarter, sum(net_amount) FROM gold.fact_sales JOIN gold.dim_date USING (date_key) JOIN gold.dim_product p "
        "USING (product_key) WHERE p.type = 'smart phone' AND year = 2024 GROUP BY 1 ORDER BY 2 DESC"
    )
    best, most = found[0]
    told = next(text for text in seen.charts() if text.startswith("Revenue of mobile phones in 2024"))
    assert f"{len(found)} values" in told
    assert told.endswith(f"the largest is 2024-Q{best} with {charts.short(most, 'money')}")


def test_a_filter_changes_the_numbers_and_the_url(seen: Any) -> None:
    seen.open("?period=2025")
    before = seen.tiles()["Revenue"]
    seen.page.get_by_label("Country", exact=False).first.click()
    seen.page.get_by_role("option", name="Germany").click()
    seen.page.keyboard.press("Escape")
    seen.page.wait_for_url("**country=Germany**")
    seen.rest()
    [(revenue,)] = seen.site.sql(f"SELECT sum(net_amount) FROM {SOLD} WHERE year = 2025 AND country = 'Germany'")
    assert seen.tiles()["Revenue"] == charts.short(revenue, "money") != before


def test_what_fell_most_is_first(seen: Any) -> None:
    seen.open("?period=2025&country=France")
    changes = dict(
        seen.site.sql(
            "SELECT coalesce(category, 'Unknown'), sum(CASE year WHEN 2025 THEN net_amount ELSE -net_amount END) "
            f"FROM {SOLD} JOIN gold.dim_product USING (product_key) WHERE year IN (2024, 2025) AND country = 'France' GROUP BY 1"
        )
    )
    told = next(text for text in seen.charts() if text.startswith("Change of revenue by category"))
    assert f"from {min(changes, key=lambda name: changes[name])} to" in told
    assert isinstance(changes[max(changes, key=lambda name: changes[name])], Decimal)


def test_nothing_sold_is_said_in_a_sentence(seen: Any) -> None:
    seen.open("?period=Custom&from=2019-01-01&to=2019-01-31")
    assert "Nothing was sold with these filters." in seen.text()
    assert seen.tiles()["Average order value"] == "–"


def test_dates_the_wrong_way_round_get_one_clear_sentence(seen: Any) -> None:
    seen.open("?period=Custom&from=2026-02-01&to=2026-01-01")
    assert "choose an earlier day" in seen.page.get_by_test_id("stApp").inner_text()
