"""What the tests of capture share: bronze folded to the present state, and captures that are killed."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lake import bronze
from lake.config import Settings
from lake.delta import Lake

OWN = bronze.COLUMNS


def fold_bronze(settings: Settings, ending: str) -> list[dict[str, Any]]:
    """The rows that a consumer must see of the one captured table whose name ends so, by the contract of bronze."""
    lake = Lake(settings.lake_root)
    (table,) = [one for one in bronze.captured(lake) if one.name.endswith(ending)]
    state = bronze.state(lake, table.name)
    rows = lake.read(table.name).sort_by("_sequence").to_pylist()
    good = [row for row in rows if row["_sequence"] < state.below]
    if not table.key:
        kept = [row for row in good if row["_sequence"] >> bronze.EPOCH_BITS == state.last_complete]
        return [{k: v for k, v in row.items() if k not in OWN} for row in kept]
    sequences = [(tuple(row[k] for k in table.key), row["_sequence"]) for row in rows]
    assert len(sequences) == len(set(sequences)), "a row is there twice"
    latest = {tuple(row[k] for k in table.key): row for row in good}
    present = [r for r in latest.values() if r["_op"] != "d" and r["_sequence"] >> bronze.EPOCH_BITS >= state.last_complete]
    return [
        {k: v for k, v in row.items() if k not in OWN}
        for row in sorted(present, key=lambda row: str([row[k] for k in table.key]))
    ]


@pytest.fixture(scope="session")
def fold() -> Callable[[Settings, str], list[dict[str, Any]]]:
    return fold_bronze


def commit_counts(settings: Settings) -> dict[str, int]:
    """Version of every table of bronze and meta: equal before and after means that nothing was committed."""
    lake = Lake(settings.lake_root)
    return {name: lake.version(name) for layer in ("bronze", "meta") for name in lake.names(layer)}


@pytest.fixture(scope="session")
def commits() -> Callable[[Settings], dict[str, int]]:
    return commit_counts


@pytest.fixture(scope="session")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., int]]:
    """`killed(settings, "*:7")` captures in a process that dies at its seventh crash point; gives the exit code, -9 if it did.

    With `tidy` small files are put together much sooner. With `file_bytes` no file can grow beyond that. Where it
    `may_fail`, 1 is an answer too.
    """
    script = Path(__file__).with_name("nursery.py")
    errors = (tmp_path_factory.mktemp("nursery") / "errors").open("w+")
    nursery = subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        cwd=Path(__file__).parents[2],
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""},
    )
    assert nursery.stdin is not None
    assert nursery.stdout is not None

    def run(
        settings: Settings, crash: str, ledger: str = "", *, tidy: bool = False, file_bytes: int = 0, may_fail: bool = False
    ) -> int:
        assert nursery.stdin is not None
        assert nursery.stdout is not None
        task = {
            "config": str(settings.home / "cartlake.toml"),
            "env": dict(settings.environment),
            "crash": crash,
            "ledger": ledger,
            "tidy": tidy,
            "file_bytes": file_bytes,
        }
        nursery.stdin.write(json.dumps(task) + "\n")
        nursery.stdin.flush()
        answer = nursery.stdout.readline()
        code = int(answer or 1)
        if code not in (0, -9) and not (code == 1 and may_fail):
            errors.seek(0)
            raise AssertionError(f"ended with {code}: {errors.read()[-3000:]}")
        return code

    yield run
    nursery.stdin.close()
    nursery.wait(timeout=30)
    errors.close()
