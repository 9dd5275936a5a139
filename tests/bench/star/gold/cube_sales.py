from pyspark.sql import DataFrame

from transforms.table import rebuild, table

CUBE = """
select y, q, m, category, brand, color,
    cast(sum(revenue) as decimal(18,2)) as revenue, sum(units) as units, sum(n) as n,
    cast(grouping(y) * 32 + grouping(q) * 16 + grouping(m) * 8
        + grouping(category) * 4 + grouping(brand) * 2 + grouping(color) as int) as gid
from (select *, month div 100 as y, (month % 100 + 2) div 3 as q, month % 100 as m from {cells})
group by grouping sets ((y, q, m), (y, q), (y), (category, color), (category), (color), (), (y, m, category), (y, m, brand),
    (category, brand))
"""


@table(
    grain="one row for each cell of ten grouping sets",
    key=["gid", "y", "q", "m", "category", "brand", "color"],
    reads=["gold.sales_cells"],
    update=rebuild(),
)
def cube_sales(cells: DataFrame) -> DataFrame:
    """The peer's ten grouping sets, added up from the finest cells."""
    return cells.sparkSession.sql(CUBE, cells=cells)
