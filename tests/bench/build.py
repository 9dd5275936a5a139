"""Building the star beside dbt-duckdb: wall, memory and the check of every result, in one run; exits 1 where a must is missed.

The stages are the rows of the table "How fast" in docs/transforms-speed.md. `full` goes through the peers' own benchmark,
`peers/compare.py`; the others have inputs of their own (star_data.py), whose every result is compared row by row with DuckDB's.
Rounds take turns, and a bound on a ratio fails only when the whole 90 % interval lies beyond it.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import star_data  # type: ignore[import-not-found]  # noqa: E402
from measure import Measured, measure  # type: ignore[import-not-found]  # noqa: E402
from paired import Ratio, Verdict, paired, show  # type: ignore[import-not-found]  # noqa: E402

from lake.config import load  # noqa: E402
from lake.delta import Lake  # noqa: E402
from transforms import engine as engines  # noqa: E402
from transforms.build import build  # noqa: E402
from transforms.engine import Engine  # noqa: E402
from transforms.table import tables  # noqa: E402

OURS = f"{ROOT}/tests/bench/ours.sh {{stage}} {{out}}"
STAGES = ("full", "spark", "incremental", "history", "scattered", "nothing")
LENGTHS = (1, 5, 20)  # of --rows / 5
CHANGES, RECENT = 100_000, 90
MEMORY = 1.5 * 2**30
# compare.py reads the products through pyarrow's dataset, which slices what is longer into batches, and DuckDB 2.0.0 refuses a
# struct within a slice ("an Arrow batch carried column 4 with a struct … below an offset").
MOST_PRODUCTS = 131_072
TOML = 'data = "data"\n'


@dataclass(frozen=True)
class Case:
    """Inputs in `ref`, and a lake built from them before they changed; each round works on a copy of that."""

    folder: Path

    @property
    def base(self) -> Path:
        return self.folder / "base"

    def home(self, name: str) -> Path:
        """An empty lake on these inputs."""
        home = self.folder / name
        shutil.rmtree(home, ignore_errors=True)
        (home / "data" / "lake").mkdir(parents=True)
        (home / "data" / "lake" / "ref").symlink_to(self.folder / "ref")
        (home / "cartlake.toml").write_text(TOML)
        return home

    def copy(self, name: str) -> Path:
        """The built lake again. Files of a lake are never written twice, so links to them will do."""
        shutil.rmtree(self.folder / name, ignore_errors=True)
        subprocess.run(["cp", "-al", self.base, self.folder / name], check=True)
        return self.folder / name


class Bench:
    """What the stages share: the sizes, a scratch folder, an engine that is warm, and the verdicts."""

    def __init__(self, options: argparse.Namespace, scratch: Path, engine: Engine) -> None:
        self.rows, self.products, self.rounds = options.rows, options.products, options.rounds
        self.peers, self.scratch, self.engine = options.peers, scratch, engine
        self.verdicts: list[Verdict] = []

    def full(self) -> None:
        """The peers' own comparison: our process from nothing beside dbt's."""
        with tempfile.NamedTemporaryFile(suffix=".json", dir=self.scratch) as results:
            command = [self.peers / "compare.py", "--stage", "transform", "--rows", self.rows]
            command += ["--products", min(self.products, MOST_PRODUCTS)]
            command += ["--repeat", self.rounds, "--peers", "dbt", "--ours", OURS, "--json", results.name]
            subprocess.run([self.peers / "servers.sh", "start"], check=True, stdout=subprocess.DEVNULL)
            subprocess.run([str(part) for part in command], check=False, env=_environment())  # the check is in the results
            found = Path(results.name).read_text()
            if not found:
                sys.exit("peers/compare.py ended without results; what it said stands above")
            runs: dict[str, list[dict[str, Any]]] = json.loads(found)["runs"]
        self._correct("full", next((run["note"] or "wrong" for run in runs["ours"] if not run["ok"]), ""))
        wall, cpu = (paired([run[kind] for run in runs["ours"]], [run[kind] for run in runs["dbt"]]) for kind in ("wall", "cpu"))
        self._ratio("full build, process, x dbt-duckdb", wall, 0.8)
        self.verdicts.append(Verdict("full build, CPU time, x dbt-duckdb", str(cpu), "", False))
        peak = max(run["rss_mb"] for run in runs["ours"]) * 1e6
        self.verdicts.append(Verdict("full build, peak memory", f"{peak / 2**30:.2f} GiB", "<= 1.5 GiB", peak > MEMORY))

    def spark(self) -> None:
        """The same build by Apache Spark, once."""
        case = self._inputs("spark", self.rows)
        home = case.home("first")
        run = self._process(home, CARTLAKE_ENGINE__KIND="spark", CARTLAKE_DATA=str(home / "data"))
        self._correct("full build on spark", star_data.wrong(case.folder, home))
        self.verdicts.append(Verdict("full build on spark, process", f"{run.wall:.1f} s, {run.peak / 2**30:.2f} GiB", "", False))

    def incremental(self) -> None:
        """1 % inserted, 1 % updated, 0.1 % deleted: ours as a process and on a warm engine, beside dbt's whole build."""
        case = self._built("incremental", self.rows)
        one = self.rows // 100
        star_data.change(case.folder, self.rows, self.products, inserted=one, updated=one, deleted=one // 10)
        inputs = star_data.to_parquet(case.folder, case.folder / "parquet")
        self._warm(case.copy("warm"))
        process: list[float] = []
        warm: list[float] = []
        dbt: list[float] = []
        wrong = ""
        for number in range(self.rounds + 1):
            home = case.copy("process")
            mine = self._process(home).wall
            warmly = case.copy("warm")
            seconds = self._warm(warmly)
            wrong = wrong or star_data.wrong(case.folder, home) or star_data.wrong(case.folder, warmly)
            theirs = self._dbt(inputs)
            if number:  # the first round warms up dbt and the files
                for kept, took in ((process, mine), (warm, seconds), (dbt, theirs)):
                    kept.append(took)
        self._correct("1 % changed", wrong)
        self._ratio("1 % changed, process, x dbt-duckdb's rebuild", paired(process, dbt), 0.6)
        self._ratio("1 % changed, warm engine, x dbt-duckdb's rebuild", paired(warm, dbt), 0.35)

    def history(self) -> None:
        """Changes of the last days on histories of several lengths, start-up left out."""
        cases = []
        for length in LENGTHS:
            rows = self.rows // 5 * length
            case = self._built(f"history-{length}", rows)
            some = min(CHANGES, rows // 4)
            parts = {"inserted": some // 4, "updated": some // 2, "deleted": some // 4}
            star_data.change(case.folder, rows, self.products, **parts, recent=RECENT)
            cases.append(case)
        seconds: list[list[float]] = [[] for _ in cases]
        wrong = ""
        for number in range(self.rounds + 1):
            for case, taken in zip(cases, seconds, strict=True):
                home = case.copy("warm")
                took = self._warm(home)
                if number:
                    taken.append(took)
                else:
                    wrong = wrong or star_data.wrong(case.folder, home)
        self._correct(f"the last {RECENT} days changed", wrong)
        for length, taken in list(zip(LENGTHS, seconds, strict=True))[1:]:
            what = f"{CHANGES:,} changes in the last {RECENT} days, {length} x the rows, x the time"
            self._ratio(what, paired(taken, seconds[0]), 1.3)

    def scattered(self) -> None:
        """As many changes, scattered over the longest history, beside a build of that from nothing."""
        rows = self.rows // 5 * LENGTHS[-1]
        case = self._built("scattered", rows)
        parts = {"inserted": CHANGES // 4, "updated": CHANGES // 2, "deleted": CHANGES // 4}
        star_data.change(case.folder, rows, self.products, **parts)
        part, whole = [], []
        wrong = ""
        for number in range(self.rounds):
            home = case.copy("warm")
            part.append(self._warm(home))
            whole.append(self._warm(case.home("whole")))
            wrong = wrong or ("" if number else star_data.wrong(case.folder, home))
        self._correct("scattered changes", wrong)
        self._ratio(f"{CHANGES:,} scattered changes at {rows:,} rows, x a rebuild", paired(part, whole), 0.6)

    def nothing(self) -> None:
        """A build with nothing new, as a process."""
        case = self._built("nothing", self.rows)
        lake = Lake(str(case.base / "data" / "lake"))
        before = {name: lake.version(name) for layer in ("gold", "meta") for name in lake.names(layer)}
        seconds = [self._process(case.base).wall for _ in range(self.rounds)]
        after = {name: lake.version(name) for layer in ("gold", "meta") for name in lake.names(layer)}
        self._correct("nothing new", "" if before == after else "it committed")
        found = paired(seconds, [1.0] * len(seconds))
        self.verdicts.append(Verdict("nothing new, process", f"{found} s", "<= 1.5 s", found.beyond(1.5)))

    def _inputs(self, name: str, rows: int) -> Case:
        star_data.make(self.scratch / name, rows, self.products)
        return Case(self.scratch / name)

    def _built(self, name: str, rows: int) -> Case:
        case = self._inputs(name, rows)
        self._warm(case.home("base"))
        return case

    def _warm(self, home: Path) -> float:
        """Build on the engine that is running here."""
        os.sync()  # what others left to be written is not this build's cost
        began = time.perf_counter()
        build(load(home / "cartlake.toml", {}), engine=self.engine, declared=tables("star"))
        return time.perf_counter() - began

    def _process(self, home: Path, **more: str) -> Measured:
        os.sync()
        run: Measured = measure(
            [sys.executable, str(ROOT / "tests" / "bench" / "star_build.py"), str(home)], _environment() | more
        )
        if run.status:
            sys.exit(f"the build in {home} failed with {run.status}:\n{run.output[-3000:]}")
        return run

    def _dbt(self, inputs: dict[str, str]) -> float:
        os.sync()
        out = self.scratch / "dbt"
        run: Measured = measure([str(self.peers / "peer.sh"), "dbt", "transform", str(out)], _environment() | inputs)
        shutil.rmtree(out, ignore_errors=True)
        if run.status:
            sys.exit(f"dbt failed with {run.status}:\n{run.output[-3000:]}")
        return float(run.wall)

    def _correct(self, what: str, wrong: str) -> None:
        self.verdicts.append(Verdict(f"{what}: result", wrong or "as DuckDB's", "as DuckDB's", bool(wrong)))

    def _ratio(self, what: str, ratio: Ratio, bound: float) -> None:
        self.verdicts.append(Verdict(what, str(ratio), f"<= {bound}", ratio.beyond(bound)))


def main() -> int:
    """Run the stages that are asked for, print one table, and say whether every must was kept."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--peers", type=Path, default=ROOT.parent / "shared" / "peers", help="folder of compare.py")
    asked.add_argument(
        "--rows", type=int, default=5_000_000, help="sales; `history` and `scattered` take up to four times as many"
    )
    asked.add_argument("--products", type=int, default=200_000)
    asked.add_argument("--rounds", type=int, default=9)
    asked.add_argument("--stages", default=",".join(STAGES))
    options = asked.parse_args()
    chosen = options.stages.split(",")
    if strange := set(chosen) - set(STAGES):
        sys.exit(f"no stage {', '.join(sorted(strange))}; there are {', '.join(STAGES)}")
    if not (options.peers / "compare.py").exists():
        sys.exit(f"{options.peers}: no compare.py there; name the folder of the peers' benchmark with --peers")
    with _scratch() as scratch, _engine(scratch) as engine:
        bench = Bench(options, scratch, engine)
        for stage in chosen:
            getattr(bench, stage)()
            show(bench.verdicts)  # all that is known by now: a long run shows what it has
            for folder in scratch.glob(f"{stage}*"):
                shutil.rmtree(folder)
    return int(any(verdict.missed for verdict in bench.verdicts))


@contextmanager
def _scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="cartlake-build-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _engine(scratch: Path) -> Iterator[Engine]:
    (scratch / "cartlake.toml").write_text(TOML)
    engine = engines.start(load(scratch / "cartlake.toml", {}))
    try:
        yield engine
    finally:
        engine.stop()


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


if __name__ == "__main__":
    sys.exit(main())
