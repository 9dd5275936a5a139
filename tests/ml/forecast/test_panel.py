from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest

from lake.errors import PermanentFailure
from ml.errors import TooLittleData
from ml.forecast import history, panel
from ml.forecast.panel import KNOWN, Panel

FIRST = date(2024, 1, 1)
NET = np.array([[9.1, 0, 0, 5], [0, 0, 6.5, 0]])


def test_a_category_begins_with_its_first_row(panel_of: Callable[..., Panel]) -> None:
    made = panel_of(NET, (0, 2))
    assert made.categories == ("c0", "c1")
    assert made.values["net"].tolist() == NET.tolist()
    assert made.values["gross"][0, 0] == pytest.approx(9.1 / 0.9)
    assert made.starts.tolist() == [0, 2]
    assert np.isnan(made.known["level_28"][1]).tolist() == [True, True, False, False]
    assert made.known["level_28"][1, 3] == 3.25
    assert made.last == date(2024, 1, 4)


def test_a_day_that_is_still_trading_is_left_out(feature_rows: Callable[..., pl.DataFrame]) -> None:
    made = history.build(feature_rows(NET), FIRST + timedelta(days=3), 1)
    assert made.last == date(2024, 1, 3)
    assert made.values["net"].shape == (2, 3)


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
    totals = {FIRST + timedelta(days=n): float(value) for n, value in enumerate([100] * 30 + sold)}
    assert panel.last_complete_day(totals, FIRST + timedelta(days=30)) == FIRST + timedelta(days=expected - 1)


def test_a_day_in_the_middle_is_never_lost(feature_rows: Callable[..., pl.DataFrame]) -> None:
    """The simulated shop is ahead of the clock: what is today for us is long over for it."""
    made = history.build(feature_rows(np.full((1, 40), 9.0)), FIRST + timedelta(days=31), 1)
    assert made.values["net"].tolist() == [[9.0] * 40]


@pytest.mark.parametrize("kept", [0, 5])
def test_too_little_history_is_one_clear_failure(kept: int, feature_rows: Callable[..., pl.DataFrame]) -> None:
    rows = feature_rows(np.full((1, 5), 9.0)).head(kept)
    with pytest.raises(TooLittleData, match=rf"gold.feature_sales_daily has {kept} days of sales, a forecast needs 60"):
        history.build(rows, FIRST + timedelta(days=5))


def test_a_longer_horizon_needs_more_history(feature_rows: Callable[..., pl.DataFrame]) -> None:
    class Reader:
        versions: ClassVar[dict[str, int]] = {}

        def table(self, name: str, columns: list[str] | None = None) -> pl.DataFrame:
            return feature_rows(np.full((1, 80), 9.0))

    assert history.read(Reader(), FIRST + timedelta(days=80), 28).days == 80
    with pytest.raises(TooLittleData, match="needs 122"):
        history.read(Reader(), FIRST + timedelta(days=80), 90)


def test_a_category_may_not_be_called_as_the_total(feature_rows: Callable[..., pl.DataFrame]) -> None:
    with pytest.raises(PermanentFailure, match="'All'"):
        history.build(feature_rows(NET).with_columns(category=pl.lit("All")), FIRST + timedelta(days=4), 1)


def test_the_hand_over_keeps_everything(panel_of: Callable[..., Panel]) -> None:
    made = panel_of(NET, (0, 2))
    back = panel.from_arrow(panel.to_arrow(made))
    assert (back.first, back.categories, back.starts.tolist()) == (made.first, made.categories, made.starts.tolist())
    for mine, other in ((made.values, back.values), (made.known, back.known)):
        assert mine.keys() == other.keys()
        assert all(np.array_equal(mine[name], other[name], equal_nan=True) for name in mine)
    assert back.digest() == made.digest()


def test_the_digest_tells_content_not_order(feature_rows: Callable[..., Any]) -> None:
    rows, today = feature_rows(NET, (0, 2)), FIRST + timedelta(days=4)
    made = history.build(rows, today, 1)
    assert history.build(rows.sample(fraction=1, shuffle=True, seed=3), today, 1).digest() == made.digest()
    for column in ("net_amount", *KNOWN[:3]):
        other = rows.with_columns(
            pl.when(pl.int_range(pl.len()) == 2).then(pl.col(column) + 0.01).otherwise(pl.col(column)).alias(column)
        )
        assert history.build(other, today, 1).digest() != made.digest(), column
