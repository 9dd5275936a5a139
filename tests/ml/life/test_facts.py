"""Which code a training ran: the commit, and whether it was all of it."""

import subprocess
from pathlib import Path

import pytest

from ml.life import facts


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=any", "-c", "user.email=any@example.com", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def test_a_checkout_says_its_commit_and_whether_anything_is_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "__file__", str(tmp_path / "facts.py"))
    assert (facts.commit(), facts.dirty()) == ("", "")
    git(tmp_path, "init", "-q")
    (tmp_path / "facts.py").write_text("1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    assert (facts.commit(), facts.dirty()) == (git(tmp_path, "rev-parse", "HEAD"), "false")
    (tmp_path / "facts.py").write_text("2")
    assert facts.dirty() == "true"


def test_without_git_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (facts.commit(), facts.dirty()) == ("", "")
