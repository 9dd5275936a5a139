"""Inputs of the star at any length of history, their changes, and what any correct build must give: DuckDB's answer."""

from pathlib import Path

import duckdb
import pyarrow as pa

from lake.delta import Lake

SALES, PRODUCTS = "ref.sales_data", "ref.products"
DELETE = "_delete"
PER_DAY = 5_000  # sales; a longer history is not a denser one
_LAST = "timestamp '2026-09-01'"
_STEP = 1_000_000
_SALE = """
select i::bigint as rowid, 1 + (hash(i * 7 + 1) % {products})::int as product_id,
    1 + (hash(i * 7 + 2) % 100000)::int as customer_id, (1 + hash(i * 7 + 3) % 99900 / 100.0)::decimal(10, 2) as price,
    1 + (hash(i * 7 + 4) % 10)::int as quantity,
    {last} - to_days(({rows} // {per_day})::int) + to_seconds((i * 86400 // {per_day} + hash(i * 7 + 5) % 3600)::bigint)
        as "timestamp"
from range({low}, {high}) t(i)
"""
# Some products of sales are not known, some have no color: joins and groups must cope.
_PRODUCT = """
select i::int as product_id, 'Product ' || i as name, 'Brand ' || (i % 500) as brand,
    ['Electronics', 'Home', 'Toys', 'Books', 'Garden', 'Sports', 'Beauty', 'Grocery'][1 + i % 8] as category,
    struct_pack(color := ['red', 'green', 'blue', null][1 + i % 4], weight_kg := (i % 100) / 10.0::double) as attributes
from range(1, {products} + 1 - {products} // 1000) t(i)
"""
# Inserted, updated (a twentieth of them also moved to another day and product) and deleted rows among those from `low` on.
_CHANGES = """
select * exclude ("timestamp"), least("timestamp", {last}) as "timestamp", false as _delete from ({fresh})
union all by name
select rowid, case when rowid % 20 = 0 then 1 + product_id % {products} else product_id end as product_id, customer_id, price,
    quantity + 1 as quantity,
    case when rowid % 20 = 0 then "timestamp" - interval 1 day else "timestamp" end as "timestamp", false as _delete
from sales where rowid > {low} and hash(rowid) % 1000000 < {updated}
union all by name
select *, true as _delete from sales where rowid > {low} and hash(rowid + 1) % 1000000 < {deleted}
    and hash(rowid) % 1000000 >= {updated}
"""
_SETS = (
    """(y, q, m), (y, q), (y), (category, color), (category), (color), (), (y, m, category), (y, m, brand), (category, brand)"""
)
# What a table of ours must equal, with natural keys in the place of surrogate ones.
TRUTH = {
    "dim_product": """select product_id, name, category, brand, attributes.color as color, attributes.weight_kg as weight_kg
        from products""",
    "dim_customer": """select customer_id, min("timestamp") as first_seen, max("timestamp") as last_seen, count(*) as orders
        from sales group by all""",
    "dim_date": """select strftime(d, '%Y%m%d')::int as date_key, d::date as date, year(d)::int as y, quarter(d)::int as q,
        month(d)::int as m, dayofweek(d)::int as dow
        from generate_series(timestamp '2023-01-01', timestamp '2026-12-31', interval 1 day) t(d)""",
    "fact_sales": """select rowid, date_key, product, customer_id, price, quantity, amount, "timestamp" from x""",
    "rollup_daily": """select date_key, category, sum(amount)::decimal(18, 2) as revenue, sum(quantity)::bigint as units,
        count(*) as n, count(distinct customer_id) as customers from x where product is not null group by all""",
    "cube_sales": f"""select y, q, m, category, brand, color, sum(amount)::decimal(18, 2) as revenue,
        sum(quantity)::bigint as units, count(*) as n, grouping_id(y, q, m, category, brand, color)::int as gid
        from x where product is not null group by grouping sets ({_SETS})""",
}
_X = """create or replace temp table x as select s.*, strftime("timestamp", '%Y%m%d')::int as date_key,
    (price * quantity)::decimal(18, 2) as amount, p.product_id as product, p.category, p.brand, p.attributes.color as color,
    year("timestamp")::int as y, quarter("timestamp")::int as q, month("timestamp")::int as m
    from sales s left join products p using (product_id)"""
