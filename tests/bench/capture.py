"""Capture beside its peers: wall, CPU, peak memory and the check of every output, in one run; exits 1 where a must is missed.

The peers (dlt, connectorx and two clients by hand, pymongo) are run by their own benchmark, `peers/compare.py`, in turn with
ours: rounds are paired, and a bound on a ratio fails only when the whole 90 % interval lies beyond it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from paired import Verdict, paired, show  # type: ignore[import-not-found]

ROOT = Path(__file__).resolve().parents[2]
OURS = f"{ROOT}/tests/bench/ours.sh {{stage}} {{out}}"
PEERS = {"full": "dlt,connectorx,pipe", "incr": "dlt-reload,dlt", "mongo": "dlt,pymongo"}
DOCUMENTS = 50_000
MEMORY = 500e6
Runs = dict[str, list[dict[str, Any]]]


def main() -> int:
    """Run the stages that are asked for, print one table, and say whether every must was kept."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--peers", type=Path, default=ROOT.parent / "shared" / "peers", help="folder of compare.py")
    asked.add_argument("--rows", type=int, default=5_000_000)
    asked.add_argument("--rounds", type=int, default=9)
    asked.add_argument("--large", type=int, default=0, metavar="ROWS", help="also compare the peak memory at so many rows")
    asked.add_argument("--stages", default="full,incr,mongo,binlog")
    options = asked.parse_args()
    if not (options.peers / "compare.py").exists():
        sys.exit(f"{options.peers}: no compare.py there; name the folder of the peers' benchmark with --peers")
    verdicts: list[Verdict] = []
    for stage in options.stages.split(","):
        if stage == "binlog":
            verdicts.append(_binlog())
        else:
            runs = _compare(options.peers, stage, options.rows, options.rounds, PEERS[stage])
            verdicts += {"full": _full, "incr": _incr, "mongo": _mongo}[stage](runs, options.rows)
            if stage == "full" and options.large:
                verdicts.append(_flat(runs, _compare(options.peers, stage, options.large, 1, "")))
    show(verdicts)
    return int(any(verdict.missed for verdict in verdicts))


def _compare(peers: Path, stage: str, rows: int, rounds: int, names: str) -> Runs:
    """Run one stage of the peers' benchmark with ours in it. Its table goes to stdout."""
    subprocess.run([peers / "servers.sh", "start"], check=True, stdout=subprocess.DEVNULL)
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.NamedTemporaryFile(suffix=".json") as results:
        command = [peers / "compare.py", "--stage", stage, "--rows", rows, "--products", DOCUMENTS, "--repeat", rounds]
        command += ["--peers", names, "--ours", OURS, "--json", results.name, *(["--warmup", "0"] if not names else [])]
        subprocess.run([str(part) for part in command], check=False, env=env)  # its status says what the check does
        found = json.loads(Path(results.name).read_text())
    runs: Runs = found["runs"]
    return runs


def _correct(stage: str, runs: Runs) -> Verdict:
    wrong = [run["note"] or "wrong" for run in runs["ours"] if not run["ok"]]
    return Verdict(f"{stage}: result", wrong[0] if wrong else "as the source", "as the source", bool(wrong))


def _ratio(what: str, runs: Runs, other: str, measure: str, bound: float) -> Verdict:
    ratio = paired([run[measure] for run in runs["ours"]], [run[measure] for run in runs[other]])
    return Verdict(f"{what}, x {other}", str(ratio), f"<= {bound}", ratio.beyond(bound))


def _full(runs: Runs, rows: int) -> list[Verdict]:
    by_hand = min(("connectorx", "pipe"), key=lambda name: statistics.median(run["wall"] for run in runs[name]))
    speed = statistics.median(rows / run["cpu"] for run in runs["ours"])
    peak = max(run["rss_mb"] for run in runs["ours"]) * 1e6
    return [
        _correct("full", runs),
        _ratio("full: wall", runs, "dlt", "wall", 0.6),
        _ratio("full: wall", runs, by_hand, "wall", 1.3),
        Verdict("full: rows per CPU-second", f"{speed:,.0f}", ">= 500,000", speed < 500_000),
        Verdict("full: peak memory", f"{peak / 1e6:.0f} MB", "<= 500 MB", peak > MEMORY),
    ]


def _flat(small: Runs, large: Runs) -> Verdict:
    peaks = [max(run["rss_mb"] for run in runs["ours"]) for runs in (small, large)]
    wrong = not all(run["ok"] for run in large["ours"])
    return Verdict(
        "full: peak at many rows", f"{peaks[1]:.0f} MB, x {peaks[1] / peaks[0]:.2f}", "<= 1.1", wrong or peaks[1] > 1.1 * peaks[0]
    )


def _incr(runs: Runs, _rows: int) -> list[Verdict]:
    return [_correct("1 % changed", runs), _ratio("1 % changed, mirror included: wall", runs, "dlt-reload", "wall", 0.6)]


def _mongo(runs: Runs, _rows: int) -> list[Verdict]:
    return [_correct("mongo", runs), _ratio("mongo: CPU", runs, "dlt", "cpu", 0.4)]


def _binlog() -> Verdict:
    """`binlog.py` prints its own table, with mysql-replication beside, and knows its bound and its check."""
    run = subprocess.run([sys.executable, ROOT / "tests" / "bench" / "binlog.py"], check=False)
    return Verdict("binlog: changes/s on one core, 300 rows an event", "above", ">= 25,000, all of them", bool(run.returncode))


if __name__ == "__main__":
    sys.exit(main())
