"""The main job three times: from nothing, with nothing new, after a traded day. Exits 1 where a bound is missed.

Warm means that the dependencies are installed and the jars fetched; the data folder is new.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from measure import Measured, measure  # type: ignore[import-not-found]

ROOT = Path(__file__).resolve().parents[2]
CARTLAKE = [str(Path(sys.executable).parent / "cartlake")]
BOUNDS = {"first demo": 120.0, "second demo, nothing new": 30.0, "demo after a traded day": 50.0}


def main() -> int:
    """Run, print one table, and say whether every bound was kept."""
    data = tempfile.mkdtemp(prefix="cartlake-bench-")
    env = {name: value for name, value in os.environ.items() if name not in ("MYSQL_URL", "MONGO_URL", "PYTHONDONTWRITEBYTECODE")}
    env["CARTLAKE_DATA"] = data
    try:
        runs = {"first demo": _run(["demo"], env), "second demo, nothing new": _run(["demo"], env)}
        _run(["shop", "trade", "--days", "1"], env)
        runs["demo after a traded day"] = _run(["demo"], env)
    finally:
        shutil.rmtree(data, ignore_errors=True)
    print("| | wall s | bound s | CPU s | peak memory MB | |\n|---|---|---|---|---|---|")
    for name, run in runs.items():
        verdict = "kept" if run.wall < BOUNDS[name] else f"MISSED by {run.wall - BOUNDS[name]:.1f} s"
        print(f"| {name} | {run.wall:.1f} | {BOUNDS[name]:.0f} | {run.cpu:.1f} | {run.peak / 1e6:,.0f} | {verdict} |")
    return int(any(run.wall >= BOUNDS[name] for name, run in runs.items()))


def _run(arguments: list[str], env: dict[str, str]) -> Measured:
    run: Measured = measure([*CARTLAKE, *arguments], env, ROOT)
    if run.status:
        sys.exit(f"cartlake {' '.join(arguments)} failed with {run.status}:\n{run.output[-3000:]}")
    return run


if __name__ == "__main__":
    sys.exit(main())
