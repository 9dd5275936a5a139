"""The models on a shop of 200,000 sale lines and on CDNOW's log: every figure beside its bound; exits 1 where one is missed.

`--write` puts the table into docs/models.md. AutoARIMA alone takes four minutes; `--quick` leaves it out.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

# The repository first: `ml` is the package.
ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
sys.path[:] = [str(ROOT), *(path for path in sys.path if path != str(HERE)), str(HERE)]

import ml_forecast  # type: ignore[import-not-found]  # noqa: E402
import ml_monitoring  # type: ignore[import-not-found]  # noqa: E402
import ml_purchases  # type: ignore[import-not-found]  # noqa: E402
import ml_segments  # type: ignore[import-not-found]  # noqa: E402
import ml_serving  # type: ignore[import-not-found]  # noqa: E402
from table import Row, lines, make_shop, table, write  # type: ignore[import-not-found]  # noqa: E402

BEGIN = "<!-- figures: make bench-ml -->"


def main() -> int:
    """Make the shop, train, measure, print one table, and say whether every bound was kept."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--data", type=Path, help="a data folder with a trained shop; one is made where none is given")
    asked.add_argument("--quick", action="store_true", help="without AutoARIMA")
    asked.add_argument("--write", action="store_true", help="the table into docs/models.md")
    options = asked.parse_args()
    made = None if options.data else Path(tempfile.mkdtemp(prefix="cartlake-models-"))
    data: Path = options.data or made
    rows: list[Row] = []
    try:
        if made:
            make_shop(made)
        parts: list[Callable[[], list[Row]]] = [
            lambda: _trainings(data),
            lambda: _forecast(data, options.quick),
            lambda: _segments(data),
            ml_purchases.figures,
            lambda: _serving(data),
            lambda: _monitoring(data),
        ]
        for part in parts:
            rows += part()
            print("\n".join(lines(rows)) + "\n", flush=True)  # all that is known by now: a long run shows what it has
    finally:
        if made:
            shutil.rmtree(made, ignore_errors=True)
    text = table(rows)
    print("\n" + text)
    if options.write:
        write("models.md", BEGIN, text)
    return int(any(row.kept is False for row in rows))


def _trainings(data: Path) -> list[Row]:
    """What the trainings of the customers' models found, from the lake's own record of them; and what a training takes."""
    from lake.config import load
    from ml.life import facts
    from ml.train import train

    os.environ["CARTLAKE_DATA"] = str(data)
    settings = load(ROOT / "cartlake.toml")
    began, before = time.monotonic(), sum(os.times()[:4])
    report = train(settings, force=True)
    if report.errors:
        sys.exit(f"training failed: {report.errors}")
    took, cpu = time.monotonic() - began, sum(os.times()[:4]) - before
    from lake.delta import Lake

    known = facts.last(Lake(settings.lake_root))
    repeat, products = known["repeat_purchase"]["metrics"], known["recommendations"]["metrics"]
    plain, popular = known["repeat_purchase"]["naive"], known["recommendations"]["naive"]
    return [
        Row("training all four models", f"{took:.0f} s, CPU {cpu:.0f} s"),
        Row(
            "repeat purchase in 30 days: log loss; by the rate of equal recency",
            f"{repeat['log_loss']:.3f}; {plain['log_loss']:.3f}",
            "lower",
            repeat["log_loss"] < plain["log_loss"],
        ),
        Row(
            "… AUC; lift at 10 %; calibration error",
            f"{repeat['auc']:.3f}; {repeat['lift_10']:.2f}; {repeat['calibration_error']:.4f}",
        ),
        Row(
            "recommendations: precision at 10; of the most popular",
            f"{products['precision_10']:.4f}; {popular['precision_10']:.4f}",
            "higher",
            products["precision_10"] > popular["precision_10"],
        ),
        Row("… hit rate at 10; of the most popular", f"{products['hit_rate_10']:.3f}; {popular['hit_rate_10']:.3f}"),
    ]


def _forecast(data: Path, quick: bool) -> list[Row]:
    rivals = ("AutoETS",) if quick else ("AutoETS", "AutoARIMA")
    found: list[Row] = ml_forecast.figures(ml_forecast.measure(data / "lake", rivals))
    return found


def _segments(data: Path) -> list[Row]:
    from lake.config import load
    from lake.delta import Lake
    from ml.life import facts

    chosen = facts.last(Lake(load(ROOT / "cartlake.toml").lake_root))["customer_segments"]["recipe"]
    recipe = next(one for one in ml_segments.CANDIDATES if one.name == chosen)
    found = ml_segments.measure(data / "lake", recipe)
    agreed, other = found["adjusted_rand"], found["months_with_other_names"]
    told = f"{agreed['mean']:.3f} ({agreed['lowest']:.3f} to {agreed['highest']:.3f})"
    return [
        Row(f"segments ({chosen}): adjusted Rand of bootstrap halves", told, ">= 0.85", agreed["mean"] >= 0.85),
        Row("… silhouette", f"{found['silhouette']:.3f}"),
        Row(f"… months of {found['trainings'] - 1} after which a name was another", str(other), "0", other == 0),
        Row("… customers who stood still and were renamed by a training", f"{found['renamed_though_still']:.2%}"),
    ]


def _serving(data: Path) -> list[Row]:
    found = ml_serving.measure(data)
    return [
        Row("serving on one core, the slowest of all champions: ready", f"{found['ready']:.1f} s", "< 5 s", found["ready"] < 5),
        Row("… a single answer, p50", f"{found['p50']:.1f} ms", "<= 5 ms", found["p50"] <= 5),
        Row("… a single answer, p99", f"{found['p99']:.1f} ms", "<= 25 ms", found["p99"] <= 25),
        Row(
            "… 8 connections at once", f"{found['rate']:,.0f}/s, p99 {found['p99_busy']:.1f} ms", ">= 500/s", found["rate"] >= 500
        ),
        Row(f"… {ml_serving.OFFERED} asked for a second, p99 from when each was due", f"{found['p99_offered']:.1f} ms"),
    ]


def _monitoring(data: Path) -> list[Row]:
    found = ml_monitoring.measure(data / "lake")
    price, gone, false = found["price_told"], found["gone_told"], found["false_alarms"]
    return [
        Row(f"prices up 30 %, told the same day, of {found['price_plants']:.0f} plants", f"{price:.1%}", "all", price == 1),
        Row(f"a category gone, told the same day, of {found['gone_plants']:.0f} plants", f"{gone:.1%}", "all", gone == 1),
        Row("days of a quiet year with an alarm", f"{false:.1%}", "<= 2 %", false <= 0.02),
    ]


if __name__ == "__main__":
    sys.exit(main())
