"""A crash point kills the process at the visit that the environment armed, and writes each visit down first."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

CODE = "from lake.crash import crash_point\nfor name in ['a', 'b', 'a']:\n    crash_point(name)\nprint('alive')"


def run(tmp_path: Path, spec: str) -> tuple[int, str, list[str]]:
    ledger = tmp_path / "ledger"
    env = {**os.environ, "CARTLAKE_CRASH": spec, "CARTLAKE_CRASH_LEDGER": str(ledger)}
    done = subprocess.run([sys.executable, "-c", CODE], env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, [json.loads(line)["point"] for line in ledger.read_text().splitlines()]


@pytest.mark.parametrize(("spec", "visited"), [("a", ["a"]), ("a:2", ["a", "b", "a"]), ("b", ["a", "b"]), ("*:2", ["a", "b"])])
def test_it_kills_at_the_armed_visit(tmp_path: Path, spec: str, visited: list[str]) -> None:
    assert run(tmp_path, spec) == (-signal.SIGKILL, "", visited)


@pytest.mark.parametrize("spec", ["", "c", "a:3"])
def test_it_lets_every_other_visit_pass(tmp_path: Path, spec: str) -> None:
    assert run(tmp_path, spec) == (0, "alive\n", ["a", "b", "a"])
