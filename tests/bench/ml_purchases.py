"""CDNOW: 39 weeks to fit, 39 to predict, beside BG/NBD alone as `lifetimes` fits it; and the two models of customers on the log.

`python tests/bench/ml_purchases.py` prints these rows alone.
"""

import sys
import tempfile
import warnings
from collections import Counter
from datetime import date
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
from table import Row, table  # type: ignore[import-not-found]  # noqa: E402

from ml import purchases  # noqa: E402
from ml.repeat import counts  # noqa: E402

END, LATER, WEEKS = date(1997, 9, 30), date(1998, 6, 30), 39.0
FILES = ("CDNOW_sample.txt", "CDNOW_master.txt")


def figures() -> list[Row]:
    """Every figure on CDNOW beside its bound."""
    found = [row for name in FILES for row in _counted(name)]
    return found + _trained(FILES[1])


def _counted(name: str) -> list[Row]:
    found = measure(name)
    gate = name == FILES[0]
    told = f"{found['rmse']:.3f}; {found['peer_rmse']:.3f}"
    bound = ("<= 1.60", found["rmse"] <= 1.60) if gate else ("", None)
    rows = [Row(f"{name}, {found['customers']:,} customers: RMSE; BG/NBD", told, *bound)]
    told = f"{found['total']:+.1%}; {found['peer_total']:+.1%}"
    rows.append(Row("… total; BG/NBD", told, "± 10 %", abs(found["total"]) <= 0.10))
    told = f"{found['calibration']:.3f} of {found['mean']:.3f}; {found['peer_calibration']:.3f}"
    kept = found["calibration"] <= found["peer_calibration"]
    return [*rows, Row("… calibration: distance of tenths, in purchases; BG/NBD", told, "<= BG/NBD's", kept)]


def _trained(name: str) -> list[Row]:
    """What `cartlake ml import-purchases` does with the log, in a data folder of its own."""
    from lake.config import load
    from lake.delta import Lake
    from ml.score import score
    from ml.train import train

    with tempfile.TemporaryDirectory() as data:
        made = purchases.import_purchases(load(ROOT / "cartlake.toml", {"CARTLAKE_DATA": data}), file_of(name))
        report = train(made.settings, ("customer_segments", "repeat_purchase"))
        if report.errors:
            sys.exit(f"training on {name} failed: {report.errors}")
        score(made.settings)
        rows: Any = Lake(made.settings.lake_root).read("gold.customer_segments")
    sizes = Counter(rows.column("segment").to_pylist()).most_common()
    kinds, repeat = report.models["customer_segments"], report.models["repeat_purchase"]
    of, plain = repeat.metrics, repeat.naive
    named = ", ".join(f"{segment} {count / rows.num_rows:.0%}" for segment, count in sizes)
    apart = f"{kinds.metrics['silhouette']:.3f}; {kinds.naive['silhouette']:.3f}"
    agreed = f"{kinds.metrics['adjusted_rand']:.3f}; {kinds.naive['adjusted_rand']:.3f}"
    lower = of["log_loss"] < plain["log_loss"]
    lost = f"{of['log_loss']:.4f}; {plain['log_loss']:.4f}"
    others = f"{of['auc']:.3f}; {of['lift_10']:.2f}; {of['calibration_error']:.4f}"
    return [
        Row(f"… segments ({kinds.recipe}): adjusted Rand of halves; of the plain rule", agreed),
        Row("… silhouette; of the plain rule", apart),
        Row("… names", named),
        Row(f"… repeat purchase ({repeat.recipe}): log loss; by the rate of equal recency", lost, "lower", lower),
        Row("… AUC; lift at 10 %; calibration error", others),
    ]


def file_of(name: str) -> Path:
    """A file of the log, which the package lifetimes brings."""
    return Path(str(next(found for found in distribution("lifetimes").files or () if found.name == name).locate()))


def measure(name: str) -> dict[str, float]:
    """RMSE and error of the total of ours and of `lifetimes`; `calibration` is the mean distance of tenths, in purchases."""
    bought = purchases.by_day(purchases.read(file_of(name)))
    known, said = counts.expected(bought, END, WEEKS)
    came = counts.bought(bought, END, LATER, known.customers)
    tenths = np.array_split(np.argsort(said, kind="stable"), 10)
    peer = _lifetimes(known)
    return {
        "customers": len(came),
        "rmse": float(np.sqrt(np.mean((said - came) ** 2))),
        "total": float(said.sum() / came.sum() - 1),
        "calibration": float(np.mean([abs(said[tenth].mean() - came[tenth].mean()) for tenth in tenths])),
        "mean": float(came.mean()),
        "peer_rmse": float(np.sqrt(np.mean((peer - came) ** 2))),
        "peer_total": float(peer.sum() / came.sum() - 1),
        "peer_calibration": float(np.mean([abs(peer[t].mean() - came[t].mean()) for t in np.array_split(np.argsort(peer), 10)])),
    }


def _lifetimes(known: counts.Histories) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    from lifetimes import BetaGeoFitter

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitter = BetaGeoFitter(penalizer_coef=0.0)
        fitter.fit(known.x, known.last, known.observed)
        said = fitter.conditional_expected_number_of_purchases_up_to_time(WEEKS, known.x, known.last, known.observed)
    return np.asarray(said, dtype=float)


if __name__ == "__main__":
    made = figures()
    print(table(made))
    sys.exit(int(any(row.kept is False for row in made)))
