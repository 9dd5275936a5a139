"""The warehouse beside DuckDB by hand: eight star queries, publishes, many clients, TPC-H; exits 1 where a must is missed.

The stages are the rows of the table "How fast" in docs/warehouse.md. Rounds take turns, and a bound on a ratio fails only when
the whole 90 % interval lies beyond it.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

# Before this folder, where this file would be taken for the package `warehouse`.
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import warehouse_clients  # type: ignore[import-not-found]  # noqa: E402
import warehouse_star  # type: ignore[import-not-found]  # noqa: E402
import warehouse_tpch  # type: ignore[import-not-found]  # noqa: E402
from paired import Verdict, show  # type: ignore[import-not-found]  # noqa: E402

# Stages whose rounds are long have fewer, so that all of it takes less than half an hour; five are the least with an interval.
FEW = 5
STAGES = ("star", "publish", "bloat", "clients", "tpch")


def main() -> int:
    """Run the stages that are asked for, print one table, and say whether every must was kept."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--rows", type=int, default=10_000_000, help="of the fact")
    asked.add_argument("--bloat-rows", type=int, default=warehouse_star.BLOAT_ROWS, help="of the fact that is published 50 times")
    asked.add_argument("--publishes", type=int, default=warehouse_star.PUBLISHES)
    asked.add_argument("--scale", type=float, default=1, choices=(0.01, 0.1, 1), help="of TPC-H: those that have known answers")
    asked.add_argument("--rounds", type=int, default=9)
    asked.add_argument("--seconds", type=float, default=5, help="of each round of clients")
    asked.add_argument("--clients", type=int, default=50)
    asked.add_argument("--stage", default=",".join(STAGES))
    options = asked.parse_args()
    chosen = options.stage.split(",")
    if strange := set(chosen) - set(STAGES):
        sys.exit(f"no stage {', '.join(sorted(strange))}; there are {', '.join(STAGES)}")
    rows, rounds = options.rows, options.rounds
    verdicts: list[Verdict] = []
    scratch = Path(tempfile.mkdtemp(prefix="cartlake-warehouse-"))
    try:
        for stage in chosen:
            home = scratch / stage
            if stage == "star":
                verdicts += warehouse_star.queries(home, rows, rounds)
            elif stage == "publish":
                verdicts += warehouse_star.publishes(home, rows, min(rounds, FEW))
            elif stage == "bloat":
                verdicts += warehouse_star.bloat(home, min(rows, options.bloat_rows), options.publishes)
            elif stage == "clients":
                verdicts += warehouse_clients.clients(home, rows, min(rounds, FEW), options.clients, options.seconds)
            else:
                verdicts += warehouse_tpch.queries(home, options.scale, rounds)
            show(verdicts)  # all that is known by now: a long run shows what it has
            shutil.rmtree(home)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return int(any(verdict.missed for verdict in verdicts))


if __name__ == "__main__":
    sys.exit(main())
