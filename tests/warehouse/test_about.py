"""What the warehouse says of itself: its tables, and the columns of one."""

from typing import Any

import pyarrow as pa
import pytest

from lake.errors import UsageError
from warehouse import about


@pytest.fixture
def shop(gold: Any) -> Any:
    gold.add_sales(3)
    gold.add("silver.shop.softcart.reviews", pa.table({"review_id": [1], "stars": [5]}), ["review_id"])
    gold.publish()
    gold.lake.create("bronze.shop.softcart.reviews", pa.schema([("_op", pa.string())]))
    return gold


def test_tables_have_grain_and_meaning(shop: Any) -> None:
    assert about.tables(shop.settings) == [
        {"table": "gold.fact_sales", "rows": 3, "grain": "one row per sale", "about": "Each sale's own amount."},
        {"table": "silver.shop.softcart.reviews", "rows": 1, "grain": "", "about": ""},
    ]


@pytest.mark.parametrize("name", ["gold.fact_sales", "fact_sales", "GOLD.Fact_Sales"])
def test_columns_have_type_key_and_meaning(shop: Any, name: str) -> None:
    found = {row["column"]: row for row in about.columns(shop.settings, name)}
    assert found["sale_id"] == {"column": "sale_id", "type": "BIGINT", "key": 1, "about": ""}
    assert found["amount"] == {"column": "amount", "type": "DECIMAL(18,2)", "key": "", "about": "price * quantity"}


def test_a_mirror_and_a_live_view_are_described_too(shop: Any) -> None:
    assert [row["key"] for row in about.columns(shop.settings, "silver.shop__softcart__reviews")] == [1, ""]
    assert [row["column"] for row in about.columns(shop.settings, "bronze.shop__softcart__reviews")] == ["_op"]


def test_what_is_not_there_is_refused_with_the_nearest(shop: Any) -> None:
    with pytest.raises(UsageError, match=r"did you mean gold\.fact_sales"):
        about.columns(shop.settings, "gold.fact_sale")
