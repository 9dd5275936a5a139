from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from lake.errors import PermanentFailure
from ml import panel


def rows(*days: tuple[str, str | None, str, str]) -> pa.Table:
    money = pa.decimal128(38, 2)
    return pa.table(
        {
            "date": pa.array([date.fromisoformat(day) for day, *_ in days]),
            "category": pa.array([category for _, category, *_ in days], pa.string()),
            "amount": pa.array([Decimal(gross) for *_, gross, _ in days], money),
            "net_amount": pa.array([Decimal(net) for *_, net in days], money),
        }
    )


SALES = rows(
    ("2025-01-01", "Books", "10.00", "9.00"),
    ("2025-01-01", "Books", "0.10", "0.10"),  # another country
    ("2025-01-04", "Books", "5.00", "5.00"),
    ("2025-01-03", "Toys", "7.00", "6.50"),
    ("2025-01-04", None, "1.00", "1.00"),
)
TODAY = date(2025, 1, 5)


def test_days_without_a_sale_are_zero_and_countries_are_summed() -> None:
    made = panel.build(SALES, TODAY, least=1)
    assert made.categories == ("Books", "Toys", "Unknown")
    assert made.values["net"].tolist() == [[9.1, 0, 0, 5], [0, 0, 6.5, 0], [0, 0, 0, 1]]
    assert made.values["gross"][0].tolist() == [10.1, 0, 0, 5]
    assert made.starts.tolist() == [0, 2, 3]
    assert made.last == date(2025, 1, 4)


def test_a_day_on_which_goods_only_came_back_is_none_of_sales() -> None:
    more = pa.concat_tables([SALES, rows(("2025-01-06", "Books", "0.00", "0.00"), ("2024-12-01", None, "0.00", "0.00"))])
    assert panel.build(more, date(2025, 1, 9), least=1).digest() == panel.build(SALES, date(2025, 1, 9), least=1).digest()


def test_a_day_that_is_still_trading_is_left_out() -> None:
    assert panel.build(SALES, date(2025, 1, 4), least=1).last == date(2025, 1, 3)


@pytest.mark.parametrize(
    ("sold", "expected"),
    [
        ([], 30),  # nothing today yet
        ([40], 30),
        ([100], 30),  # today looks whole, but may not be
        ([20, 5, 0, 1], 30),  # orders in advance
        ([100, 110, 90], 33),  # the simulated shop traded three days ahead
        ([100, 60, 0, 100], 32),
    ],
)
def test_the_last_complete_day(sold: list[float], expected: int) -> None:
    first = date(2025, 1, 1)
    totals = {first + timedelta(days=n): float(value) for n, value in enumerate([100] * 30 + sold)}
    assert panel.last_complete_day(totals, first + timedelta(days=30)) == first + timedelta(days=expected - 1)


def test_a_day_in_the_middle_is_never_lost() -> None:
    """The simulated shop is ahead of the clock: what is today for us is long over for it."""
    first = date(2025, 1, 1)
    made = panel.build(
        rows(*[((first + timedelta(days=n)).isoformat(), "Books", "9.00", "9.00") for n in range(40)]), date(2025, 2, 1), 1
    )
    assert made.values["net"].tolist() == [[9.0] * 40]


@pytest.mark.parametrize("kept", [0, 5])
def test_too_little_history_is_one_clear_failure(kept: int) -> None:
    with pytest.raises(PermanentFailure, match=r"gold.agg_sales_daily has \d days of sales, a forecast needs 60"):
        panel.build(SALES.slice(0, kept), TODAY)


def test_a_category_may_not_be_called_as_the_total() -> None:
    with pytest.raises(PermanentFailure, match="'All'"):
        panel.build(rows(("2025-01-01", "All", "1.00", "1.00")), TODAY, least=1)


def test_the_hand_over_keeps_everything() -> None:
    made = panel.build(SALES, TODAY, least=1)
    back = panel.from_arrow(panel.to_arrow(made))
    assert (back.first, back.categories, back.starts.tolist()) == (made.first, made.categories, made.starts.tolist())
    assert all(np.array_equal(back.values[m], made.values[m]) for m in panel.MEASURES)


def test_the_digest_tells_content_not_order() -> None:
    made = panel.build(SALES, TODAY, least=1)
    assert panel.build(SALES.take([4, 2, 0, 3, 1]), TODAY, least=1).digest() == made.digest()
    dearer = panel.build(pa.concat_tables([SALES, rows(("2025-01-02", "Toys", "0.01", "0.01"))]), TODAY, least=1)
    assert dearer.digest() != made.digest()
