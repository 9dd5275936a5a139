import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml.forecast import answers, backtest, features, pool
from ml.forecast.intervals import Intervals
from ml.forecast.panel import Panel
from ml.forecast.regressors import Linear
from ml.forecast.served import ANSWERS, SalesForecast, _load_pyfunc, told
from ml.forecast.tables import MONTHLY

HORIZON = 28
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def known(panel_of: Callable[..., Panel], sales: Callable[..., np.ndarray]) -> Panel:
    return panel_of(sales(500, (900.005, 4000.0)))


@pytest.fixture(scope="module")
def served(known: Panel) -> SalesForecast:
    """A linear model, made up, and the pool."""
    random = np.random.default_rng(2)
    width = len(features.NUMERIC) + 7 + 2
    linear = Linear(random.normal(0, 0.01, width), 0.0)
    spread = answers.naive_spread(known, HORIZON)
    made = SalesForecast(linear, pool.MEMBERS, features.NUMERIC, known.categories, HORIZON, spread, {})
    return replace(made, said=told(known, made.forecast(known), spread))


def test_categories_add_up_to_the_total_to_the_cent(known: Panel, served: SalesForecast) -> None:
    for day in served.said["All"]:
        parts = [round(served.said[name][day][0] * 100) for name in known.categories]
        assert round(served.said["All"][day][0] * 100) == sum(parts)


def test_the_mean_of_both_parts_is_geometric(known: Panel, served: SalesForecast) -> None:
    alone = replace(served, members=()).forecast(known)
    smoothed = replace(served, regressor=None).forecast(known)
    assert served.forecast(known) == pytest.approx(np.sqrt(alone * smoothed))
    assert smoothed == pytest.approx(pool.forecast(known, HORIZON))


def test_a_category_that_sold_nothing_for_four_weeks_is_forecast_by_the_pool_alone(
    served: SalesForecast, panel_of: Callable[..., Panel], sales: Callable[..., np.ndarray]
) -> None:
    net = sales(500)
    net[1, -28:] = 0
    known = panel_of(net)
    alone, smoothed = replace(served, members=()).forecast(known), replace(served, regressor=None).forecast(known)
    assert alone[1].tolist() == [0.0] * HORIZON
    assert (smoothed[1] > 0).all()
    made = served.forecast(known)
    np.testing.assert_array_equal(made[1], smoothed[1])
    assert made[0] == pytest.approx(np.sqrt(alone[0] * smoothed[0]))


def test_months_are_answered_with_the_intervals_that_the_version_was_trained_to(
    known: Panel, served: SalesForecast, tmp_path: Path
) -> None:
    wide = replace(served, monthly=Intervals({80: {"All": (-0.5, 0.25)}}))
    wide.save(tmp_path)
    said = answers.of(known, HORIZON, _load_pyfunc(str(tmp_path)))[MONTHLY].filter(category="All").sort("month")
    later = [[float(value) for value in row] for row in said.select("lower", "forecast", "upper").tail(11).iter_rows()]
    assert [row[0] / row[1] for row in later] == pytest.approx([0.5] * 11, rel=1e-4)
    assert [row[2] / row[1] for row in later] == pytest.approx([1.25] * 11, rel=1e-4)
    assert answers.of(known, HORIZON, served)[MONTHLY]["lower"].is_null().all()  # one of a shop too young to tell


def test_it_answers_for_a_category_and_day(known: Panel, served: SalesForecast) -> None:
    day = known.day(known.days + 3)
    asked = pd.DataFrame({"category": ["c1", "All", "c1"], "date": [day.isoformat(), day, pd.Timestamp(day)]}, index=[7, 8, 9])
    made = served.predict(asked)
    assert list(made.columns) == list(ANSWERS)
    assert made.index.tolist() == [7, 8, 9]
    assert made.loc[7, "forecast"] == round(served.forecast(known)[1, 3], 2)
    assert made.loc[7].tolist() == made.loc[9].tolist()
    assert (made["lower_95"] <= made["lower"]).all()
    assert (made["lower"] <= made["forecast"]).all()
    assert (made["forecast"] <= made["upper"]).all()
    assert (made["upper"] <= made["upper_95"]).all()
    assert served.predict(asked.head(0)).empty


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"category": ["c0"]}, "column 'date' is missing"),
        ({"date": ["2025-05-20"]}, "column 'category' is missing"),
        ({"category": ["Garden"], "date": ["2025-05-20"]}, "column 'category': 'Garden' is none of All, c0, c1"),
        ({"category": [None], "date": ["2025-05-20"]}, "column 'category': None is none"),
        ({"category": ["c0"], "date": ["2031-01-01"]}, "column 'date': '2031-01-01' is none of the days from 2025-05-15 to"),
        ({"category": ["c0"], "date": ["soon"]}, "column 'date': 'soon'"),
        ({"category": ["c0"], "date": [20250520]}, "column 'date': '20250520'"),
    ],
)
def test_what_it_cannot_answer_names_the_column(served: SalesForecast, asked: dict[str, list[object]], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        served.predict(pd.DataFrame(asked))


def test_a_category_that_the_model_never_saw_is_forecast_all_the_same(
    served: SalesForecast, panel_of: Callable[..., Panel]
) -> None:
    more = panel_of(np.full((3, 300), 50.0))
    made = served.forecast(more)
    assert made.shape == (3, HORIZON)
    assert (made[2] > 0).all()
    assert "c2" in told(more, made, served.spread)


def test_it_is_loaded_from_plain_files_without_spark_lake_or_mlflow(known: Panel, served: SalesForecast, tmp_path: Path) -> None:
    served.save(tmp_path)
    assert {file.suffix for file in tmp_path.iterdir()} == {".json", ".npz"}
    back = _load_pyfunc(str(tmp_path))
    np.testing.assert_array_equal(back.forecast(known), served.forecast(known))
    day = known.day(known.days).isoformat()
    code = f"""
import sys
for name in ("pyspark", "lake", "mlflow", "polars", "pyarrow", "statsforecast", "deltalake"):
    sys.modules[name] = None
import pandas as pd
from ml.forecast.served import _load_pyfunc
print(repr(_load_pyfunc({str(tmp_path)!r}).predict(pd.DataFrame({{"category": ["All"], "date": [{day!r}]}})).iloc[0].tolist()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == repr(served.said["All"][day])


def test_newer_days_change_the_answer_without_training(known: Panel, served: SalesForecast) -> None:
    earlier, later = known.upto(known.days - 31), known
    assert told(earlier, served.forecast(earlier), served.spread).keys() == served.said.keys()
    assert min(told(later, served.forecast(later), served.spread)["All"]) == date(2025, 5, 15).isoformat()
    assert not np.array_equal(served.forecast(earlier), served.forecast(later))
    assert backtest.series(known) == ("All", "c0", "c1")
