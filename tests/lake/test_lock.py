"""One runner at a time, across processes and threads; the kernel frees a dead holder's lock."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lake.errors import TransientFailure
from lake.lock import hold

HOLDER = """
import sys, time
from pathlib import Path
from lake.lock import hold
with hold(Path(sys.argv[1]), "build"):
    print("held", flush=True)
    time.sleep(60)
"""


def _holder(data: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(data)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_runner_leaves_and_names_the_holder(tmp_path: Path) -> None:
    process = _holder(tmp_path)
    try:
        with (
            pytest.raises(TransientFailure, match=f"build: another run holds the lock .process {process.pid}"),
            hold(tmp_path, "build"),
        ):
            pass
    finally:
        process.kill()
        process.wait()


def test_a_killed_holder_leaves_the_lock_free(tmp_path: Path) -> None:
    process = _holder(tmp_path)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with hold(tmp_path, "build"):
        pass


def test_locks_of_other_names_do_not_meet(tmp_path: Path) -> None:
    with hold(tmp_path, "build"), hold(tmp_path, "publish"):
        pass


def test_two_holders_in_one_process_exclude_each_other(tmp_path: Path) -> None:
    with hold(tmp_path, "build"), pytest.raises(TransientFailure), hold(tmp_path, "build", wait=0.2):
        pass
