"""CDNOW: 39 weeks to fit, 39 to predict, beside BG/NBD alone as `lifetimes` fits it."""

import warnings
from datetime import date
from importlib.metadata import distribution
from pathlib import Path

import numpy as np

from ml import purchases
from ml.repeat import counts

END, LATER, WEEKS = date(1997, 9, 30), date(1998, 6, 30), 39.0
FILES = ("CDNOW_sample.txt", "CDNOW_master.txt")


def measure(name: str) -> dict[str, float]:
    """RMSE and error of the total of ours and of `lifetimes`; `calibration` is the mean distance of tenths, in purchases."""
    file = next(found for found in distribution("lifetimes").files or () if found.name == name)
    bought = purchases.by_day(purchases.read(Path(str(file.locate()))))
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
