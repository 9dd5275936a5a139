"""`python -m tests.bench.ml_segments LAKE [--recipe NAME]`: how stable the customers' segments are on a shop's own lake.

Adjusted Rand between halves of the customers that have nobody in common, silhouette, and what happens to the segments' names in
twelve monthly trainings, each of which knows only what was known on its day. It reads gold.feature_customer and writes nothing.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.customers import days, features
from ml.segments import names, quality
from ml.segments.recipes import CANDIDATES, Recipe, fit
from ml.segments.served import Segments
from ml.segments.space import COLUMNS, placed

if TYPE_CHECKING:
    import polars as pl

PAIRS, MONTHS = 5, 12
LEAST_AGREEMENT = 0.85
_STILL = 0.02  # of the space's side: a customer who moved less has hardly changed
Rows = np.ndarray[Any, np.dtype[np.float64]]
Fit = Callable[[Rows], Segments]


@dataclass(frozen=True)
class Month:
    """A training as of a day. Shares are of the customers whom the training before knew too; 0 in the first month.

    `renamed` got another name from the new model than from the one before, for the very same features: training alone did it.
    `still_renamed` have another name than a month ago though their features hardly moved, as a share of those whose did not.
    """

    as_of: date
    customers: int
    names: tuple[str, ...]
    renamed: float = 0.0
    still_renamed: float = 0.0


def agreement(fitted: Fit, rows: Rows, pairs: int = PAIRS) -> list[float]:
    """Adjusted Rand over all customers between models of two halves with nobody in common, for each of some random pairs."""
    random, found = np.random.default_rng(11), []
    places = placed(rows)
    for _ in range(pairs):
        order = random.permutation(len(rows))
        one, other = (fitted(rows[half]).keys(places)[0] for half in np.array_split(order, 2))
        found.append(quality.adjusted_rand(one, other))
    return found


def months(fitted: Fit, history: "pl.DataFrame", last: date, count: int = MONTHS) -> list[Month]:
    """A training on each of the last first-of-months up to `last`, names carried over from one to the next."""
    found: list[Month] = []
    model: Segments | None = None
    before: tuple[Rows, Rows, Any] | None = None  # customers, places, names of the month before
    for as_of in _firsts(last, count + 1):
        known = features.at(history, as_of)
        customers, rows = known["customer_id"].to_numpy(), known.select(COLUMNS).to_numpy()
        places = placed(rows)
        made = carried(fitted(rows), model)
        called = np.array(made.names)[made.keys(places)[0]]
        if model is None or before is None:
            found.append(Month(as_of, len(rows), made.names))
        else:
            by_old = np.array(model.names)[model.keys(places)[0]]
            _, here, there = np.intersect1d(customers, before[0], return_indices=True)
            still = np.linalg.norm(places[here] - before[1][there], axis=1) < _STILL
            changed = called[here] != before[2][there]
            found.append(Month(as_of, len(rows), made.names, _share(called != by_old), _share(changed[still])))
        model, before = made, (customers, places, called)
    return found


def carried(new: Segments, old: Segments | None) -> Segments:
    """A fitted model with the names that a training after `old` gives it."""
    known = list(zip(old.names, old.born, strict=True)) if old else []
    given = names.named([leaf.centre for leaf in new.root.leaves()], known)
    return Segments(new.root, tuple(name for name, _ in given), tuple(place for _, place in given))


def measure(lake_root: Path, recipe: Recipe, cores: int = 2) -> dict[str, Any]:
    """All figures of a recipe, as JSON; seconds and processor time are of this process and of Spark's."""
    import polars as pl

    from ml import session

    history = pl.read_delta(str(lake_root / "gold" / "feature_customer"))
    last = days.as_of(history, date.today())
    rows = features.at(history, last).select(COLUMNS).to_numpy()
    with tempfile.TemporaryDirectory() as scratch:
        spark = session.start(Path(scratch), cores)
        began = time.monotonic()

        def fitted(some: Rows) -> Segments:
            return Segments(fit(recipe, spark, Path(scratch), some)[1], (), ())

        agreed = agreement(fitted, rows)
        whole = carried(fitted(rows), None)
        key = whole.keys(placed(rows))[0]
        year = months(fitted, history, last)
        seconds = time.monotonic() - began
        session.stop(spark)  # waits for the JVM: its time counts from here on
    later = year[1:]
    return {
        "recipe": recipe.name,
        "as_of": last.isoformat(),
        "customers": len(rows),
        "adjusted_rand": {"mean": float(np.mean(agreed)), "lowest": min(agreed), "highest": max(agreed), "pairs": len(agreed)},
        "silhouette": quality.silhouette(placed(rows), key),
        "segments": {name: int((key == number).sum()) for number, name in enumerate(whole.names)},
        "trainings": len(year),
        "names_ever": len({name for month in year for name in month.names}),
        "months_with_other_names": sum(set(a.names) != set(b.names) for a, b in zip(year, later, strict=False)),
        "renamed_by_training": {"mean": float(np.mean([m.renamed for m in later])), "most": max(m.renamed for m in later)},
        "renamed_though_still": float(np.mean([m.still_renamed for m in later])),
        "seconds": seconds,
        "cpu_seconds": sum(os.times()[:4]),
    }


def _firsts(last: date, count: int) -> list[date]:
    whole = last.year * 12 + last.month - 1
    return [date(number // 12, number % 12 + 1, 1) for number in range(whole - count + 1, whole + 1)]


def _share(marks: Any) -> float:
    return float(np.mean(marks)) if len(marks) else 0.0


def main() -> int:
    """Print the figures; 1 where halves of the customers agree too little or a name came or went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lake", type=Path, help="the lake's folder: it has gold/feature_customer")
    parser.add_argument("--recipe", default=CANDIDATES[0].name, choices=[recipe.name for recipe in CANDIDATES])
    asked = parser.parse_args()
    found = measure(asked.lake, next(recipe for recipe in CANDIDATES if recipe.name == asked.recipe))
    print(json.dumps(found, indent=2))
    return int(found["adjusted_rand"]["mean"] < LEAST_AGREEMENT or found["months_with_other_names"] > 0)


if __name__ == "__main__":
    sys.exit(main())
