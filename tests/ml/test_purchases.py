"""A purchase log from elsewhere: read whole or not at all; and CDNOW's, where the development tools brought it."""

from collections.abc import Callable
from datetime import date, timedelta
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from lake.config import Settings
from lake.delta import Lake
from lake.errors import PermanentFailure, UsageError
from ml import purchases
from ml.repeat import counts

END, LATER = date(1997, 9, 30), date(1998, 6, 30)


def cdnow(name: str) -> Path:
    """A file of CDNOW's log, which comes with the package lifetimes."""
    try:
        found = next(file for file in distribution("lifetimes").files or () if file.name == name)
    except (PackageNotFoundError, StopIteration):
        pytest.skip(f"{name} comes with lifetimes, which is not installed")
    return Path(str(found.locate()))


def test_the_log_s_lines_become_purchases(tmp_path: Path) -> None:
    file = tmp_path / "log.txt"
    file.write_text(" customer date units value\n 00001 19970101  1   11.77\n\n00001 19970118 2 29.5\n")
    assert purchases.read(file).with_columns(pl.col("value").cast(float)).rows() == [
        (1, date(1997, 1, 1), 1, pytest.approx(11.77)),
        (1, date(1997, 1, 18), 2, pytest.approx(29.5)),
    ]


def test_the_sample_s_second_number_is_the_customer(tmp_path: Path) -> None:
    (tmp_path / "sample.txt").write_text(" 00004 0001 19970101  2   29.33\n")
    assert purchases.read(tmp_path / "sample.txt")["customer_id"].to_list() == [1]


@pytest.mark.parametrize(
    "line",
    ["00002 19971301 1 5.00", "00002 19970101 1", "00002 19970101 one 5.00", "00002 19970101 1 cheap", "x 19970101 1 5.00"],
)
def test_a_bad_line_is_named_and_nothing_is_imported(make_settings: Callable[..., Settings], tmp_path: Path, line: str) -> None:
    file, settings = tmp_path / "log.txt", make_settings()
    file.write_text(f"00001 19970101 1 11.77\n{line}\n")
    with pytest.raises(PermanentFailure, match=r"log\.txt, line 2: expected customer, yyyymmdd, units, value, found"):
        purchases.import_purchases(settings, file)
    assert not (settings.data / "purchases").exists()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x0001 19970101 1 11.77\n00002 19970101 1 5.00\n", 1),  # no names: a purchase whose customer is no number
        ("customer date units value\nexported by hand\n00002 19970101 1 5.00\n", 2),
        ("\ncustomer date units value\n00002 19970101 1 5.00\n", 2),
    ],
)
def test_only_names_in_the_first_line_are_passed_over(tmp_path: Path, text: str, line: int) -> None:
    (tmp_path / "log.txt").write_text(text)
    with pytest.raises(PermanentFailure, match=rf"log\.txt, line {line}: expected customer, yyyymmdd, units, value, found"):
        purchases.read(tmp_path / "log.txt")


def test_an_empty_log_and_a_bad_name_are_told(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("customer date units value\n")
    with pytest.raises(PermanentFailure, match="holds no purchase"):
        purchases.import_purchases(make_settings(), tmp_path / "log.txt")
    with pytest.raises(UsageError, match=r"--name '\.\./x'"):
        purchases.import_purchases(make_settings(), tmp_path / "log.txt", "../x")


def test_an_imported_log_is_a_lake_of_its_own(trained: Any, log: Path) -> None:
    rows, made = purchases.read(log), trained.imported
    assert made.name == "made-up"
    assert made.settings.data.name == "made-up"
    assert (made.customers, made.purchases) == (rows["customer_id"].n_unique(), rows.height)
    state = pl.DataFrame(pl.from_arrow(Lake(made.settings.lake_root).read("gold.feature_customer")))
    last = state.sort("date").group_by("customer_id").last()
    assert last["orders"].sum() == rows.height
    assert last["net_amount"].sum() == rows["value"].sum()


def test_an_imported_log_says_how_much_each_customer_will_buy(trained: Any, log: Path) -> None:
    made = trained.imported
    rows = pl.DataFrame(pl.from_arrow(Lake(made.settings.lake_root).read("gold.customer_expected_purchases")))
    assert set(rows["customer_id"]) == set(purchases.read(log)["customer_id"])
    assert rows["as_of_date"].unique().to_list() == [made.last + timedelta(days=1)]
    assert rows["expected_purchases"].min() >= 0  # type: ignore[operator]
    assert rows["expected_purchases"].sum() == pytest.approx(made.expected)
    said = counts.expected(purchases.by_day(purchases.read(log)), made.last, 39.0)[1]
    assert made.expected == pytest.approx(said.sum())


def test_a_log_without_a_second_purchase_is_imported(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("".join(f"{customer} 1997010{customer} 1 5.00\n" for customer in range(1, 6)))
    made = purchases.import_purchases(make_settings(), tmp_path / "log.txt")
    assert (made.customers, made.purchases) == (5, 5)
    assert 0 <= made.expected < 5


@pytest.mark.parametrize(("name", "rmse", "customers"), [("CDNOW_sample.txt", 1.60, 2357), ("CDNOW_master.txt", 1.73, 23_570)])
def test_purchases_of_the_second_39_weeks_are_foretold_from_the_first(name: str, rmse: float, customers: int) -> None:
    """BG/NBD alone has 1.608 and -12.1 % on the sample, 1.733 and -14.3 % on all customers."""
    bought = purchases.by_day(purchases.read(cdnow(name)))
    known, said = counts.expected(bought, END, 39.0)
    came = counts.bought(bought, END, LATER, known.customers)
    assert len(came) == customers
    assert np.sqrt(np.mean((said - came) ** 2)) <= rmse
    assert abs(said.sum() / came.sum() - 1) <= 0.10
    tenths = np.array_split(np.argsort(said), 10)
    assert [came[tenth].mean() for tenth in tenths][-1] == pytest.approx(said[tenths[-1]].mean(), rel=0.15)


def test_bg_nbd_is_the_published_one() -> None:
    """Parameters of the paper's table 2 on the sample: r 0.243, alpha 4.414, a 0.793, b 2.426."""
    known = counts.histories(purchases.by_day(purchases.read(cdnow("CDNOW_sample.txt"))), END)
    assert counts.fit_bg_nbd(known) == pytest.approx([0.243, 4.414, 0.793, 2.426], rel=0.005)
