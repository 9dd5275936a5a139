"""Every declared metric against SQL written by hand."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest

from warehouse.semantic.loaded import load

PRODUCTS = "FROM sold JOIN gold.dim_product USING (product_key)"
PEOPLE_MONTH = "left(date_key::VARCHAR, 4) || '-' || right((date_key // 100)::VARCHAR, 2)"
BUYERS = "gold.agg_customer_lifetime"
PEOPLE = "gold.fact_web_sessions WHERE NOT is_bot"
LAST = "(SELECT max(date) FROM sold)"
# metric: [(by, SQL for the same rows, in any order), …]; of an average in money it gives the sum, and what it is divided by.
BY_HAND: dict[str, list[tuple[str, str]]] = {
    "revenue": [
        ("", "SELECT sum(net_amount) FROM sold"),
        ("month,category", "SELECT month, category, sum(net_amount) FROM sold GROUP BY ALL"),
        (
            "product,brand",
            f"SELECT name, coalesce(brand, 'Unknown'), sum(net_amount) {PRODUCTS} GROUP BY ALL",
        ),
        (
            "segment",
            f"SELECT coalesce(segment, 'Unknown'), sum(net_amount) FROM sold LEFT JOIN {BUYERS} USING (customer_id) GROUP BY ALL",
        ),
    ],
    "gross_sales": [("quarter", "SELECT year || '-Q' || quarter(date), sum(amount) FROM sold GROUP BY ALL")],
    "discounts": [("country", "SELECT country, sum(discount) FROM sold GROUP BY ALL")],
    "units": [
        ("week", "SELECT isoyear(date) || '-W' || lpad(week(date)::VARCHAR, 2, '0'), sum(quantity) FROM sold GROUP BY ALL")
    ],
    "lines": [("weekday", "SELECT dayname(date), count(*) FROM sold GROUP BY ALL")],
    "orders": [
        ("", "SELECT count(DISTINCT order_id) FROM sold"),
        ("category", "SELECT category, count(DISTINCT order_id) FROM sold GROUP BY ALL"),
        (
            "day,category,country,channel",
            "SELECT date, category, country, channel, count(DISTINCT order_id) FROM sold GROUP BY ALL",
        ),
    ],
    "customers": [("year", "SELECT year, count(DISTINCT customer_id) FROM sold GROUP BY ALL")],
    "average_order_value": [("month", "SELECT month, sum(net_amount), count(DISTINCT order_id) FROM sold GROUP BY ALL")],
    "cost": [("category", "SELECT category, sum(coalesce(cost, 0)) FROM sold GROUP BY ALL")],
    "revenue_of_known_cost": [
        ("month", "SELECT month, coalesce(sum(CASE WHEN cost IS NOT NULL THEN net_amount END), 0) FROM sold GROUP BY ALL")
    ],
    "gross_profit": [("category", "SELECT category, coalesce(sum(net_amount - cost), 0) FROM sold GROUP BY ALL")],
    "gross_margin": [
        ("country", "SELECT country, sum(net_amount - cost) / sum(net_amount) FROM sold WHERE cost IS NOT NULL GROUP BY ALL"),
        (
            "sku",
            f"SELECT sku, sum(net_amount - cost) / sum(net_amount) FILTER (cost IS NOT NULL) {PRODUCTS} GROUP BY ALL",
        ),
    ],
    "refunds": [("month", "SELECT month, sum(refund) FROM back GROUP BY ALL")],
    "returned_units": [("year,country", "SELECT year, country, sum(quantity) FROM back GROUP BY ALL")],
    "net_sales": [
        (
            "month",
            "SELECT month, sum(x) FROM (SELECT month, net_amount x FROM sold "
            "UNION ALL SELECT month, -refund FROM back) GROUP BY 1",
        )
    ],
    "return_rate": [
        (
            "category",
            "SELECT category, coalesce(b, 0) / nullif(s, 0) FROM (SELECT category, sum(quantity) s FROM sold GROUP BY ALL) "
            "FULL JOIN (SELECT category, sum(quantity) b FROM back GROUP BY ALL) USING (category)",
        ),
        (
            "day",
            "SELECT date, coalesce(b, 0) / nullif(s, 0) FROM (SELECT date, sum(quantity) s FROM sold GROUP BY ALL) "
            "FULL JOIN (SELECT date, sum(quantity) b FROM back GROUP BY ALL) USING (date)",
        ),
    ],
    "visits_with_product": [
        (
            "traffic_channel",
            f"SELECT traffic_channel, countif(products + carts + checkouts + orders > 0) FROM {PEOPLE} GROUP BY ALL",
        ),
        ("landing_page", f"SELECT landing_page, countif(products + carts + checkouts + orders > 0) FROM {PEOPLE} GROUP BY ALL"),
    ],
    "visits_with_cart": [("month", f"SELECT {PEOPLE_MONTH}, countif(carts + checkouts + orders > 0) FROM {PEOPLE} GROUP BY ALL")],
    "visits_with_checkout": [("", f"SELECT countif(checkouts + orders > 0) FROM {PEOPLE}")],
    "searches": [
        ("term", "SELECT term, sum(searches) FROM gold.agg_search_terms GROUP BY ALL"),
        ("month", f"SELECT {PEOPLE_MONTH}, sum(searches) FROM gold.agg_search_terms GROUP BY ALL"),
        ("term,month", f"SELECT term, {PEOPLE_MONTH}, sum(searches) FROM gold.agg_search_terms GROUP BY ALL"),
    ],
    "searches_with_order": [
        ("term", "SELECT term, sum(with_order) FROM gold.agg_search_terms GROUP BY ALL"),
        ("month", f"SELECT {PEOPLE_MONTH}, sum(with_order) FROM gold.agg_search_terms GROUP BY ALL"),
    ],
    "segmented_customers": [("kind", "SELECT segment, count(*) FROM gold.customer_segments GROUP BY ALL")],
    "segmented_value": [("kind", "SELECT segment, sum(monetary) FROM gold.customer_segments GROUP BY ALL")],
    "value_per_customer": [("kind", "SELECT segment, sum(monetary), count(*) FROM gold.customer_segments GROUP BY ALL")],
    "visits": [("traffic_channel", f"SELECT traffic_channel, count(*) FROM {PEOPLE} GROUP BY ALL")],
    "visits_with_order": [
        ("day", f"SELECT strptime(date_key::VARCHAR, '%Y%m%d')::DATE, count(*) FILTER (orders > 0) FROM {PEOPLE} GROUP BY ALL")
    ],
    "conversion": [
        (
            "month",
            f"SELECT {PEOPLE_MONTH}, avg((orders > 0)::INT) FROM {PEOPLE} GROUP BY ALL",
        ),
        ("landing_page", f"SELECT landing_page, avg((orders > 0)::INT) FROM {PEOPLE} GROUP BY ALL"),
    ],
    "buyers": [
        ("", "SELECT count(DISTINCT customer_id) FROM sold"),
        (
            "recency_score,frequency_score",
            f"SELECT recency_score::VARCHAR, frequency_score::VARCHAR, count(*) FROM {BUYERS} GROUP BY ALL",
        ),
    ],
    "buyers_value": [
        ("", f"SELECT sum(monetary) FROM {BUYERS}"),
        ("monetary_score", f"SELECT monetary_score::VARCHAR, sum(monetary) FROM {BUYERS} GROUP BY ALL"),
    ],
    "value_per_buyer": [
        (
            "recency_score,frequency_score",
            f"SELECT recency_score::VARCHAR, frequency_score::VARCHAR, sum(monetary), count(*) FROM {BUYERS} GROUP BY ALL",
        ),
        ("rfm", f"SELECT rfm, sum(monetary), count(*) FROM {BUYERS} GROUP BY ALL"),
    ],
    "repeat_buyers": [
        (
            "",
            "SELECT count(*) FROM (SELECT count(DISTINCT order_id) n "
            "FROM sold WHERE customer_id > 0 GROUP BY customer_id) WHERE n > 1",
        )
    ],
    "repeat_rate": [
        ("", f"SELECT avg((frequency > 1)::INT) FROM {BUYERS}"),
        ("first_month", f"SELECT strftime(first_sale_date, '%Y-%m'), avg((frequency > 1)::INT) FROM {BUYERS} GROUP BY ALL"),
    ],
    "revenue_growth": [
        (
            "month",
            f"""SELECT coalesce(n.month, l.month), (coalesce(n.x, 0) - l.x) / CASE WHEN l.x > 0 THEN l.x END
            FROM (SELECT month, sum(net_amount) x FROM sold GROUP BY ALL) n
            FULL JOIN (SELECT (year + 1) || month[5:] AS month, sum(net_amount) x FROM sold
                       WHERE (date + INTERVAL 1 YEAR)::DATE <= {LAST} GROUP BY ALL) l ON n.month = l.month""",
        ),
        (
            "year,country",
            f"""SELECT coalesce(n.year, l.year), coalesce(n.country, l.country),
                       (coalesce(n.x, 0) - l.x) / CASE WHEN l.x > 0 THEN l.x END
            FROM (SELECT year, country, sum(net_amount) x FROM sold GROUP BY ALL) n
            FULL JOIN (SELECT year + 1 AS year, country, sum(net_amount) x FROM sold
                       WHERE (date + INTERVAL 1 YEAR)::DATE <= {LAST} GROUP BY ALL) l
            ON n.year = l.year AND n.country = l.country""",
        ),
    ],
    "orders_growth": [
        (
            "quarter",
            f"""SELECT coalesce(n.q, l.q), (coalesce(n.x, 0) - l.x) / nullif(l.x, 0)
            FROM (SELECT year || '-Q' || quarter(date) q, count(DISTINCT order_id) x FROM sold GROUP BY ALL) n
            FULL JOIN (SELECT (year + 1) || '-Q' || quarter(date) q, count(DISTINCT order_id) x FROM sold
                       WHERE (date + INTERVAL 1 YEAR)::DATE <= {LAST} GROUP BY ALL) l ON n.q = l.q""",
        )
    ],
    "revenue_28d": [
        (
            "day",
            f"""SELECT d::DATE, CASE WHEN d >= (SELECT min(date) + 27 FROM sold)
                THEN (SELECT coalesce(sum(net_amount), 0) FROM sold WHERE date BETWEEN d::DATE - 27 AND d::DATE) END, 28
            FROM generate_series((SELECT min(date) FROM sold), {LAST}, INTERVAL 1 DAY) t(d)""",
        ),
        (
            "day,channel",
            f"""SELECT d::DATE, channel, CASE WHEN d >= (SELECT min(date) + 27 FROM sold)
                THEN (SELECT coalesce(sum(net_amount), 0) FROM sold s
                      WHERE s.channel = c.channel AND date BETWEEN d::DATE - 27 AND d::DATE) END, 28
            FROM generate_series((SELECT min(date) FROM sold), {LAST}, INTERVAL 1 DAY) t(d),
                 (SELECT DISTINCT channel FROM sold) c""",
        ),
    ],
}


def test_every_metric_is_written_by_hand() -> None:
    assert sorted(BY_HAND) == sorted(load().metrics)


@pytest.mark.parametrize(("metric", "by", "sql"), [(metric, by, sql) for metric, cuts in BY_HAND.items() for by, sql in cuts])
def test_a_metric_is_what_its_sql_is(shop: Any, metric: str, by: str, sql: str) -> None:
    expected = shop.sql(sql)
    if metric in ("average_order_value", "revenue_28d", "value_per_customer", "value_per_buyer"):
        expected = [(*row[:-2], _divided(*row[-2:])) for row in expected]
    found = shop.ask(metric, by=by)
    assert len(found) > 0
    assert _comparable(found) == _comparable(expected)


def test_money_is_decimal_to_the_cent_and_counts_are_whole(shop: Any) -> None:
    frame = shop.answer("revenue", "average_order_value", "revenue_28d", "units", "orders", "return_rate", by="day").frame()
    assert [str(kind) for kind in frame.dtypes[1:]] == [*["Decimal(precision=18, scale=2)"] * 3, "Int64", "Int64", "Float64"]


def test_an_average_in_money_rounds_halves_up_where_a_float_would_lose_them(make_shop: Any) -> None:
    shop = make_shop()
    shop.connection.execute("DELETE FROM gold.fact_sales")
    shop.connection.execute(
        """INSERT INTO gold.fact_sales BY NAME
        SELECT * FROM (VALUES (1, 20250101, 0.02), (2, 20250101, 0.01), (3, 20250102, 1.00), (4, 20250102, 1.15),
                              (5, 20250103, -0.05), (6, 20250103, 0.00)) t(order_id, date_key, net_amount)"""
    )
    asked = shop.ask("average_order_value", by="day")
    assert [row[1] for row in asked] == [Decimal("0.02"), Decimal("1.08"), Decimal("-0.03")]


def _divided(total: Decimal | None, parts: int) -> Decimal | None:
    return None if total is None else (total / parts).quantize(Decimal("0.01"), ROUND_HALF_UP)


def _comparable(rows: list[tuple[Any, ...]]) -> list[tuple[str, ...]]:
    """Rows in one order; decimals to the digit, ratios to twelve."""
    return sorted(tuple(f"{cell:.12f}" if isinstance(cell, float) else str(cell) for cell in row) for row in rows)