# The same view of ours, where a plain select is not it.
_OURS = {
    "fact_sales": """select rowid, date_key, p.product_id as product, c.customer_id, price, quantity, amount, f."timestamp"
        from ours f left join dim_product p using (product_key) left join dim_customer c using (customer_key)""",
}


def make(root: Path, rows: int, products: int) -> None:
    """Both inputs as Delta tables below `root`, written a million rows at a time, oldest first."""
    lake, con = Lake(str(root)), _connect()
    known = con.execute(_PRODUCT.format(products=products)).to_arrow_table()
    lake.create(PRODUCTS, known.schema)
    lake.append(PRODUCTS, known)
    for low in range(1, rows + 1, _STEP):
        query = _sales(rows, products, low, min(low + _STEP, rows + 1))
        some = _timed(con.execute(query).to_arrow_table())
        lake.create(SALES, some.schema)
        lake.append(SALES, some)


def change(root: Path, rows: int, products: int, *, inserted: int, updated: int, deleted: int, recent: int = 0) -> None:
    """Change so many sales in one commit, scattered over all days or over the last `recent`."""
    lake, con = Lake(str(root)), _connect()
    con.register("sales", lake.read(SALES))
    low = max(0, rows - recent * PER_DAY) if recent else 0
    fresh = _sales(rows, products, rows + 1, rows + 1 + inserted)
    of_a_million = {"updated": updated * 1_000_000 // (rows - low), "deleted": deleted * 1_000_000 // (rows - low)}
    query = _CHANGES.format(fresh=fresh, last=_LAST, products=products, low=low, **of_a_million)
    lake.merge(SALES, _timed(con.execute(query).to_arrow_table()), ["rowid"], delete=DELETE)


def to_parquet(root: Path, folder: Path) -> dict[str, str]:
    """The inputs as they are now, for dbt: the variables that name them."""
    folder.mkdir(parents=True, exist_ok=True)
    lake, con = Lake(str(root)), _connect()
    for name, variable in ((SALES, "sales"), (PRODUCTS, "products")):
        con.register("rows", lake.read(name))
        con.execute(f"copy rows to '{folder}/{variable}.parquet' (compression zstd)")
    return {"BRONZE_SALES": str(folder / "sales.parquet"), "BRONZE_PRODUCTS": str(folder / "products.parquet")}


def wrong(root: Path, home: Path) -> str:
    """How the star in `home` differs from DuckDB's answer on the inputs, row by row; empty when it does not."""
    inputs, lake, con = Lake(str(root)), Lake(str(home / "data" / "lake")), _connect()
    con.register("sales_", inputs.read(SALES))
    con.register("products", inputs.read(PRODUCTS))
    con.execute('create temp table sales as select * replace ("timestamp"::timestamp as "timestamp") from sales_')
    con.execute(_X)
    for name, truth in TRUTH.items():
        con.register(name, lake.read(f"gold.{name}"))
        columns = [row[0] for row in con.execute(f"describe {truth}").fetchall()]
        kept = ", ".join(f'"{column}"' for column in columns)
        ours = _OURS.get(name, "select * from ours").replace("ours", name)
        con.execute(f"create or replace temp table wanted as {truth}")
        con.execute(f"create or replace temp table found as select {kept} from ({ours})")
        more, less = (
            con.execute(f"select count(*) from (select * from {a} except all select * from {b})").fetchall()[0][0]
            for a, b in (("found", "wanted"), ("wanted", "found"))
        )
        if more or less:
            return f"{name}: {more:,} rows too many, {less:,} missing"
    return ""


def _sales(rows: int, products: int, low: int, high: int) -> str:
    return _SALE.format(products=products, rows=rows, per_day=PER_DAY, low=low, high=high, last=_LAST)


def _timed(rows: pa.Table) -> pa.Table:
    """The moments as UTC, as capture gives them."""
    place = rows.schema.get_field_index("timestamp")
    return rows.set_column(place, "timestamp", rows.column(place).cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC")))


def _connect() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute("set timezone = 'UTC'; set threads = 2")
    return con
