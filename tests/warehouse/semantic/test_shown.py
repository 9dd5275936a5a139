"""Values as a table shows them."""

from decimal import Decimal
from typing import Any

import pytest

from warehouse.semantic.shown import columns_shown, shown


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (Decimal("1234567.80"), "money", "1,234,567.80"),
        (Decimal("-0.05"), "money", "-0.05"),
        (0.12345, "percent", "12.3 %"),
        (-1.0, "percent", "-100.0 %"),
        (1234, "count", "1,234"),
        (1234.5678, "number", "1,235"),
        (0.5, "number", "0.5"),
        (None, "money", "NULL"),
    ],
)
def test_each_format(value: Any, form: str, text: str) -> None:
    assert shown(value, form) == text


def test_formatted_columns_are_flush_right_and_the_others_left_alone() -> None:
    columns, rows = columns_shown(["month", "revenue"], [("2026-01", Decimal("5.00")), ("2026-02", None)], {"revenue": "money"})
    assert (columns, rows) == (["month", "revenue"], [("2026-01", "   5.00"), ("2026-02", "   NULL")])
