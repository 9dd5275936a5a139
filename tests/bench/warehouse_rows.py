"""The star that the warehouse's benchmark asks: its rows as SQL, for the lake and for tables made by hand; eight queries."""

from collections.abc import Mapping

import duckdb
import pyarrow as pa

from lake.config import Settings
from lake.delta import Lake
from warehouse.describe import Published

_STEP = 1_000_000
CUSTOMERS, PRODUCTS = 200_000, 20_000
KEYS = {
    "gold.dim_date": "date_key",
    "gold.dim_country": "country_key",
    "gold.dim_customer": "customer_key",
    "gold.dim_product": "product_key",
    "gold.fact_sales": "sale_id",
}
FACT = "gold.fact_sales"
DIMENSIONS: Mapping[str, str] = {
    "gold.dim_date": """select strftime(d, '%Y%m%d')::int as date_key, d::date as date, year(d)::int as year,
        quarter(d)::int as quarter, month(d)::int as month, strftime(d, '%Y-%m') as year_month
        from generate_series(timestamp '2023-09-01', timestamp '2026-08-31', interval 1 day) t(d)""",
    "gold.dim_country": """select (hash(i) >> 1)::bigint as country_key, ['France', 'Germany', 'Spain', 'Italy', 'Poland',
        'Sweden', 'Norway', 'Portugal', 'Ireland', 'Greece', 'Austria', 'Belgium', 'Denmark', 'Finland', 'Hungary', 'Romania',
        'Czechia', 'Croatia', 'Malta', 'Latvia'][i] as country from range(1, 21) t(i)""",
    "gold.dim_customer": f"""select (hash(i * 3) >> 1)::bigint as customer_key, i as customer_id, 'Customer ' || i as name,
        ['private', 'business', 'school'][1 + i % 3] as segment from range(1, {CUSTOMERS + 1}) t(i)""",
    "gold.dim_product": f"""select (hash(i * 5) >> 1)::bigint as product_key, i as product_id, 'Product ' || i as name,
        'Brand ' || (i % 500) as brand,
        ['Electronics', 'Home', 'Toys', 'Books', 'Garden', 'Sports', 'Beauty', 'Grocery'][1 + i % 8] as category
        from range(1, {PRODUCTS + 1}) t(i)""",
}
_SALES = """
select i::bigint as sale_id, (i // 3)::bigint as order_id, strftime(sold_at, '%Y%m%d')::int as date_key,
    (hash((1 + hash(i // 3) % {customers})::bigint * 3) >> 1)::bigint as customer_key,
    (hash((1 + hash(i * 7 + 2) % {products})::bigint * 5) >> 1)::bigint as product_key,
    (hash((1 + hash(i // 3 + 9) % 20)::bigint) >> 1)::bigint as country_key,
    ['web', 'app', 'store', 'phone'][(1 + hash(i // 3 + 4) % 4)::bigint] as channel, quantity, price,
    (price * quantity)::decimal(18, 2) as amount, (price * quantity * 0.6)::decimal(18, 2) as cost,
    sold_at at time zone 'UTC' as sold_at,
    strftime(sold_at, '%Y-%m') as sale_month
from (select i, 1 + (hash(i * 7 + 4) % 10)::int + {more} as quantity,
    (1 + hash(i * 7 + 3) % 99900 / 100.0)::decimal(10, 2) as price,
    timestamp '2023-09-01' + to_seconds((i * 94608000 // ({rows} + 1))::bigint) as sold_at from {numbers})
"""
QUERIES: Mapping[str, str] = {
    "revenue by month and category": """select year_month, category, sum(amount), count(*) from fact_sales
        join dim_date using (date_key) join dim_product using (product_key) group by all order by all""",
    "top products": """select p.name, sum(amount) as revenue, sum(quantity) from fact_sales join dim_product p using (product_key)
        group by all order by revenue desc, p.name limit 20""",
    "year over year": """select month, sum(amount) filter (year = 2025), sum(amount) filter (year = 2024) from fact_sales
        join dim_date using (date_key) where year in (2024, 2025) group by month order by month""",
    "one country's last 90 days": """select date, sum(amount), sum(amount - cost), count(distinct order_id) from fact_sales
        join dim_date using (date_key) join dim_country using (country_key)
        where country = 'France' and date_key >= 20260603 group by date order by date""",
    "customers of each month": """select year_month, count(distinct customer_key) from fact_sales join dim_date using (date_key)
        group by year_month order by year_month""",
    "country by category, one quarter": """select country, category, sum(amount), sum(quantity) from fact_sales
        join dim_country using (country_key) join dim_product using (product_key)
        where date_key between 20260101 and 20260331 and channel = 'web' group by all order by all""",
    "baskets": """select channel, count(*), avg(lines)::decimal(9, 4), max(total) from (select order_id, channel,
        count(*) as lines, sum(amount) as total from fact_sales where date_key >= 20250901 group by all)
        group by channel order by channel""",
    "channel mix": """select year, quarter, channel, sum(amount), count(*) from fact_sales join dim_date using (date_key)
        group by all order by all""",
}


def tables() -> list[Published]:
    """What the release holds, with keys."""
    return [Published(name, (key,)) for name, key in KEYS.items()]


def sales(rows: int, low: int, high: int) -> str:
    """The sales numbered `low` up to before `high` of a history of `rows`."""
    return _SALES.format(customers=CUSTOMERS, products=PRODUCTS, rows=rows, numbers=f"range({low}, {high}) t(i)", more=0)


def make_lake(settings: Settings, rows: int) -> None:
    """Gold as Delta tables, the fact by month as Cartlake's is, a million rows at a time, oldest first."""
    lake, con = Lake(settings.lake_root), connect()
    for name, query in DIMENSIONS.items():
        _add(lake, name, con.execute(query).to_arrow_table())
    for low in range(1, rows + 1, _STEP):
        _add(lake, FACT, con.execute(sales(rows, low, min(low + _STEP, rows + 1))).to_arrow_table(), ["sale_month"])


def change(settings: Settings, rows: int, turn: int) -> None:
    """One percent in one commit: half of it new sales, half other quantities in sales scattered over the last year."""
    some = max(rows // 200, 1)
    every = max(rows // 3 // some, 1)
    numbers = f"(select {rows - rows // 3} + i * {every} + {turn % every} as i from range({some}) t(i))"
    old = _SALES.format(customers=CUSTOMERS, products=PRODUCTS, rows=rows, numbers=numbers, more=turn)
    fresh = sales(rows, rows + 1 + (turn - 1) * some, rows + 1 + turn * some)
    changed = connect().execute(f"{fresh} union all by name {old}").to_arrow_table()
    Lake(settings.lake_root).merge(FACT, changed, ["sale_id"])


def make_by_hand(con: duckdb.DuckDBPyConnection, rows: int) -> None:
    """The tables a good engineer makes in DuckDB: plain types, the fact in the order of its days."""
    con.execute("create schema gold")
    for name, query in DIMENSIONS.items():
        con.execute(f"create table {name} as {query}")
    con.execute(f"create table {FACT} as {sales(rows, 1, rows + 1)} order by date_key")


def connect() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute("set timezone = 'UTC'; set threads = 2; set enable_progress_bar = false")
    return con


def _add(lake: Lake, name: str, rows: pa.Table, partition_by: list[str] | None = None) -> None:
    lake.create(name, rows.schema, partition_by=partition_by or [])
    lake.append(name, rows)
