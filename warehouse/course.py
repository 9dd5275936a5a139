"""The star under the names of the IBM capstone (FactSales, DimDate, …), so that its reporting SQL runs as it was written.

Views in schema `main`, made in the file of each release whose gold has what they read.
"""

import duckdb

from warehouse.describe import literal

# Name -> (what it is, query). Our keys are dates and hashes, the course's are small numbers; both only join. A view's category is
# that of the product's version at the sale, as in gold.agg_sales_daily.
VIEWS = {
    "DimDate": (
        "The course's name for gold.dim_date.",
        'SELECT date_key AS dateid, "date", year AS "Year", quarter AS "Quarter", quarter_name AS "QuarterName", '
        'month AS "Month", month_name AS "Monthname", day AS "Day", weekday AS "Weekday", weekday_name AS "WeekdayName" '
        "FROM gold.dim_date",
    ),
    "DimCountry": (
        "The course's name for gold.dim_country; the unknown country is Unknown.",
        "SELECT country_key AS countryid, coalesce(country, 'Unknown') AS country FROM gold.dim_country",
    ),
    "DimCategory": (
        "The categories of gold.dim_product; the unknown category is Unknown.",
        "SELECT DISTINCT hash(coalesce(category, 'Unknown')) AS categoryid, coalesce(category, 'Unknown') AS category "
        "FROM gold.dim_product",
    ),
    "FactSales": (
        "The course's name for gold.fact_sales: one row per sale line; amount is price * quantity.",
        "SELECT s.order_id AS orderid, s.date_key AS dateid, s.country_key AS countryid, "
        "hash(coalesce(p.category, 'Unknown')) AS categoryid, s.amount "
        "FROM gold.fact_sales s LEFT JOIN gold.dim_product p USING (product_key)",
    ),
    "total_sales_per_country": (
        "The course's materialized query table: gold.mqt_total_sales_per_country, which each build keeps up to date.",
        "SELECT country, total_sales FROM gold.mqt_total_sales_per_country",
    ),
}


def make_views(connection: duckdb.DuckDBPyConnection, schema: str = "main") -> None:
    """Make each view whose tables and columns are there, in a schema; drop those whose are not."""
    for name, (about, query) in VIEWS.items():
        connection.execute(f"DROP VIEW IF EXISTS {schema}.{name}")
        try:
            connection.execute(f"CREATE VIEW {schema}.{name} AS {query}")
        except (duckdb.CatalogException, duckdb.BinderException):  # a shop of its own, with other gold tables
            continue
        connection.execute(f"COMMENT ON VIEW {schema}.{name} IS {literal(about)}")
