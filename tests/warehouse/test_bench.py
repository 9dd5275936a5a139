"""The warehouse's benchmark at a tiny size: its star is asked in three ways, which answer the same."""

import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parents[1] / "bench" / "warehouse.py"


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, str(BENCH), *arguments], capture_output=True, text=True, timeout=120)


def test_every_side_answers_the_same() -> None:
    # So few rows say nothing of speed: a ratio may be missed here, an answer may not.
    ended = run("--stage", "star", "--rows", "20000", "--rounds", "1")
    assert ended.returncode in (0, 1), ended.stderr
    assert "| star: answers | equal | equal in all three | kept |" in ended.stdout, ended.stdout + ended.stderr


def test_a_stage_that_is_not_there_is_named() -> None:
    ended = run("--stage", "stars")
    assert ended.returncode == 1
    assert "no stage stars; there are star, publish" in ended.stderr
