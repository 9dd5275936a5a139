"""The sales forecast against AutoETS, AutoARIMA and the seasonal naive rule, on the same cuts of a shop's lake.

`python tests/bench/ml_forecast.py LAKE` prints a row for each, the coverage of our intervals, and what the training takes.
AutoARIMA alone needs four minutes for 6 cuts of 6 categories.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from table import Row, table  # type: ignore[import-not-found]

if TYPE_CHECKING:
    import polars as pl

    from ml.forecast.panel import Floats, Panel

ROOT = Path(__file__).resolve().parents[2]
HORIZON = 28
RIVALS = {"AutoETS": {"season_length": 7}, "AutoARIMA": {"season_length": 7}}


class Rows:
    """gold.feature_sales_daily of a lake, built in memory where the lake is older than the table. Fulfils ml.model.Reader."""

    def __init__(self, lake_root: Path) -> None:
        self.versions: dict[str, int] = {}
        self._rows = _features(lake_root)

    def table(self, name: str, columns: list[str] | None = None) -> "pl.DataFrame":
        return self._rows.select(columns) if columns else self._rows


def measure(lake_root: Path, rivals: tuple[str, ...] = tuple(RIVALS)) -> list[dict[str, Any]]:
    """A row for each recipe, the naive rule and each rival: mean MASE over all series and cuts, bias of the total, coverage.

    And a row `training`: seconds and processor seconds of a process that starts Spark, tries everything and fits the best; its
    `months` are the errors of the months' forecast, which needs no training.
    """
    from ml.forecast import backtest, panel
    from ml.forecast.model import MODEL

    reader = Rows(lake_root)
    today = max(reader.table("", ["date"])["date"]) + timedelta(days=1)
    with tempfile.TemporaryDirectory() as scratch:
        settings: Any = SimpleNamespace(ml=SimpleNamespace(horizon=HORIZON))
        MODEL.prepare(reader, settings, today, Path(scratch))
        training = _train(Path(scratch))
        known = panel.from_arrow(_parquet(Path(scratch) / "panel.parquet"))
    at = backtest.cuts(known.days, HORIZON)
    rows = [{"name": name, **said} for name, said in training.pop("tried").items()]
    for name in rivals:
        began = time.process_time()
        made = backtest.asked(known, at, partial(rival, name=name))
        scored = backtest.score(known, at, made)
        rows.append({"name": name, **{key: scored[key] for key in ("mase", "bias")}, "cpu": time.process_time() - began})
    return [*sorted(rows, key=lambda row: float(row["mase"])), {"name": "training", **training}]


def figures(rows: list[dict[str, Any]]) -> list[Row]:
    """The best recipe's figures beside their bounds, from the rows of `measure`."""
    by = {row["name"]: row for row in rows}
    training, naive = by["training"], by["seasonal naive"]["mase"]
    ours = by[training["best"]]
    share = ours["mase"] / naive
    found = [
        Row(f"forecast ({training['best']}): MASE; x seasonal naive", f"{ours['mase']:.3f}; {share:.2f}", "<= 0.8", share <= 0.8)
    ]
    for name in (name for name in RIVALS if name in by):
        share = ours["mase"] / by[name]["mase"]
        found.append(Row(f"… x {name} ({by[name]['mase']:.3f})", f"{share:.2f}", "<= 1.0", share <= 1))
    for width in (80, 95):
        held = 100 * ours[f"coverage_{width}"]
        found.append(Row(f"… days inside the {width} % interval", f"{held:.1f} %", f"{width} ± 3", abs(held - width) <= 3))
    months = training["months"]
    if months:
        told = f"{months['monthly/wape']:.1%}; {months['monthly/naive_wape']:.1%}"
        lower = months["monthly/wape"] < months["monthly/naive_wape"]
        found.append(Row("… months of a year ahead: error of the total (WAPE); of the year before", told, "lower", lower))
    seconds = training["seconds"]
    return [*found, Row("… its training", f"{seconds:.0f} s, CPU {training['cpu']:.0f} s", "< 90 s", seconds < 90)]


def rival(known: "Panel", name: str) -> "Floats":
    """What a model of statsforecast says of each category, shape (categories, HORIZON)."""
    from statsforecast import models

    made = np.zeros((len(known.categories), HORIZON))
    for i, start in enumerate(known.starts):
        sold = known.values["net"][i, start:]
        if len(sold):
            made[i] = getattr(models, name)(**RIVALS[name]).forecast(y=sold, h=HORIZON)["mean"]
    return np.maximum(made, 0)


def _train(folder: Path) -> dict[str, Any]:
    from ml import child
    from transforms.engine import java

    kept = {name: value for name, value in os.environ.items() if name not in child._FOREIGN}
    environment = kept | {"JAVA_HOME": str(java.home(folder)), "PYTHONPATH": str(ROOT)}
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, __file__, "--train", str(folder)], cwd=folder, env=environment, check=True, stderr=subprocess.DEVNULL
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    said: dict[str, Any] = json.loads((folder / "said.json").read_text())
    return said | {"seconds": time.monotonic() - began, "cpu": cpu}


def _trained(folder: Path) -> None:
    from ml import session
    from ml.forecast.model import MODEL
    from ml.model import Job

    spark = session.start(folder, 2)
    trained = MODEL.train(Job(spark, folder, {"horizon": HORIZON}, None, lambda _: None))
    best = min(trained.tried, key=lambda tried: float(tried.losses.mean()))
    months = {name: value for name, value in trained.fit(best).metrics.items() if name.startswith("monthly/")}
    session.stop(spark)
    shown = ("mase", "bias", "smape", "coverage_80", "coverage_95")
    tried = {one.name: {key: one.metrics[key] for key in shown} for one in (*trained.tried, trained.naive)}
    (folder / "said.json").write_text(json.dumps({"best": best.name, "tried": tried, "months": months}))


def _features(lake_root: Path) -> "pl.DataFrame":
    import polars as pl

    from lake.config import load
    from lake.delta import Lake
    from transforms.engine import start
    from transforms.gold.feature_sales_daily import feature_sales_daily

    lake = Lake(str(lake_root))
    if lake.exists("gold.feature_sales_daily"):
        return pl.DataFrame(pl.from_arrow(lake.read("gold.feature_sales_daily")))
    with tempfile.TemporaryDirectory() as scratch:
        engine = start(load(ROOT / "cartlake.toml", {"CARTLAKE_DATA": scratch, "CARTLAKE_ENGINE__KIND": "sail"}))
        try:
            daily = engine.frame(lake.read("gold.agg_sales_daily"))
            return pl.DataFrame(pl.from_arrow(engine.arrow(feature_sales_daily(daily))))
        finally:
            engine.stop()


def _parquet(file: Path) -> Any:
    import pyarrow.parquet as pq

    return pq.read_table(file)


def main(arguments: list[str]) -> int:
    if arguments[0] == "--train":
        _trained(Path(arguments[1]))
        return 0
    rows = measure(Path(arguments[0]), tuple(arguments[1:]) or tuple(RIVALS))
    for row in rows[:-1]:
        print("  ".join(f"{key} {value:.4f}" if isinstance(value, float) else f"{value:<18}" for key, value in row.items()))
    found = figures(rows)
    print("\n" + table(found))
    return int(any(row.kept is False for row in found))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main(sys.argv[1:]))
